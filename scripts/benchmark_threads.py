"""What waiting threads cost: training steps by threads and by how OpenMP waits, on an idle machine and on a busy one.

    python scripts/benchmark_threads.py --rounds 3 --busy 2

Each setting runs in a process of its own, as OpenMP reads OMP_WAIT_POLICY when torch is loaded; settings take turns, so
that all of them see the same machine. `--busy` keeps so many cores busy meanwhile. Further words are overrides.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack

from benchmark_step import Clock, bare, prepare, spread

SETTINGS = ((1, "passive"), (2, "active"), (2, "passive"))  # threads, how they wait; active is libgomp's own way


def measure(options: argparse.Namespace) -> None:
    """Prints the median wall time and the mean process time of a step."""
    import torch

    torch.set_num_threads(options.threads)
    work = prepare(options)
    clock = Clock(work.model.device)
    bare(work, options.steps, clock)
    print(json.dumps(clock.seconds()))


def run(options: argparse.Namespace, threads: int, policy: str) -> tuple[float, float]:
    """The same in a new process."""
    words = [__file__, "--threads", str(threads), "--steps", str(options.steps), *options.overrides]
    # "active" leaves the variable out: set, it would make threads spin for ever instead of for a while.
    known = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS")}
    environment = known | ({"OMP_WAIT_POLICY": "PASSIVE"} if policy == "passive" else {})
    done = subprocess.run([sys.executable, *words], env=environment, check=True, capture_output=True, text=True)
    wall, process = json.loads(done.stdout.splitlines()[-1])
    return wall, process


def main() -> None:
    """All settings in turns, so many rounds; one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--busy", type=int, default=0, help="cores kept busy by other processes")
    parser.add_argument("--threads", type=int, default=0, help="measure one setting in this process")
    parser.add_argument("overrides", nargs="*", help="such as model=shapes_dit")
    options = parser.parse_args()
    if options.threads:
        return measure(options)
    times: dict[tuple[int, str], list[tuple[float, float]]] = {setting: [] for setting in SETTINGS}
    with ExitStack() as stack:
        for _ in range(options.busy):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        for _ in range(options.rounds):
            for setting in SETTINGS:
                times[setting].append(run(options, *setting))
    base = statistics.median(wall for wall, _ in times[SETTINGS[0]])
    for (threads, policy), rows in times.items():
        walls, processes = map(list, zip(*rows, strict=True))
        ratio = statistics.median(walls) / base
        print(f"{threads} threads, {policy}: {spread(walls)} s a step ({ratio:.2f} ×), {spread(processes)} CPU s")


if __name__ == "__main__":
    main()

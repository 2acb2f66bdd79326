"""Kills a sweep whose clock is set back an hour each time it begins again: does it end with the same records?

    python scripts/clock.py --kills 4

The clock is libfaketime's (Debian: apt-get install faketime). One part more begins a month ahead, so that what is there
seems to come from the future afterwards. It ends with 1 if a record differs from those of an undisturbed sweep.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from chaos import Chaos

_NAME = "set_back"  # of the results


def main() -> int:
    """Runs what is asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("words", nargs="*", help="overrides of the sweep")
    options = parser.parse_args()
    if shutil.which("faketime") is None:
        parser.error("faketime isn't there; apt-get install faketime")
    draw = random.Random(options.seed)
    hours = [24 * 30, *(-hour for hour in range(1, options.kills + 1))]
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder), "basic", options.words)
        for shift in hours:
            running = _begin(chaos, shift)
            try:
                running.wait(chaos.startup + draw.uniform(0, 2) * (chaos.seconds - chaos.startup) / len(hours))
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
            print(f"{shift:+d} h: killed with {len(chaos.records(_NAME))} records", flush=True)
        code = _begin(chaos, hours[-1] - 1).wait()
        wrong = chaos.differing(_NAME) + (code != 0)
    print("wrong:", wrong)
    return int(wrong > 0)


def _begin(chaos: Chaos, hours: int) -> subprocess.Popen[bytes]:
    """Starts the sweep with another time."""
    return chaos.begin(_NAME, ahead=["faketime", "-f", f"{hours:+d}h"])


if __name__ == "__main__":
    sys.exit(main())

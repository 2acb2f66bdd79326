"""Kills a sweep at random moments, damages its results, and races two sweeps: is what remains what it would have been?

    python scripts/chaos.py --kills 5 --damages 10 --unfinished 12 --races 1

It ends with 1 if any record differs from those of an uninterrupted sweep, or anything but a
line stopped a job.
"""

import argparse
import functools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from damage import damage_finished, damage_left, leave, obeying_permissions
from dying import dies_at
from motion_inversion.command.arguments import read
from motion_inversion.command.jobs import rehearse
from motion_inversion.error import InputError
from motion_inversion.storage.file import remove
from motion_inversion.storage.names import CACHED, COST, MANIFEST, UNFINISHED

SWEEP = [
    "model=shapes",
    "loss=mse,vmc,debiased",
    "layout=all,deep",
    "dataset.only=[odd_path],[pan]",
    "noise=random",
    "sampler.steps=2",
    "inversion.steps=2",
    "trainer.max_steps=3",
    "method.checkpoint_every=1",
    "metric=[motion_fidelity]",
    "stages=[prepare,train,generate,evaluate]",
    "threads=1",
]
LAUNCHERS = ("basic", "joblib", "submitit", "ray")
_EARLY = 0.2  # of the kills, those that come before there is work
_WORK = re.compile(r": (?:fitting|sampling|scoring) ")
_OPERATIONS = 300  # on files, that a job takes about
_NAMED = re.compile(r"delete (\S+) to make it anew")
_RIGHT, _WRONG = "made anew", "wrong"
_UNSURE = {"cost", "environment", "git"}  # of a record: what may differ between two runs


def main() -> int:
    """Runs what is asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5, help="SIGKILLs at random moments of one sweep")
    parser.add_argument("--damages", type=int, default=10, help="flipped bits, cut files and deletions")
    parser.add_argument("--unfinished", type=int, default=12, help="damages of what a death left, and of the cache")
    parser.add_argument("--races", type=int, default=1, help="pairs of sweeps that begin at once on one output")
    parser.add_argument("--launcher", default="basic", choices=LAUNCHERS, help="of the sweeps that are killed or race")
    parser.add_argument(
        "--compare", action="append", default=[], choices=LAUNCHERS, help="run the sweep by this launcher, too"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("words", nargs="*", help="overrides of the sweep")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder), options.launcher, options.words)
        wrong = sum(map(chaos.compared, options.compare))
        wrong += chaos.killed(options.kills, draw) + chaos.damaged(options.damages, draw)
        with obeying_permissions():
            wrong += chaos.left(options.unfinished, draw)
        wrong += sum(chaos.raced(number) for number in range(options.races))
    print("wrong:", wrong)
    return int(wrong > 0)


class Chaos:
    """Sweeps below a folder; `whole` is the one that nothing disturbs."""

    def __init__(self, folder: Path, launcher: str, words: list[str]) -> None:
        self.folder, self.launcher, self.words = folder, launcher, words
        begun, start = time.time(), time.monotonic()
        self.finish("whole")
        self.seconds = time.monotonic() - start
        [noted] = (folder / "whole/sweep").rglob("jobs.json")
        self.startup = noted.stat().st_mtime - begun  # which every start takes, before there is work
        self.expected, self.work = self.records("whole"), self.begun("whole")
        print(f"undisturbed: {len(self.expected)} records of {self.work} pieces of work in {self.seconds:.0f} s")

    def begin(self, name: str, launcher: str = "basic", ahead: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Starts a sweep whose results go to a folder of this name; `ahead` are words before its command."""
        command = [*ahead, sys.executable, "-m", "motion_inversion", "-m", *SWEEP, *self.words]
        command += [f"output={self.folder / name}", f"hydra/launcher={launcher}"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        log = (self.folder / f"{name}.log").open("ab")
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def finish(self, name: str, launcher: str = "basic") -> int:
        """Runs a sweep to its end; its exit code."""
        return self.begin(name, launcher).wait()

    def compared(self, launcher: str) -> int:
        """Runs the sweep by a launcher, beside the one in this process that nothing disturbed."""
        start = time.monotonic()
        code = self.finish(launcher, launcher)
        seconds = time.monotonic() - start
        print(f"{launcher}: exit code {code}, {seconds:.0f} s, {seconds / self.seconds:.2f} times as long", flush=True)
        return self.differing(launcher) + (code != 0)

    def records(self, name: str) -> dict[str, object]:
        """All records of a sweep, by their places, without what may differ."""
        found: dict[str, object] = {}
        for path in sorted((self.folder / name).glob("*/*/evaluate/*/score.json")):
            record = json.loads(path.read_text())
            found[str(path.relative_to(self.folder / name))] = {
                key: value for key, value in record.items() if key not in _UNSURE
            }
        return found

    def killed(self, times: int, draw: random.Random) -> int:
        """Kills one sweep so many times, and then lets it end."""
        if not times:
            return 0
        for _ in range(times):
            begun = self.begun("killed")
            running = self.begin("killed", self.launcher)
            try:
                if draw.random() < _EARLY:
                    running.wait(draw.uniform(0, self.startup))
                else:
                    while running.poll() is None and self.begun("killed") == begun:  # it starts
                        time.sleep(0.05)
                    running.wait(draw.uniform(0, 2) * (self.seconds - self.startup) / times)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
                if self.launcher == "submitit":
                    _kill_slurm_jobs()
        self.finish("killed", self.launcher)
        repeated = 100 * (self.begun("killed") - self.work) / self.work
        print(f"{times} kills: {repeated:.0f} % of the pieces of work were begun again")
        return self.differing("killed")

    def begun(self, name: str) -> int:
        """How many trainings, batches of samples and scorings were begun, by the logs."""
        logs = [path.read_text() for path in (self.folder / name / "sweep").glob("*/*.log")]
        return sum(len(_WORK.findall(log)) for log in logs)

    def damaged(self, times: int, draw: random.Random) -> int:
        """Damages a file of finished or unfinished artifacts: each must be refused or made anew, to the same record."""
        wrong = 0
        outcomes: Counter[str] = Counter()
        for number in range(times):
            name = f"damaged{number}"
            shutil.copytree(self.folder / "whole", self.folder / name)
            what = damage_finished(self.folder / name, draw)
            refused = self.repeated(name)
            if not refused:
                wrong += self.differing(name)
            outcomes[f"{what}: {'refused' if refused else 'made anew, or of no account'}"] += 1
            shutil.rmtree(self.folder / name)
        _tell(outcomes)
        return wrong

    def left(self, times: int, draw: random.Random) -> int:
        """Lets every job of a sweep die at a file operation, damages what it left and what the cache has for it, and
        repeats it; how many damages it went wrong after. Sweeps begin until there were enough."""
        done, wrong, outcomes = 0, 0, Counter[str]()
        output = self.folder / "left"
        jobs = self.jobs("left") if times else []
        while done < times:
            for number, job in enumerate(jobs):
                dies_at(draw.randrange(_OPERATIONS), output, functools.partial(_run_quietly, job))
                wanted = {result.place for result in job.outlook()} if number % 2 else set[Path]()
                damages = damage_left(output, draw, wanted)
                told = self.repaired(job, output, [folder for folder, _ in damages])
                if not damages and told.startswith(_WRONG):
                    print(f"a death without damage: {told}", flush=True)
                    wrong += 1
                for folder, what in damages:
                    print(f"damage {done + 1}: {what} in {_short(folder, output)}: {told}", flush=True)
                    kind = "the cache" if CACHED in folder.parts else f"an unfinished {folder.parent.name}"
                    outcomes[f"{what.partition(' (')[0]} in {kind}: {told}"] += 1
                    done, wrong = done + 1, wrong + told.startswith(_WRONG)
                if done >= times:
                    break
            leave(output)
            shutil.rmtree(output)
        _tell(outcomes)
        return wrong

    def repaired(self, job: Any, output: Path, damaged: Sequence[Path]) -> str:
        """Repeats a job after damages, and again after each refusal once what the line names is deleted; how that
        ended."""
        refusals = 0
        while told := _attempt(job):
            named = _NAMED.search(told)
            if not named or refusals == len(damaged):
                return f"{_WRONG}: {told}"
            refusals += 1
            path = Path(named[1])
            path.chmod(0o755)
            remove(path)
        strange = [_short(path, output) for path in _sealed(output) if not self.is_as_undisturbed(path, output)]
        if strange:
            return f"{_WRONG}, silent: {' '.join(strange)}"
        return f"{_RIGHT}, refused {refusals} times before" if refusals else _RIGHT

    def is_as_undisturbed(self, path: Path, output: Path) -> bool:
        """Whether a file of a finished artifact is that of the undisturbed sweep, but for what may differ."""
        other = self.folder / "whole" / path.relative_to(output)
        if path.parent.parent.name == "evaluate":  # a score tells its cost
            return path.is_file()
        return other.is_file() and path.is_file() and other.read_bytes() == path.read_bytes()

    def jobs(self, name: str) -> list[Any]:
        """The jobs of a sweep, to be run in this process: hundreds of starts would take hours."""
        command = read(["-m", *SWEEP, *self.words, f"output={self.folder / name}"])
        return rehearse(command, Path(__file__).parents[1] / "conf").built

    def repeated(self, name: str) -> bool:
        """Runs all jobs of a sweep in this process; whether one was refused. Anything else that stops a job, stops
        this."""
        refused = False
        for job in self.jobs(name):
            try:
                refused |= job.make() is not None
            except InputError:
                refused = True
        return refused

    def raced(self, number: int) -> int:
        """Two sweeps at once on one output."""
        running = [self.begin(f"raced{number}", self.launcher) for _ in range(2)]
        codes = [each.wait() for each in running]
        print(f"two at once: exit codes {codes}")
        return self.differing(f"raced{number}") + sum(code != 0 for code in codes)

    def differing(self, name: str) -> int:
        """How many records are missing, more, or others than undisturbed."""
        found = self.records(name)
        places = found.keys() | self.expected.keys()
        return sum(found.get(place) != self.expected.get(place) for place in places)


def _tell(outcomes: Counter[str]) -> None:
    for outcome, count in sorted(outcomes.items()):
        print(f"{count} × {outcome}")


def _run_quietly(job: Any) -> None:
    """Runs a job that is to die anyway: of one that is refused before, the next attempt tells."""
    _attempt(job)


def _attempt(job: Any) -> str:
    """Runs a job; the line that refused it, or the last of a traceback, which no damage may end in."""
    try:
        failure = job.make()
    except InputError as error:
        failure = error
    except Exception as error:
        traceback.print_exc()
        return f"traceback: {type(error).__name__}: {error}"
    return "" if failure is None else str(failure)


def _sealed(output: Path) -> list[Path]:
    """All that lies in finished artifacts, but for what may differ."""
    folders = [path.parent for path in output.glob(f"[!.]*/**/{MANIFEST}") if path.parent.suffix != UNFINISHED]
    inside = [path for folder in folders for path in sorted(folder.iterdir())]
    return [path for path in inside if path.name != COST and path.suffix != ".ckpt"]


def _short(path: Path, output: Path) -> str:
    return str(path.relative_to(output))


def _kill_slurm_jobs() -> None:
    """As a node's power cut would: those that run get SIGKILL, and those that wait never start."""

    def jobs() -> list[str]:
        return subprocess.run(
            ["squeue", "--me", "--noheader", "--format=%A"], capture_output=True, text=True
        ).stdout.split()

    for options in (["--signal=KILL", "--full"], []):
        subprocess.run(["scancel", *options, *dict.fromkeys(jobs())], stderr=subprocess.DEVNULL)
    while jobs():
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())

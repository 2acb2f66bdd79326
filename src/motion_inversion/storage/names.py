"""What the files are called that evaluation writes and the report reads, the versions of their formats, and what the
folder of an experiment may be called."""

import os
import re
from itertools import chain
from pathlib import Path

from motion_inversion.error import InputError

FORMAT = "motion-inversion-score/2"
SCORE = "score.json"
PLAN_FORMAT = "motion-inversion-plan/1"
PLAN = "plan-{digest}.json"
RUN_FORMAT = "motion-inversion-run/1"
RUN = "run-{digest}.json"
RECORDS = "records.jsonl"
COST = "cost.json"  # differs from run to run, so it is no part of what an artifact is
TOGETHER = "together.txt"  # beside a result: the names of what was made together with it, its own among them
MANIFEST = "manifest.json"
UNFINISHED = ".part"
LOSSES = "loss.csv"  # of a training, step by step
JOBS = "jobs.json"  # of a sweep
STOP = "stop"  # of a sweep whose command was told to stop
SWEEP_FORMAT = "motion-inversion-sweep/1"  # of that
JOB_FORMAT = "motion-inversion-job/1"  # of what each of its jobs notes beside it
RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"  # what it notes there
SWEEPS = "sweep"  # below `output`: a folder for each sweep
CACHED = ".cache"  # below `output`: what experiments of all names share
LOCK = ".lock"  # in an unfinished artifact, held by the process that makes it

FROZEN = "none"  # the method that is no customisation: the frozen model
UNRELATED = "unrelated"  # in place of a method: another clip of the set, the floor of a table
SOURCE = "source"  # in place of a method: the clip itself, the ceiling of a table

_FOLDER = re.compile(r"[^\x00-\x1f\x7f]+")
_LEVELS = ("*", "*/*", "*/*/*")  # of an experiment's folder: clips, stages, results
_LONGEST = 100  # bytes of a folder's name, which file systems limit to 255


def check_name(name: str) -> None:
    """Whether an experiment's name is a folder below `output`, or a path of several.

    Raises:
        InputError: if it is empty, leaves that folder, is taken, or can't be a folder's name everywhere.
    """
    parts = name.split("/")
    if not name.strip():
        raise InputError("name is empty, but names the folder of the results; set name=my_experiment")
    if parts[0].casefold() in (CACHED, SWEEPS):
        raise InputError(
            f"name={name}: below output, {CACHED} is what experiments share and {SWEEPS} is of sweeps; accepted are "
            f"other names; set name=my_{SWEEPS}"
        )
    for part in parts:
        long = len(part.encode(errors="surrogateescape")) > _LONGEST
        if not _FOLDER.fullmatch(part) or part.strip(" .") == "" or part[:1] == "~" or part != part.strip() or long:
            shown = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"
            raise InputError(
                f"name={shown!r} can't be a folder below output: accepted are names of up to {_LONGEST} bytes, "
                "joined by / where one lies in another, none of them ., .. or ~; set name=my_experiment, or output=…"
            )


def check_output(output: Path) -> None:
    """Whether the folder of all experiments is one, or can be made.

    Raises:
        InputError: if it has control characters, or something that is no folder has its name or one above it.
    """
    if not _FOLDER.fullmatch(str(output)):
        raise InputError(f"output={str(output)!r} has control characters; set output=outputs")
    there = next((path for path in (output, *output.parents) if os.path.lexists(path)), Path())
    if not there.is_dir():
        raise InputError(f"output={output} can't be a folder, as {there} is none; set output=outputs")


def check_links(output: Path, name: str) -> None:
    """Whether an experiment's folder, and the folders of results in it, lie below `output` when links are followed.

    Raises:
        InputError: for a link that leads out, or to itself.
    """
    root = Path(os.path.realpath(output))
    parts = name.split("/")
    above = (output.joinpath(*parts[: depth + 1]) for depth in range(len(parts)))
    inside = (path for level in _LEVELS for path in (output / name).glob(level))
    for path in chain(above, inside):
        if not os.path.islink(path):
            continue
        target = Path(os.path.realpath(path))
        if os.path.islink(target):
            raise InputError(f"name={name} leads nowhere: the link {path} leads to itself; choose another name")
        if not target.is_relative_to(root):
            raise InputError(
                f"name={name} leads out of output={output} by the link {path}, to {target}; choose another name or set "
                "output=…"
            )

"""Runs one job on disks that are too small for it, and on one that can only be read, then gives it room.

    python scripts/full_disk.py --disks 3

Each refusal must be one line and exit code 2, and what it leaves must not keep the repeated job from ending with the
bytes of an undisturbed one. As root, on Linux: it mounts disks in memory.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dying import files

JOB = [
    "model=shapes",
    "model.frames=4",
    "dataset=demo",
    "dataset.only=[odd_path]",
    "noise=blend",
    "sampler.steps=2",
    "inversion.steps=2",
    "trainer.max_steps=3",
    "method.checkpoint_every=1",
    "metric=[motion_fidelity]",
    "threads=1",
]
STAGES = ("prepare", "train", "generate", "evaluate", "report")
# What differs from run to run, or holds checksums of it.
APART = (
    "cost.*",
    "score.json",
    "evaluate/*/manifest.json",
    "run-*.json",
    "records.jsonl",
    "report/*",
    "report/*/*",
    "*.ckpt",
    "*.log",
    ".lock",
)
ROOM = 2**28  # bytes, which is enough
_STAGE = re.compile(r"motion_inversion\.(?:stage\.)?(\w+)")


def main() -> int:
    """Prints a line for each disk; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--disks", type=int, default=3, help="of sizes that are full amid each stage")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        disk = Path(place) / "disk"
        with mounted(disk, ROOM):
            used = [0]
            for number in range(len(STAGES)):
                begin(disk, number + 1)
                room = os.statvfs(disk)
                used.append((room.f_blocks - room.f_bfree) * room.f_frsize)
            expected = files(disk / "output", *APART)
        print(f"undisturbed: {len(expected)} files to compare, {used[-1] / 2**20:.1f} MiB on disk", flush=True)
        wrong = 0
        for number, stage in enumerate(STAGES):
            before, after = used[number : number + 2]
            for part in range(1, options.disks + 1):
                with mounted(disk, ROOM):
                    begin(disk, number)
                    remount(disk, f"size={before + (after - before) * part // (options.disks + 1)}")
                    told = refused(disk)
                    remount(disk, f"size={ROOM}")
                    wrong += tell(f"full amid {stage}", told, ended(disk, expected))
            with mounted(disk, ROOM):
                begin(disk, number)
                remount(disk, "ro")
                told = refused(disk)
                remount(disk, "rw")
                wrong += tell(f"read-only from {stage} on", told, ended(disk, expected))
    print("wrong:", wrong)
    return int(wrong > 0)


@contextmanager
def mounted(disk: Path, size: int) -> Iterator[None]:
    """A disk in memory of so many bytes."""
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def remount(disk: Path, option: str) -> None:
    """Changes a mounted disk."""
    subprocess.run(["mount", "-o", f"remount,{option}", str(disk)], check=True)


def begin(disk: Path, number: int) -> None:
    """Runs the first so many stages."""
    if number:
        run(disk / "output", f"stages=[{','.join(STAGES[:number])}]")


def run(output: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The job as a user starts it."""
    command = [sys.executable, "-m", "motion_inversion", *JOB, f"output={output}", *words]
    return subprocess.run(command, capture_output=True, text=True)


def refused(disk: Path) -> str:
    """How the job was refused: its last line, and what is wrong with it."""
    ran = run(disk / "output")
    lines = [line for line in ran.stderr.splitlines() if line.strip()]
    stages = [found[1] for line in lines if (found := _STAGE.search(line)) and " INFO " in line]
    faults = [f"exit code {ran.returncode}"] if ran.returncode != 2 else []
    faults += ["a traceback"] if "Traceback" in ran.stderr else []
    errors = [line for line in lines if line.startswith("motion-inversion: ")]
    faults += [f"{len(errors)} lines"] if len(errors) != 1 or lines[-1] != errors[-1] else []
    last = stages[-1] if stages else "start"
    return f"after {last}: {lines[-1] if lines else ''}" + "".join(f" WRONG: {fault}" for fault in faults)


def ended(disk: Path, expected: dict[str, bytes]) -> str:
    """Whether the job, repeated, ends with the expected bytes; what is wrong, if not."""
    ran = run(disk / "output")
    if ran.returncode:
        return f"WRONG: repeated, exit code {ran.returncode}: {ran.stderr.splitlines()[-1]}"
    found = files(disk / "output", *APART)
    other = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return f"WRONG: {len(other)} files differ, such as {other[0]}" if other else "then the same bytes"


def tell(what: str, told: str, then: str) -> bool:
    """Prints both; whether one of them is wrong."""
    print(f"{what}: {told}; {then}", flush=True)
    return "WRONG" in told + then


if __name__ == "__main__":
    sys.exit(main())

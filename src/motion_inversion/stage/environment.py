"""Where numbers come from: versions, hardware, and the state of the code."""

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import torch

from motion_inversion import __version__
from motion_inversion.error import InputError
from motion_inversion.storage.file import sha256_of

_PACKAGES = (
    "torch",
    "diffusers",
    "transformers",
    "pytorch-lightning",
    "open_clip_torch",
    "opencv-python-headless",
    "numpy",
    "av",
)
_PREPARING = ("backbone", "core", "data", "stage", "storage")  # our packages that prepare a clip


class Git(TypedDict):
    """The commit that is checked out, and whether tracked files differ from it."""

    commit: str
    dirty: bool


def environment(device: torch.device) -> dict[str, str]:
    """Versions and hardware: what equal numbers may depend on."""
    return {
        "python": platform.python_version(),
        "device": device_name(device),
        "threads": str(torch.get_num_threads()),
        "motion-inversion": __version__,
        **{package: importlib.metadata.version(package) for package in _PACKAGES},
    }


def device_name(device: torch.device) -> str:
    """What the device is called by those who make it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


@functools.cache
def preparation() -> str:
    """Eight hexadecimal digits that stand for the code that prepares clips: this package's, and that of others.

    Results of one name may come from several versions, which their records say; what all names share may not.
    """
    package = Path(__file__).parents[1]
    ours = sorted(path for part in _PREPARING for path in (package / part).rglob("*.py"))
    versions = [f"{each} {importlib.metadata.version(each)}" for each in _PACKAGES]
    return hashlib.sha256(" ".join([sha256_of(*ours), *versions]).encode()).hexdigest()[:8]


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """While the block lasts, torch takes only algorithms that give the same bits each time, if that is wanted.

    Raises:
        InputError: for an operation that has none on its device.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or cuBLAS refuses; read when CUDA is first used
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False  # which would choose algorithms by their time
    try:
        yield
    except RuntimeError as error:
        if "does not have a deterministic implementation" not in str(error):
            raise
        reason = str(error).partition(", but you set")[0]
        raise InputError(f"deterministic=true can't be kept: {reason}; set deterministic=false") from error
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


@functools.cache
def git(folder: Path = Path(__file__).parent) -> Git | None:
    """The state of the repository that the code in `folder` belongs to.

    None for code that no repository tracks, such as an installed wheel, even where its environment lies inside one.
    """
    try:
        _git(folder, "ls-files", "--error-unmatch", ".")
        commit = _git(folder, "rev-parse", "HEAD")
        return Git(commit=commit, dirty=bool(_git(folder, "status", "--porcelain", "--untracked-files=no")))
    except (OSError, subprocess.CalledProcessError):
        return None


@functools.cache
def changes(folder: Path = Path(__file__).parent) -> str:
    """What differs from the commit, as a patch of tracked files; "" where `git` gives None."""
    return _git(folder, "diff", "HEAD", "--", ":/") if git(folder) else ""


def _git(folder: Path, *words: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

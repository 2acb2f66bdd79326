"""Where numbers come from: versions, hardware, and the state of the code."""

import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import TypedDict

import torch

from motion_inversion import __version__

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

"""What lies inside artifacts: file names, and tensors by name."""

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from motion_inversion.core.condition import Condition
from motion_inversion.error import InputError
from motion_inversion.stage.artifact import Artifact
from motion_inversion.storage.tensor_file import write_plain

VIDEO = "video.mkv"  # lossless: what metrics read
VIEW = "video.mp4"  # for people
ANIMATION = "video.gif"
STRIP = "strip.png"
TENSORS = "tensors.safetensors"


def write_tensors(folder: Path, **tensors: Tensor) -> None:
    """Saves tensors in a folder that becomes an artifact."""
    write_plain(folder / TENSORS, tensors)


def read_tensor(artifact: Artifact, name: str) -> Tensor:
    """A tensor of an artifact. Raises InputError if an earlier stage has not made it yet."""
    return load_file(made(artifact, "prepare").folder / TENSORS)[name]


def read_condition(artifact: Artifact) -> Condition:
    """What a prompt tells the model. Raises InputError if an earlier stage has not made it yet."""
    return Condition(load_file(made(artifact, "prepare").folder / TENSORS))


def place(folder: Path, root: Path) -> str:
    """Where an artifact's video is, or will be, as seen from the folder of all results: how a plan names a sample."""
    return (folder / VIDEO).relative_to(root).as_posix()


def made(artifact: Artifact, stage: str) -> Artifact:
    """The artifact, if it exists. Raises InputError naming the stage that makes it."""
    if not artifact.exists():
        raise InputError(f"{artifact.folder} is missing: run the {stage} stage first, e.g. stages=[{stage}]")
    return artifact

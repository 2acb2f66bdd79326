"""Where a run of the default experiment leaves its results, and when two runs learnt the same."""

from pathlib import Path

import torch
from safetensors.torch import load_file

STATE = "motion_embeddings.safetensors"


def only(output: Path, pattern: str) -> Path:
    """The one path that matches, below the default experiment's folder."""
    [path] = output.glob(f"motion_inversion/{pattern}")
    return path


def assert_same_training(output: Path, other: Path) -> None:
    """Equal embeddings to the last bit, and equal losses on the way."""
    ours, theirs = (only(folder, "odd_path/train/*") for folder in (output, other))
    assert ours.name == theirs.name
    assert (ours / "loss.csv").read_text() == (theirs / "loss.csv").read_text()
    first, second = load_file(ours / STATE), load_file(theirs / STATE)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)

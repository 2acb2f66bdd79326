"""Clips that the public repositories of the field use, where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from motion_inversion.data.clip import VideoFile
from motion_inversion.data.video import read_exact, write_lossless

FOLDER = Path(os.environ.get("MOTION_INVERSION_CLIPS", Path(__file__).parents[3] / "shared" / "clips"))


# Frames per second as the files' headers state them; a gif counts in hundredths: 12 of them a frame.
@pytest.mark.parametrize(
    ("name", "frames", "fps"),
    [
        ("bear.mp4", 49, 10.0),
        ("bmx-trees.mp4", 24, 10.0),
        ("car-roundabout-24.mp4", 24, 8.0),
        ("wolf.mp4", 40, 20.0),
        ("zoom_in_16.gif", 16, 100 / 12),
    ],
)
def test_every_frame_of_a_real_clip_is_read_and_kept_exactly(
    tmp_path: Path, name: str, frames: int, fps: float
) -> None:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no {path}: set MOTION_INVERSION_CLIPS to the folder that holds {name}")
    footage = VideoFile(path, fit="crop")
    video = footage.read(frames, 64, 40)
    assert footage.rate(frames) == pytest.approx(fps)
    assert np.abs(np.diff(video[[0, frames // 2, -1]].astype(float), axis=0)).mean((1, 2, 3)).min() > 1  # it moves
    write_lossless(tmp_path / "exact.mkv", video, fps)
    np.testing.assert_array_equal(read_exact(tmp_path / "exact.mkv"), video)
    with pytest.raises(ValueError, match=f"has {frames} frames"):
        footage.read(frames + 1, 64, 40)

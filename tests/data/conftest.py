"""Small clips that the tests of this folder share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from motion_inversion.data.video import Video, write_lossless


@pytest.fixture
def grey() -> Callable[..., Video]:
    """Makes a clip whose frame k is the flat grey 10·k, so that a frame read back tells its index."""

    def clip(frames: int, width: int = 16, height: int = 8) -> Video:
        levels = 10 * np.arange(frames, dtype=np.uint8)
        return np.broadcast_to(levels[:, None, None, None], (frames, height, width, 3)).copy()

    return clip


@pytest.fixture
def ten(tmp_path: Path, grey: Callable[..., Video]) -> Path:
    """A file of ten flat grey frames, 16x8, at 5 frames per second."""
    path = tmp_path / "ten.mkv"
    write_lossless(path, grey(10), fps=5.0)
    return path

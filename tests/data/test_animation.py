"""Animated images are clips."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from motion_inversion.data.decode import frame_rate, indices_at
from motion_inversion.data.video import read_video
from motion_inversion.error import InputError


@pytest.mark.parametrize("name", ["a.webp", "a.avif", "a.apng", "a.png", "a.gif"])
def test_an_animated_image_is_read_frame_by_frame(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (32, 16), (20 * index, 0, 100)) for index in range(6)]
    options: dict[str, Any] = {"lossless": True} if name == "a.webp" else {"quality": 100} if name == "a.avif" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100, **options)
    video = read_video(tmp_path / name, 3, 16, 8, start=1, stride=2)
    assert np.abs(video.mean((1, 2)) - [[20, 0, 100], [60, 0, 100], [100, 0, 100]]).max() < 4
    assert frame_rate(tmp_path / name) == pytest.approx(10)
    assert indices_at(tmp_path / name, 5.0, range(3)) == ([0, 2, 4], 3)
    with pytest.raises(InputError, match="has 6 frames"):
        read_video(tmp_path / name, 7, 16, 8)


@pytest.mark.parametrize("name", ["a.webp", "a.avif"])
def test_transparent_parts_are_white(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGBA", (16, 16), (200, 0, 0, alpha)) for alpha in (0, 255)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    video = read_video(tmp_path / name, 2, 16, 16)
    assert np.abs(video[:, 8, 8].astype(int) - [[255] * 3, [200, 0, 0]]).max() < 4


def test_a_webp_that_is_cut_off_is_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    frames = [Image.fromarray(frame) for frame in noise]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=100)
    content = (tmp_path / "a.webp").read_bytes()
    (tmp_path / "a.webp").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.webp"):
        read_video(tmp_path / "a.webp", 6, 16, 16)

"""Clips whose motion is known: a textured frame that shifts, and a disc that moves."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

Colour = tuple[int, int, int]
Draw = Callable[..., np.ndarray]


@pytest.fixture(scope="session")
def texture() -> np.ndarray:
    """A smooth random colour picture of 96 × 96, details about four pixels wide."""
    noise = np.random.default_rng(0).normal(size=(96, 96, 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), 2)
    return (128 + 50 * blurred / blurred.std()).clip(0, 255)


@pytest.fixture(scope="session")
def shifting(texture: np.ndarray) -> np.ndarray:
    """Eight frames of 64 × 64 in which everything moves by (1.25, -0.75) pixels a frame."""
    frames = []
    for index in range(8):
        column, row = np.meshgrid(np.arange(64.0) + 16, np.arange(64.0) + 16)
        where = (column - 1.25 * index).astype(np.float32), (row + 0.75 * index).astype(np.float32)
        frames.append(cv2.remap(texture.astype(np.float32), *where, cv2.INTER_CUBIC))
    return np.stack(frames).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def disc() -> Draw:
    """Draws a soft-edged disc of radius 12 on a plain ground of 64 × 64; `path` is its centre per frame."""

    def draw(colour: Colour, ground: Colour, path: np.ndarray, noise: float = 0) -> np.ndarray:
        rows, columns = np.mgrid[:64, :64]
        frames = []
        for column, row in path:
            cover = (12.5 - np.hypot(columns - column, rows - row)).clip(0, 1)[..., None]
            frames.append(cover * np.array(colour) + (1 - cover) * np.array(ground))
        grain = noise * np.random.default_rng(0).normal(size=(len(path), 64, 64, 3))
        return (np.stack(frames) + grain).clip(0, 255).round().astype(np.uint8)

    return draw

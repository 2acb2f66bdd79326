"""A random model of 4 frames of 64x64 pixels, in single precision on the CPU."""

from pathlib import Path

import pytest

from motion_inversion.backbone.video_diffusion import VideoDiffusion, VideoModel
from motion_inversion.core.strategy import Keep


@pytest.fixture(scope="session")
def config(tiny_model: Path) -> VideoDiffusion:
    return VideoDiffusion("tiny", str(tiny_model), 4, 64, 64, 3.0, Keep(), None, device="cpu")


@pytest.fixture(scope="session")
def model(config: VideoDiffusion) -> VideoModel:
    return config.load()

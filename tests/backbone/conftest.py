"""A random model of 4 frames of 64x64 pixels, in single precision on the CPU."""

from pathlib import Path

import pytest

from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.backbone.unet3d import UNet3D


@pytest.fixture(scope="session")
def config(tiny_model: Path) -> Model:
    return Model("tiny", str(tiny_model), UNet3D(), 4, 64, 64, device="cpu")


@pytest.fixture(scope="session")
def model(config: Model) -> Backbone:
    return config.load()

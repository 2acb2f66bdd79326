"""A random model of 4 frames of 64x64 pixels, and what a method gets to see of a reference clip."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from trial import prompts, randn

from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.backbone.unet2d import UNet2D
from motion_inversion.backbone.unet3d import UNet3D
from motion_inversion.core.loss import Debiased, Mse
from motion_inversion.core.loss import Vmc as VmcLoss
from motion_inversion.core.sampler import Ddim
from motion_inversion.core.strategy import Keep
from motion_inversion.core.timestep import Range
from motion_inversion.embedding.layout import Layout
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.motion_director import MotionDirector
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.motion_inversion_hybrid import MotionInversionHybrid
from motion_inversion.method.training.spatial_path import SpatialPath
from motion_inversion.method.tune_a_video.method import TuneAVideo
from motion_inversion.method.vmc import Vmc


@pytest.fixture(scope="session")
def model(tiny_model: Path) -> Backbone:
    return Model("tiny", str(tiny_model), UNet3D(), 4, 64, 64, device="cpu").load()


@pytest.fixture(scope="session")
def longer(model: Backbone) -> Backbone:
    """The same model at 6 frames."""
    return replace(model.config, frames=6).load()


@pytest.fixture(scope="module")
def convolving(model: Backbone) -> Backbone:
    """The same model with temporal convolutions that count: their last layers start at zero."""
    other = replace(model.config).load()
    for name, module in other.network.named_modules():
        if isinstance(module, nn.Conv3d) and name.endswith("conv4.3"):
            module.weight.copy_(0.1 * randn(1, *module.weight.shape))
    return other


@pytest.fixture(scope="session")
def image_model(tiny_image_model: Path) -> Backbone:
    return Model("tiny", str(tiny_image_model), UNet2D(), 4, 64, 64, device="cpu").load()


@pytest.fixture(scope="session")
def reference() -> Reference:
    return Reference(randn(1, 1, 4, 4, 8, 8), prompts(2, 1), "object", np.zeros((4, 64, 64, 3), np.uint8))


@pytest.fixture(scope="session")
def request_() -> Request:
    """Two clips to sample at once."""
    return Request(prompts(3, 2), prompts(4, 1), "object", Ddim(2, 2.0))


@pytest.fixture(scope="session")
def noise() -> torch.Tensor:
    return randn(5, 2, 4, 4, 8, 8)


@pytest.fixture(scope="session")
def brief() -> tuple[torch.Tensor, Request]:
    """Noise and request of one clip in one step."""
    return randn(5, 1, 4, 4, 8, 8), Request(prompts(3, 1), prompts(4, 1), "object", Ddim(1, 2.0), seeds=(1,))


@pytest.fixture
def fitting(tmp_path: Path) -> Callable[..., Fitting]:
    """Trainer settings → how a fit runs in this test's folder, two steps unless they say otherwise."""

    def fitting(**settings: object) -> Fitting:
        (tmp_path / "work").mkdir(exist_ok=True)
        trainer = functools.partial(pl.Trainer, **{"max_steps": 2, **settings})  # pyright: ignore[reportArgumentType]
        return Fitting(tmp_path / "work", tmp_path / "state.safetensors", trainer, 0)

    return fitting


@pytest.fixture(scope="session")
def method() -> MotionInversion:
    optimizer = functools.partial(torch.optim.AdamW, lr=0.05, eps=1e-12)
    return MotionInversion(Layout(["widest"], True, True), Mse(), optimizer, Range(500, 501), Keep())


@pytest.fixture(scope="session")
def spatial_path() -> SpatialPath:
    """One that takes part in every step."""
    return SpatialPath(rank=4, lr=0.01, dropout=0.1, mask=0.0)


@pytest.fixture(scope="session")
def motion_director(spatial_path: SpatialPath) -> MotionDirector:
    optimizer = functools.partial(torch.optim.AdamW, lr=0.02)
    return MotionDirector(Debiased(), optimizer, Range(500, 501), spatial_path, rank=4, dropout=0.1)


@pytest.fixture(scope="session")
def vmc() -> Vmc:
    optimizer = functools.partial(torch.optim.AdamW, lr=0.01)
    return Vmc(VmcLoss(), optimizer, Range(500, 501))


@pytest.fixture(scope="session")
def tune_a_video() -> TuneAVideo:
    optimizer = functools.partial(torch.optim.AdamW, lr=0.01, weight_decay=0.0)  # what changes has had a gradient
    return TuneAVideo(Mse(), optimizer, Range(500, 501))


@pytest.fixture(scope="session")
def hybrid(method: MotionInversion, spatial_path: SpatialPath) -> MotionInversionHybrid:
    fields = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
    return MotionInversionHybrid(**fields, spatial=spatial_path)

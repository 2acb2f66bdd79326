"""The path that learns how single frames look."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from trial import prompts, randn

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.error import InputError
from motion_inversion.method.layer.lora import LowRank
from motion_inversion.method.training.noised import Noised
from motion_inversion.method.training.spatial_path import SpatialPath


def noised(seed: int = 0) -> Noised:
    draw = torch.Generator().manual_seed(seed)
    return Noised(randn(1, 1, 4, 4, 8, 8), torch.tensor([500]), prompts(2, 1), randn(3, 1, 4, 4, 8, 8), draw)


@pytest.fixture(scope="module")
def lora(model: Backbone, spatial_path: SpatialPath) -> LowRank:
    return spatial_path.lora(model, 0)


def test_it_sits_in_the_spatial_transformers_alone(lora: LowRank):
    layers = {name.rpartition(".lora_")[0] for name in lora.tensors()}
    assert len(layers) == 96  # 6 layers in each of the 16 spatial transformers
    assert all(".attentions." in name and ".attn2." not in name for name in layers)


def test_its_loss_is_that_of_one_frame(
    model: Backbone, lora: LowRank, spatial_path: SpatialPath, monkeypatch: pytest.MonkeyPatch
):
    batch, seen = noised(), []

    def predict(self: Backbone, latents: Tensor, t: Tensor, condition: Condition) -> Tensor:
        seen.append((latents, t, condition))
        return latents * 0

    monkeypatch.setattr(Backbone, "predict", predict)
    loss = spatial_path.losses(model, lora, batch)
    [(frame, t, told)] = seen
    [index] = [i for i in range(4) if torch.equal(frame, batch.latents[:, :, i : i + 1])]
    assert t is batch.t and told is batch.condition
    # Against a prediction of zero, the error is the target.
    torch.testing.assert_close(loss, {"spatial": batch.target[:, :, index].square().mean()})


def test_every_frame_is_drawn(
    model: Backbone, lora: LowRank, spatial_path: SpatialPath, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Backbone, "predict", lambda self, latents, t, condition: latents)
    losses = {float(spatial_path.losses(model, lora, noised(seed))["spatial"]) for seed in range(16)}
    assert len(losses) == 4


def test_steps_without_it_come_as_often_as_asked(
    model: Backbone, lora: LowRank, spatial_path: SpatialPath, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Backbone, "predict", lambda self, latents, t, condition: latents)
    rare = replace(spatial_path, mask=0.2)
    without = sum(not rare.losses(model, lora, noised(seed)) for seed in range(100))
    assert 8 <= without <= 32  # 20 expected, standard deviation 4
    always = replace(spatial_path, mask=1.0)
    assert all(always.losses(model, lora, noised(seed)) == {} for seed in range(5))


@torch.no_grad()
def test_a_step_without_it_runs_the_frozen_model(model: Backbone, spatial_path: SpatialPath):
    lora, batch = spatial_path.lora(model, 0), noised()
    before = model.predict(batch.latents, batch.t, batch.condition)
    lora.load({name: torch.ones_like(tensor) for name, tensor in lora.tensors().items()})
    with lora.attached(model.network):
        replace(spatial_path, mask=1.0).losses(model, lora, batch)
        assert torch.equal(model.predict(batch.latents, batch.t, batch.condition), before)
        spatial_path.losses(model, lora, batch)
        assert not torch.allclose(model.predict(batch.latents, batch.t, batch.condition), before, atol=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": 0}, r"set method\.spatial\.rank=32"),
        ({"lr": -1.0}, r"set method\.spatial\.lr=5e-4"),
        ({"dropout": 1.0}, r"set method\.spatial\.dropout=0\.1"),
        ({"mask": 1.5}, r"set method\.spatial\.mask=0\.2"),
    ],
)
def test_bad_settings_are_refused(spatial_path: SpatialPath, changes: dict[str, float], message: str):
    with pytest.raises(InputError, match=message):
        replace(spatial_path, **changes)  # pyright: ignore[reportArgumentType]

"""MotionDirector on a frozen random model."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from trial import Trained, assert_resumes, noised_reference, train, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Debiased, Mse
from motion_inversion.error import InputError
from motion_inversion.method.frozen import Frozen
from motion_inversion.method.layer.lora import LowRank
from motion_inversion.method.layer.single_frame import single_frame
from motion_inversion.method.method import Reference, Request
from motion_inversion.method.motion_director import MotionDirector
from motion_inversion.method.state import write_state
from motion_inversion.method.training.module import MotionLearning

Brief = tuple[Tensor, Request]


def is_spatial(name: str) -> bool:
    return ".attentions." in name


def tensors_of(loras: dict[str, LowRank]) -> dict[str, Tensor]:
    return {name: tensor.clone() for lora in loras.values() for name, tensor in lora.tensors().items()}


@pytest.fixture(scope="module")
def loras(model: Backbone, motion_director: MotionDirector) -> dict[str, LowRank]:
    """Both with Gaussian values in every matrix."""
    loras = motion_director._loras(model, 0)
    draws = torch.Generator().manual_seed(6)
    values = {name: torch.randn(tensor.shape, generator=draws) / 4 for name, tensor in tensors_of(loras).items()}
    for lora in loras.values():
        lora.load(values)
    return loras


@pytest.fixture(scope="module")
def varied(motion_director: MotionDirector) -> MotionDirector:
    """With draws of all kinds: every other step goes without the spatial path."""
    return replace(motion_director, spatial=replace(motion_director.spatial, mask=0.5))


@pytest.fixture(scope="module")
def trained(
    model: Backbone,
    varied: MotionDirector,
    reference: Reference,
    brief: Brief,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    return train(model, varied, reference, tmp_path_factory.mktemp("trained"), brief)


def gradients(
    model: Backbone, method: MotionDirector, loras: dict[str, LowRank], reference: Reference
) -> dict[str, list[Tensor | None]]:
    """What a step's backward pass leaves in each LoRA."""
    batch = noised_reference(model, reference)
    module = MotionLearning(
        model, loras, lambda _: method._losses(model, loras)(batch), method.timestep, method.optimizer, 0
    )
    data = {"latents": reference.latents, "condition": reference.condition.tensors, "index": torch.tensor([0])}
    with loras["spatial"].attached(model.network), loras["temporal"].attached(model.network):
        module.zero_grad()
        module.backward(module.training_step(data, 0))
    return {name: [parameter.grad for parameter in lora.parameters()] for name, lora in loras.items()}


@pytest.mark.filterwarnings("ignore:.*self.log")
def test_each_lora_follows_its_own_loss_alone(
    model: Backbone,
    motion_director: MotionDirector,
    loras: dict[str, LowRank],
    reference: Reference,
    monkeypatch: pytest.MonkeyPatch,
):
    both = gradients(model, motion_director, loras, reference)
    assert all(gradient is not None for found in both.values() for gradient in found)
    assert all(any(gradient.any() for gradient in found if gradient is not None) for found in both.values())
    with monkeypatch.context() as patch:
        patch.setattr(Debiased, "__call__", lambda self, prediction, *_: prediction.mean() * 0)
        spatial_alone = gradients(model, motion_director, loras, reference)
    with monkeypatch.context() as patch:
        patch.setattr(Mse, "__call__", lambda self, prediction, *_: prediction.mean() * 0)
        temporal_alone = gradients(model, motion_director, loras, reference)
    assert not any(gradient.any() for gradient in spatial_alone["temporal"] if gradient is not None)
    assert not any(gradient.any() for gradient in temporal_alone["spatial"] if gradient is not None)
    torch.testing.assert_close(spatial_alone["spatial"], both["spatial"])
    torch.testing.assert_close(temporal_alone["temporal"], both["temporal"])
    masked = replace(motion_director, spatial=replace(motion_director.spatial, mask=1.0))
    assert set(gradients(model, masked, loras, reference)["spatial"]) == {None}


@torch.no_grad()
def test_a_single_frame_does_not_depend_on_the_temporal_lora(
    model: Backbone, loras: dict[str, LowRank], reference: Reference
):
    batch = noised_reference(model, reference)
    frame = batch.latents[:, :, :1]
    loras["temporal"].use(1.0)
    with single_frame(model.network):
        without = model.predict(frame, batch.t, batch.condition)
    with loras["temporal"].attached(model.network), single_frame(model.network):
        assert torch.equal(model.predict(frame, batch.t, batch.condition), without)


def test_fresh_loras_sample_what_the_frozen_model_samples(
    model: Backbone, motion_director: MotionDirector, brief: Brief, tmp_path: Path
):
    write_state(tmp_path / "fresh", "motion_director", model, tensors_of(motion_director._loras(model, 0)))
    both = replace(motion_director, spatial_scale=1.0)
    expected = Frozen().sample(model, None, *brief)
    torch.testing.assert_close(both.sample(model, tmp_path / "fresh", *brief), expected, atol=1e-5, rtol=0)


def test_sampling_keeps_the_temporal_lora_and_drops_the_spatial_one(
    model: Backbone, motion_director: MotionDirector, loras: dict[str, LowRank], brief: Brief, tmp_path: Path
):
    learnt = tensors_of(loras)
    write_state(tmp_path / "both", "motion_director", model, learnt)
    temporal = {name: tensor * (not is_spatial(name)) for name, tensor in learnt.items()}
    write_state(tmp_path / "temporal", "motion_director", model, temporal)
    with untouched(model):
        usual = motion_director.sample(model, tmp_path / "both", *brief)
    assert torch.equal(usual, motion_director.sample(model, tmp_path / "temporal", *brief))
    frozen = Frozen().sample(model, None, *brief)
    assert not torch.allclose(usual, frozen, atol=1e-4)
    without = replace(motion_director, temporal_scale=0.0)
    assert torch.equal(without.sample(model, tmp_path / "both", *brief), frozen)
    spatial = replace(without, spatial_scale=1.0)
    assert not torch.allclose(spatial.sample(model, tmp_path / "both", *brief), frozen, atol=1e-4)


def test_training_changes_both_loras_and_lowers_the_loss(
    model: Backbone, varied: MotionDirector, trained: Trained, reference: Reference
):
    assert len(trained.tensors) == 2 * (170 + 96)
    assert trained.parameters == sum(tensor.numel() for tensor in trained.tensors.values())
    ups = {name: bool(tensor.any()) for name, tensor in trained.tensors.items() if "lora_B" in name}
    # In the middle a frame is a single token here, which attends to itself whatever query and key are.
    idle = {name for name, changed in ups.items() if not changed}
    assert all(".to_q." in name or ".to_k." in name for name in idle)
    assert all(name.startswith("mid_block.attentions") for name in idle)

    @torch.no_grad()
    def loss(loras: dict[str, LowRank]) -> float:
        batch = noised_reference(model, reference)
        with loras["temporal"].attached(model.network):
            prediction = model.predict(batch.latents, batch.t, batch.condition)
        return float(Mse()(prediction, batch.target, batch.draw))

    loras = varied._loras(model, 0)
    before = loss(loras)
    loras["temporal"].load(trained.tensors)
    assert loss(loras) < 0.99 * before


def test_a_preview_is_what_generation_would_give(
    model: Backbone, varied: MotionDirector, trained: Trained, brief: Brief
):
    torch.testing.assert_close(varied.sample(model, trained.state, *brief), trained.preview)


def test_an_interrupted_training_ends_as_if_it_had_not_been(
    model: Backbone, varied: MotionDirector, trained: Trained, reference: Reference, brief: Brief, tmp_path: Path
):
    """Dropout, frames and steps without the spatial path are drawn again as they would have been."""
    assert_resumes(model, varied, reference, trained, tmp_path, brief)


def test_checkpointing_learns_the_same(
    model: Backbone, varied: MotionDirector, trained: Trained, reference: Reference, brief: Brief, tmp_path: Path
):
    saving = replace(model.config, checkpointing=True).load()
    tensors = train(saving, varied, reference, tmp_path, brief).tensors
    torch.testing.assert_close(tensors, trained.tensors, atol=1e-3, rtol=1e-2)


def test_a_state_of_another_rank_is_refused(model: Backbone, varied: MotionDirector, trained: Trained, brief: Brief):
    with pytest.raises(InputError, match=r"lora_A\.weight is 4×16 there and 2×16 here"):
        replace(varied, rank=2).sample(model, trained.state, *brief)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": 0}, r"set method\.rank=32"),
        ({"dropout": -0.1}, r"set method\.dropout=0\.1"),
        ({"batch_size": 0}, r"set method\.batch_size=1"),
    ],
)
def test_bad_settings_are_refused(motion_director: MotionDirector, changes: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        replace(motion_director, **changes)

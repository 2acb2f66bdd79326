"""VMC on a frozen random model."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from trial import Trained, assert_resumes, noised_reference, train, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Vmc as VmcLoss
from motion_inversion.core.process import Compared
from motion_inversion.error import InputError
from motion_inversion.method.frozen import Frozen
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.state import write_state
from motion_inversion.method.vmc import Vmc, temporal_projections

Brief = tuple[Tensor, Request]


@pytest.fixture(scope="module")
def trained(
    model: Backbone, vmc: Vmc, reference: Reference, brief: Brief, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    return train(model, vmc, reference, tmp_path_factory.mktemp("trained"), brief)


def test_it_tunes_queries_keys_and_values_of_the_temporal_blocks(model: Backbone):
    tuned, weights = temporal_projections(model), model.network.state_dict()
    names = tuned.tensors().keys()
    assert len(names) == 2 * 3 * 16  # two attentions, three projections, 15 blocks and the middle's
    assert all(".temp_attentions." in name and name.split(".")[-2] in ("to_q", "to_k", "to_v") for name in names)
    assert sum("mid_block" in name for name in names) == 6
    assert not any("transformer_in" in name or "to_out" in name for name in names)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in tuned.tensors().items())
    assert not {t.data_ptr() for t in tuned.tensors().values()} & {t.data_ptr() for t in weights.values()}


@torch.no_grad()
def test_untrained_projections_are_the_frozen_model_to_the_last_bit(model: Backbone, reference: Reference):
    tuned, batch = temporal_projections(model), noised_reference(model, reference)
    before = model.predict(batch.latents, batch.t, batch.condition)
    with tuned.attached(model.network):
        assert torch.equal(model.predict(batch.latents, batch.t, batch.condition), before)


@torch.no_grad()
def test_the_tuned_weights_count_while_they_are_attached(model: Backbone, reference: Reference):
    """Against the same weights written into the UNet itself."""
    tuned, batch = temporal_projections(model), noised_reference(model, reference)
    changed = {name: 1.5 * tensor for name, tensor in tuned.tensors().items()}
    tuned.load(changed)
    with tuned.attached(model.network):
        attached = model.predict(batch.latents, batch.t, batch.condition)
    other = replace(model.config).load()
    other.network.load_state_dict(changed, strict=False)
    assert torch.equal(other.predict(batch.latents, batch.t, batch.condition), attached)


def test_half_precision_runs_with_projections_in_single_precision(model: Backbone, reference: Reference):
    half = replace(model.config, dtype="bfloat16").load()
    tuned, batch = temporal_projections(half), noised_reference(model, reference)
    assert {tensor.dtype for tensor in tuned.tensors().values()} == {torch.float32}
    with tuned.attached(half.network):
        assert half.predict(batch.latents, batch.t, batch.condition).isfinite().all()


def test_training_lowers_the_loss_at_a_fixed_draw(model: Backbone, trained: Trained, reference: Reference):
    tuned = temporal_projections(model)
    assert trained.parameters == sum(tensor.numel() for tensor in trained.tensors.values())
    assert all(not torch.equal(tensor, trained.tensors[name]) for name, tensor in tuned.tensors().items())

    @torch.no_grad()
    def loss() -> float:
        batch = noised_reference(model, reference)
        with tuned.attached(model.network):
            prediction = model.predict(batch.latents, batch.t, batch.condition)
        return float(VmcLoss()(prediction, batch.target, batch.draw))

    before = loss()
    tuned.load(trained.tensors)
    assert loss() < 0.995 * before


def test_a_preview_is_what_generation_would_give(model: Backbone, vmc: Vmc, trained: Trained, brief: Brief):
    with untouched(model):
        sampled = vmc.sample(model, trained.state, *brief)
    assert torch.equal(sampled, trained.preview)
    assert not torch.equal(sampled, Frozen().sample(model, None, *brief))


def test_an_interrupted_training_ends_as_if_it_had_not_been(
    model: Backbone, vmc: Vmc, trained: Trained, reference: Reference, brief: Brief, tmp_path: Path
):
    assert_resumes(model, vmc, reference, trained, tmp_path, brief)


def test_gradients_are_clipped_as_one(model: Backbone, vmc: Vmc, reference: Reference, fitting: Callable[..., Fitting]):
    norms: list[float] = []

    class Noting(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            loss = closure()
            gradients = [p.grad.norm() for group in self.param_groups for p in group["params"]]
            norms.append(float(torch.stack(gradients).norm()))
            return loss

    steep = replace(vmc, optimizer=functools.partial(Noting, lr=0.0), loss=_Steep())
    steep.fit(model, reference, fitting(max_steps=1))
    again = fitting(max_steps=1, gradient_clip_val=1.0)
    steep.fit(model, reference, replace(again, folder=again.folder / "clipped"))
    unclipped, clipped = norms
    assert unclipped > 10
    assert clipped == pytest.approx(1, abs=1e-3)


class _Steep:
    """A loss with large gradients."""

    on: Compared = "prediction"

    def __call__(self, prediction: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
        return 1e4 * (prediction - target).square().mean()


def test_a_state_of_other_widths_is_refused(model: Backbone, vmc: Vmc, trained: Trained, brief: Brief, tmp_path: Path):
    [first, *_] = sorted(trained.tensors)
    wider = {**trained.tensors, first: torch.zeros(8, 8)}
    write_state(tmp_path / "wider", "vmc", model, wider)
    with pytest.raises(InputError, match=rf"{first} is 8×8 there and 16×16 here"):
        vmc.sample(model, tmp_path / "wider", *brief)


def test_bad_settings_are_refused(vmc: Vmc):
    with pytest.raises(InputError, match=r"set method\.checkpoint_every=1"):
        replace(vmc, checkpoint_every=0)

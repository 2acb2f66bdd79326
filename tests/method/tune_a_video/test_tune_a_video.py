"""Tune-A-Video on a frozen random image model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from trial import Trained, assert_resumes, noised_reference, train, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.noise import Blend
from motion_inversion.core.sampler import Ddim, OdeInversion
from motion_inversion.error import InputError
from motion_inversion.method.frozen import Frozen
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.state import write_state
from motion_inversion.method.tune_a_video.inflation import Inflation
from motion_inversion.method.tune_a_video.inversion import inverted
from motion_inversion.method.tune_a_video.method import TuneAVideo

Brief = tuple[Tensor, Request]


@pytest.fixture(scope="module")
def trained(
    image_model: Backbone,
    tune_a_video: TuneAVideo,
    reference: Reference,
    brief: Brief,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    return train(image_model, tune_a_video, reference, tmp_path_factory.mktemp("trained"), brief)


@pytest.fixture(scope="module")
def inverting(tune_a_video: TuneAVideo) -> TuneAVideo:
    """With the published start."""
    return replace(tune_a_video, tuned_inversion=OdeInversion(2))


def test_all_of_it_is_trained_and_kept(image_model: Backbone, trained: Trained):
    initial = Inflation(image_model.network, seed=0, zero_bias=False).tensors()
    assert trained.tensors.keys() == initial.keys()
    assert trained.parameters == sum(tensor.numel() for tensor in trained.tensors.values())
    assert not any(torch.equal(initial[name], trained.tensors[name]) for name in initial)


def test_twenty_steps_lower_the_loss_at_a_fixed_draw(
    image_model: Backbone, tune_a_video: TuneAVideo, reference: Reference, fitting: Callable[..., Fitting]
):
    tune_a_video.fit(image_model, reference, fitting(max_steps=20))
    inflation = Inflation(image_model.network, seed=0, zero_bias=False)
    batch = noised_reference(image_model, reference)

    @torch.no_grad()
    def loss() -> float:
        with inflation.attached(image_model.network, 4):
            prediction = image_model.predict(batch.latents, batch.t, batch.condition)
        return float((prediction - batch.target).square().mean())

    before = loss()
    inflation.load(load_file(fitting().state))
    assert loss() < 0.9 * before


def test_a_preview_is_what_generation_would_give(
    image_model: Backbone, tune_a_video: TuneAVideo, trained: Trained, brief: Brief
):
    with untouched(image_model):
        sampled = tune_a_video.sample(image_model, trained.state, *brief)
    assert torch.equal(sampled, trained.preview)
    assert not torch.equal(sampled, Frozen().sample(image_model, None, *brief))


def test_a_fresh_model_needs_the_state_alone(
    image_model: Backbone, tune_a_video: TuneAVideo, trained: Trained, brief: Brief
):
    fresh = image_model.config.load()
    assert torch.equal(tune_a_video.sample(fresh, trained.state, *brief), trained.preview)


def test_an_interrupted_training_ends_as_if_it_had_not_been(
    image_model: Backbone,
    tune_a_video: TuneAVideo,
    trained: Trained,
    reference: Reference,
    brief: Brief,
    tmp_path: Path,
):
    torch.manual_seed(4)  # of no consequence
    assert_resumes(image_model, tune_a_video, reference, trained, tmp_path, brief)


def test_recomputed_activations_change_nothing(
    image_model: Backbone,
    tune_a_video: TuneAVideo,
    trained: Trained,
    reference: Reference,
    brief: Brief,
    tmp_path: Path,
):
    frugal = replace(image_model.config, checkpointing=True).load()
    again = train(frugal, tune_a_video, reference, tmp_path, brief)
    for name, tensor in trained.tensors.items():
        torch.testing.assert_close(again.tensors[name], tensor, atol=1e-5, rtol=0)


def test_half_precision_samples_with_what_was_tuned_in_single_precision(
    image_model: Backbone, tune_a_video: TuneAVideo, trained: Trained, brief: Brief
):
    half = replace(image_model.config, dtype="bfloat16").load()
    assert tune_a_video.sample(half, trained.state, *brief).isfinite().all()


def test_a_start_from_the_tuned_models_inversion(
    image_model: Backbone, inverting: TuneAVideo, reference: Reference, brief: Brief, tmp_path: Path
):
    """Against the inversion with the saved weights, mixed by hand; the preview inverts with the weights so far."""
    blending = replace(inverting, noise=Blend(0.3))
    done = train(image_model, blending, reference, tmp_path, brief, steps=1)
    draws, request = brief
    frozen = inverted(image_model, reference, OdeInversion(2))
    inflation = Inflation(image_model.network, 0, zero_bias=False)
    inflation.load(done.tensors)
    with inflation.attached(image_model.network, 4):
        tuned = inverted(image_model, reference, OdeInversion(2))
    assert (tuned - frozen).abs().max() > 0.01

    plain = replace(blending, tuned_inversion=None)
    write_state(tmp_path / "plain", plain.name, image_model, inflation.tensors())
    request = replace(request, sampler=Ddim(2, 2.0))  # from the timestep where the inversion ends
    with untouched(image_model):
        sampled = blending.sample(image_model, done.state, Blend(0.3)(frozen, draws), request)
    expected = plain.sample(image_model, tmp_path / "plain", Blend(0.3)(tuned, draws), request)
    torch.testing.assert_close(sampled, expected, atol=1e-4, rtol=0)

    preview = blending.sample(image_model, done.state, *brief)
    torch.testing.assert_close(done.preview, preview, atol=1e-4, rtol=0)


def test_constant_predictions_lead_to_the_inversion_and_back(
    image_model: Backbone,
    tune_a_video: TuneAVideo,
    trained: Trained,
    reference: Reference,
    brief: Brief,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(Backbone, "predict", lambda self, latents, t, condition: torch.full_like(latents, 0.3))
    inversion = inverted(image_model, reference, OdeInversion(2))
    request = replace(brief[1], sampler=Ddim(2, 2.0))
    sampled = tune_a_video.sample(image_model, trained.state, inversion, request)
    torch.testing.assert_close(sampled, reference.latents, atol=1e-4, rtol=0)


def test_a_state_without_the_inversion_is_refused_where_it_is_asked_for(
    image_model: Backbone, inverting: TuneAVideo, trained: Trained, brief: Brief
):
    with pytest.raises(InputError, match=r"inversion_change is missing there and 1×4×4×8×8 here"):
        inverting.sample(image_model, trained.state, *brief)


def test_a_state_of_other_widths_is_refused(
    image_model: Backbone, tune_a_video: TuneAVideo, trained: Trained, brief: Brief, tmp_path: Path
):
    first = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    write_state(tmp_path / "wider", "tune_a_video", image_model, {**trained.tensors, first: torch.zeros(8, 8)})
    with pytest.raises(InputError, match=rf"{first} is 8×8 there and 16×16 here"):
        tune_a_video.sample(image_model, tmp_path / "wider", *brief)


def test_bad_settings_are_refused(tune_a_video: TuneAVideo):
    with pytest.raises(InputError, match=r"set method\.batch_size=1"):
        replace(tune_a_video, batch_size=0)


@pytest.mark.parametrize("sampling", [True, False])
def test_a_video_model_is_refused(
    model: Backbone, tune_a_video: TuneAVideo, reference: Reference, brief: Brief, tmp_path: Path, sampling: bool
):
    with pytest.raises(
        InputError,
        match=r"method=tune_a_video needs a model with frames on their own; tiny has .*; set model=shapes_image",
    ):
        if sampling:
            tune_a_video.sample(model, tmp_path / "none", *brief)
        else:
            tune_a_video.fit(model, reference, Fitting(tmp_path, tmp_path / "state", dict, 0))

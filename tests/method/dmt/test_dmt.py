"""DMT on a random model: what guidance does, what its absence leaves, and that nothing of it stays in the model."""

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.process import AlphaBar, Process, Stop
from motion_inversion.core.sampler import Ddim
from motion_inversion.error import InputError
from motion_inversion.method.dmt.feature import feature_layers, read_features
from motion_inversion.method.dmt.guidance import MotionGuidance
from motion_inversion.method.dmt.loss import CosineChanges, SquaredChanges, spatial_mean
from motion_inversion.method.dmt.method import Dmt
from motion_inversion.method.frozen import Frozen
from motion_inversion.method.method import Fitting, Reference, Request

# Two sampling steps, of which the first is guided.
DMT = Dmt(CosineChanges(), 2, inversion_steps=2, unguided=0.5, optimisation_steps=2, restart=False)


@pytest.fixture(scope="module")
def state(model: Backbone, reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    DMT.fit(model, reference, Fitting(folder, folder / DMT.state_file, dict, 0))
    return folder / DMT.state_file


@pytest.fixture(scope="module")
def single(request_: Request) -> Request:
    """The first of the two clips."""
    return replace(request_, condition=request_.condition.split()[0], seeds=(1,))


@pytest.fixture(scope="module")
def frozen(model: Backbone, noise: Tensor, single: Request) -> Tensor:
    return Frozen().sample(model, None, noise[:1], single)


def guided(model: Backbone, reference: Reference, latents: Tensor, single: Request) -> Tensor:
    """Two steps of 0.05 towards the reference's motion at the noisier timestep."""
    guide = MotionGuidance(model, feature_layers(model.network, 1, 1), CosineChanges(), 2)
    with torch.no_grad():
        goals = guide.means(reference.latents, 501, reference.condition)
        return guide(latents, 501, single.condition, goals, 0.05)


def test_guidance_makes_changes_alike(model: Backbone, reference: Reference, noise: Tensor, single: Request):
    def difference(latents: Tensor) -> float:
        pair = (latents, single.condition), (reference.latents, reference.condition)
        with torch.no_grad():
            means = [
                [
                    spatial_mean(found)
                    for found in read_features(model, x, 501, told, feature_layers(model.network, 1, 1))
                ]
                for x, told in pair
            ]
        return sum(float(CosineChanges()(mine, theirs)) for mine, theirs in zip(*means, strict=True))

    moved = guided(model, reference, noise[:1], single)
    assert 3 / 4 < difference(moved) < difference(noise[:1]) - 0.01  # the least of three layers of 4 frames
    # Adam's first steps have the length of the learning rate.
    assert 0 < (moved - noise[:1]).abs().max() <= 2 * 0.05 * 1.001
    assert not moved.requires_grad


@pytest.mark.parametrize("off", [{"unguided": 1.0}, {"lr": 0.0, "final_lr": 0.0, "optimisation_steps": 1}])
def test_without_strength_and_restart_it_is_the_frozen_model(
    model: Backbone, state: Path, noise: Tensor, single: Request, frozen: Tensor, off: dict[str, float]
):
    sampled = replace(DMT, **off).sample(model, state, noise[:1], single)
    torch.testing.assert_close(sampled, frozen, atol=1e-5, rtol=0)


def test_a_clip_is_the_same_in_any_batch_and_the_model_as_before(
    model: Backbone, state: Path, noise: Tensor, request_: Request, single: Request, frozen: Tensor
):
    weights = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    fields = {name: set(module.__dict__) for name, module in model.network.named_modules()}
    method = replace(DMT, optimisation_steps=1)
    both = method.sample(model, state, noise, replace(request_, seeds=(1, 2)))
    assert torch.equal(method.sample(model, state, noise[:1], single), both[:1])
    assert not torch.allclose(both[:1], frozen, atol=1e-3)
    assert torch.equal(Frozen().sample(model, None, noise[:1], single), frozen)
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.network.state_dict().items())
    assert {name: set(module.__dict__) for name, module in model.network.named_modules()} == fields
    assert not any(module._forward_hooks for module in model.network.modules())
    assert not any(p.requires_grad or p.grad is not None for p in model.network.parameters())


def test_a_restart_is_drawn_from_the_clips_seed(model: Backbone, state: Path, noise: Tensor, single: Request):
    method = replace(DMT, unguided=1.0, restart=True)
    sampled = [method.sample(model, state, noise[:1], replace(single, seeds=(seed,))) for seed in (1, 1, 2)]
    assert torch.equal(sampled[0], sampled[1])
    assert not torch.equal(sampled[0], sampled[2])


def test_a_restart_repeats_every_step_but_the_last(
    model: Backbone, state: Path, noise: Tensor, single: Request, monkeypatch: pytest.MonkeyPatch
):
    asked: list[Stop] = []

    def predict(self: Backbone, latents: Tensor, t: Stop, *_: object) -> Tensor:
        asked.append(t)
        return torch.zeros_like(latents)

    monkeypatch.setattr(Backbone, "guided", predict)
    shown: list[Stop] = []

    def progress(timesteps: Sequence[Stop]) -> Sequence[Stop]:
        shown.extend(timesteps)
        return timesteps

    replace(DMT, unguided=1.0, restart=True).sample(model, state, noise[:1], replace(single, progress=progress))
    assert asked == [501, 501, 1]
    assert shown == [501, 1]


def test_noising_back_is_the_forward_process(model: Backbone):
    x, noise = torch.zeros(1, 1, 1, 1, 1) + 3, torch.ones(1, 1, 1, 1, 1)
    still = Process(AlphaBar(torch.full((1000,), 0.5), torch.tensor(1.0)))
    assert torch.equal(still.noised_back(x, noise, 581, 601), x)
    # ZeroScope's levels: twenty Markov steps x ← √(1 − β) x + √β ε from 581 to 601 scale x by Π √(1 − β).
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = float((1 - betas[582:602]).prod())
    expected = kept**0.5 * 3 + (1 - kept) ** 0.5
    assert float(model.process.noised_back(x, noise, 581, 601)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("steps", "unguided", "count"), [(50, 0.6, 20), (10, 0.6, 4), (50, 0.0, 50), (50, 1.0, 0)])
def test_the_first_steps_are_guided_at_a_falling_rate(steps: int, unguided: float, count: int):
    rates = replace(DMT, unguided=unguided).rates(steps)
    assert len(rates) == count
    if count:
        assert (rates[0], rates[-1]) == (0.007, 0.004)
        assert rates == sorted(rates, reverse=True)


def test_fitting_keeps_the_reference_and_sampling_needs_nothing_else(
    model: Backbone, reference: Reference, state: Path, noise: Tensor, single: Request, tmp_path: Path
):
    passed: list[Stop] = []
    fitting = Fitting(
        tmp_path, tmp_path / "again", dict, 1, progress=lambda timesteps: passed.extend(timesteps) or timesteps
    )
    assert DMT.fit(model, reference, fitting) == 0
    assert passed == [1, 501]
    assert (tmp_path / "again").read_bytes() == state.read_bytes()
    fresh = model.config.load()
    method = replace(DMT, optimisation_steps=1)
    expected = method.sample(model, state, noise[:1], single)
    assert torch.equal(method.sample(fresh, tmp_path / "again", noise[:1], single), expected)


def test_checkpointing_keeps_less_for_the_same_gradient(
    model: Backbone, reference: Reference, noise: Tensor, single: Request
):
    saving = replace(model.config, checkpointing=True).load()
    moved: list[Tensor] = []
    kept: list[int] = []
    for one in (model, saving):
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, s=sizes: s.append(x.numel()) or x, lambda x: x):
            moved.append(guided(one, reference, noise[:1], single))
        kept.append(sum(sizes))
    torch.testing.assert_close(*moved, atol=1e-4, rtol=1e-4)
    assert kept[1] < kept[0] / 2
    assert not any("forward" in module.__dict__ for module in saving.network.modules())


def test_half_precision_finds_a_gradient(model: Backbone, reference: Reference, noise: Tensor, single: Request):
    half = replace(model.config, dtype="float16").load()
    moved, full = (guided(one, reference, noise[:1], single) for one in (half, model))
    assert moved.dtype == torch.float32
    cosine = torch.nn.functional.cosine_similarity((moved - noise[:1]).flatten(), (full - noise[:1]).flatten(), dim=0)
    assert float(cosine) > 0.8


def test_what_is_not_finite_stops_and_leaves_no_trace(
    model: Backbone, reference: Reference, noise: Tensor, single: Request
):
    saving = replace(model.config, checkpointing=True).load()
    with pytest.raises(FloatingPointError, match="guidance: the loss is nan at timestep 501"):
        guided(saving, reference, noise[:1] * float("nan"), single)
    assert not any("forward" in module.__dict__ or module._forward_hooks for module in saving.network.modules())


def test_states_of_other_settings_are_refused_with_both_sides(
    model: Backbone, longer: Backbone, state: Path, noise: Tensor, single: Request
):
    message = r"method\.sampling_steps=2, the sampler has sampler\.steps=3; set method\.sampling_steps=3"
    with pytest.raises(InputError, match=message):
        DMT.sample(model, state, noise[:1], replace(single, sampler=Ddim(3, 2.0)))
    with pytest.raises(InputError, match=r"latents is 2×4×4×8×8 there and 3×4×4×8×8 here"):
        replace(DMT, sampling_steps=3).sample(model, state, noise[:1], replace(single, sampler=Ddim(3, 2.0)))
    with pytest.raises(InputError, match=r"latents is 2×4×4×8×8 there and 2×4×6×8×8 here"):
        DMT.sample(longer, state, noise[:1], single)


def test_only_the_inversion_needs_a_new_fit():
    fields = {field.name for field in dataclasses.fields(Dmt)}
    assert fields - Dmt.at_sampling == {"sampling_steps", "inversion_steps"}
    assert Dmt.at_sampling < fields


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling_steps": 0}, r"set method\.sampling_steps=50"),
        ({"inversion_steps": 0}, r"set method\.inversion_steps=999"),
        ({"optimisation_steps": 0}, r"set method\.optimisation_steps=10"),
        ({"lr": -1.0}, r"set method\.lr=0\.007"),
        ({"final_lr": float("nan")}, r"set method\.final_lr=0\.004"),
        ({"unguided": 1.1}, r"set method\.unguided=0\.6"),
        ({"loss": SquaredChanges(), "unguided": -0.1}, r"set method\.unguided=0\.6"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        replace(DMT, **changes)

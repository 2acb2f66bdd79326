"""TokenFlow on a random image model: its state, its start, its batches, and what it refuses."""

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from trial import randn, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.process import Stop
from motion_inversion.core.sampler import Ddim
from motion_inversion.error import InputError
from motion_inversion.method.frozen import Frozen
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.tokenflow.blend import AdjacentKeyframes
from motion_inversion.method.tokenflow.edit import Edit
from motion_inversion.method.tokenflow.injection import PlugAndPlay
from motion_inversion.method.tokenflow.method import TokenFlow
from motion_inversion.method.tokenflow.sdedit import TokenFlowSdedit

METHOD = TokenFlow(2, inversion_steps=2, batch=2)


def fitted(model: Backbone, method: TokenFlow, reference: Reference, folder: Path) -> Path:
    assert method.fit(model, reference, Fitting(folder, folder / method.state_file, dict, 0)) == 0
    return folder / method.state_file


@pytest.fixture(scope="module")
def state(image_model: Backbone, reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(image_model, METHOD, reference, tmp_path_factory.mktemp("fit"))


@pytest.fixture(scope="module")
def single(request_: Request) -> Request:
    """The first of the two clips."""
    return replace(request_, condition=request_.condition.split()[0], seeds=(1,))


@pytest.fixture(scope="module")
def sampled(image_model: Backbone, state: Path, noise: Tensor, single: Request) -> Tensor:
    return METHOD.sample(image_model, state, noise[:1], single)


def test_a_clip_is_the_same_in_any_batch_and_the_model_as_before(
    image_model: Backbone, state: Path, noise: Tensor, request_: Request, single: Request, sampled: Tensor
):
    frozen = Frozen().sample(image_model, None, noise[:1], single)
    with untouched(image_model):
        both = METHOD.sample(image_model, state, noise, replace(request_, seeds=(1, 2)))
    assert torch.equal(both[:1], sampled)
    last = replace(request_, condition=request_.condition.split()[1], seeds=(2,))
    assert torch.equal(METHOD.sample(image_model, state, noise[1:], last), both[1:])
    assert not torch.allclose(sampled, frozen, atol=1e-3)
    assert torch.equal(Frozen().sample(image_model, None, noise[:1], single), frozen)
    assert not any(module._forward_hooks for module in image_model.network.modules())


def test_keyframes_are_drawn_from_the_clips_seed(
    image_model: Backbone, state: Path, noise: Tensor, single: Request, sampled: Tensor
):
    others = [METHOD.sample(image_model, state, noise[:1], replace(single, seeds=(seed,))) for seed in (1, 2, 3, 4)]
    assert torch.equal(others[0], sampled)
    assert any(not torch.equal(other, sampled) for other in others[1:])


def test_a_still_clip_stays_still(
    image_model: Backbone, reference: Reference, noise: Tensor, single: Request, tmp_path: Path
):
    still = replace(reference, latents=reference.latents[:, :, :1].expand(-1, -1, 4, -1, -1))
    start = noise[:1, :, :1].expand(-1, -1, 4, -1, -1)
    edited = METHOD.sample(image_model, fitted(image_model, METHOD, still, tmp_path), start, single)
    torch.testing.assert_close(edited, edited[:, :, :1].expand_as(edited), atol=1e-4, rtol=1e-4)


def test_the_papers_blending_is_another(
    image_model: Backbone, state: Path, noise: Tensor, single: Request, sampled: Tensor
):
    paper = replace(METHOD, blend=AdjacentKeyframes()).sample(image_model, state, noise[:1], single)
    assert not torch.allclose(paper, sampled, atol=1e-4)


def test_fitting_keeps_the_reference_and_sampling_needs_nothing_else(
    image_model: Backbone,
    reference: Reference,
    state: Path,
    noise: Tensor,
    single: Request,
    sampled: Tensor,
    tmp_path: Path,
):
    passed: list[Stop] = []
    fitting = Fitting(
        tmp_path, tmp_path / "again", dict, 1, progress=lambda timesteps: passed.extend(timesteps) or timesteps
    )
    with untouched(image_model):
        METHOD.fit(image_model, reference, fitting)
    assert passed == [1, 501]
    assert (tmp_path / "again").read_bytes() == state.read_bytes()
    fresh = image_model.config.load()
    assert torch.equal(METHOD.sample(fresh, tmp_path / "again", noise[:1], single), sampled)


def test_sdedit_starts_later_from_the_reference_with_the_noise_it_is_given(
    image_model: Backbone, reference: Reference, request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    method = TokenFlowSdedit(10, inversion_steps=10, batch=2)
    state = fitted(image_model, method, reference, tmp_path)
    met: dict[Stop, Tensor] = {}

    def predict(self: Edit, latents: Tensor, t: Stop) -> Tensor:
        met.setdefault(t, latents)
        assert self.injection is None
        return torch.zeros_like(latents)

    monkeypatch.setattr(Edit, "__call__", predict)
    shown: list[Stop] = []

    def progress(timesteps: Sequence[Stop]) -> Sequence[Stop]:
        shown.extend(timesteps)
        return timesteps

    process, drawn = image_model.process, randn(7, 2, 4, 4, 8, 8)
    clean = reference.latents.expand_as(drawn)
    request = replace(request_, sampler=Ddim(10, 2.0), seeds=(1, 2), progress=progress)
    method.sample(image_model, state, process.add_noise(clean, drawn, 901), request)
    assert shown == [801, 701, 601, 501, 401, 301, 201, 101, 1]
    torch.testing.assert_close(met[801], process.add_noise(clean, drawn, 801)[:1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("start", "steps"), [(1.0, 50), (0.9, 45), (0.88, 44), (0.7, 35), (0.5, 25), (0.001, 1)])
def test_the_start_says_how_many_steps_are_taken(start: float, steps: int):
    assert 50 - replace(METHOD, start=start).skipped(50) == steps


def test_video_models_and_clips_of_other_lengths_are_refused(
    model: Backbone,
    image_model: Backbone,
    reference: Reference,
    state: Path,
    noise: Tensor,
    single: Request,
    tmp_path: Path,
):
    for method in (METHOD, TokenFlowSdedit(2, 2)):
        message = rf"method={method.name} needs a model with frames on their own; tiny has .*; set model=shapes_image"
        with pytest.raises(InputError, match=message):
            fitted(model, method, reference, tmp_path)
        with pytest.raises(InputError, match=message):
            method.sample(model, state, noise[:1], single)
    with pytest.raises(
        InputError, match=r"model\.frames=4: .* method\.batch=8; set model\.frames=8 or method\.batch=4"
    ):
        fitted(image_model, replace(METHOD, batch=8), reference, tmp_path)
    with pytest.raises(
        InputError, match=r"model\.frames=4: .* method\.batch=3; set model\.frames=3 or method\.batch=2"
    ):
        replace(METHOD, batch=3).sample(image_model, state, noise[:1], single)
    with pytest.raises(InputError, match=r"no BasicTransformerBlock in up_blocks\.9"):
        fitted(image_model, replace(METHOD, injection=PlugAndPlay(attentions=["up_blocks.9"])), reference, tmp_path)
    assert not any(tmp_path.iterdir())


def test_states_of_other_settings_are_refused_with_both_sides(
    image_model: Backbone, state: Path, noise: Tensor, single: Request
):
    message = r"method\.sampling_steps=2, the sampler has sampler\.steps=3; set method\.sampling_steps=3"
    with pytest.raises(InputError, match=message):
        METHOD.sample(image_model, state, noise[:1], replace(single, sampler=Ddim(3, 2.0)))
    with pytest.raises(InputError, match=r"latents is 2×4×4×8×8 there and 3×4×4×8×8 here"):
        replace(METHOD, sampling_steps=3).sample(image_model, state, noise[:1], replace(single, sampler=Ddim(3, 2.0)))
    longer = replace(image_model.config, frames=6).load()
    with pytest.raises(InputError, match=r"clean is 1×4×4×8×8 there and 1×4×6×8×8 here"):
        METHOD.sample(longer, state, noise[:1], single)
    with pytest.raises(InputError, match=r"was learnt by tokenflow, not by tokenflow_sdedit: set method=tokenflow"):
        TokenFlowSdedit(2, 2, batch=2).sample(image_model, state, noise[:1], single)


def test_a_state_of_other_weights_is_refused_with_both_sides(
    image_model: Backbone, state: Path, noise: Tensor, single: Request, monkeypatch: pytest.MonkeyPatch
):
    other = replace(image_model.config, name="other").load()
    monkeypatch.setitem(vars(other.config), "fingerprint", "0" * 64)
    with pytest.raises(InputError, match=r"was learnt on tiny \(weights .*\), the model is other \(weights 00000000\)"):
        METHOD.sample(other, state, noise[:1], single)


def test_only_the_inversion_needs_a_new_fit():
    for method in (TokenFlow, TokenFlowSdedit):
        fields = {field.name for field in dataclasses.fields(method)}
        assert fields - method.at_sampling == {"sampling_steps", "inversion_steps"}
        assert method.at_sampling < fields


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling_steps": 0}, r"set method\.sampling_steps=50"),
        ({"inversion_steps": 0}, r"set method\.inversion_steps=500"),
        ({"batch": 0}, r"set method\.batch=8"),
        ({"start": 0.0}, r"set method\.start=0\.9"),
        ({"start": 1.1}, r"set method\.start=0\.9"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, float], message: str):
    with pytest.raises(InputError, match=message):
        replace(METHOD, **changes)  # pyright: ignore[reportArgumentType]

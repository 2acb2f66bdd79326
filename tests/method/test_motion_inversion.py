"""Learning embeddings on a frozen random model, and sampling with them."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from trial import train

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.strategy import ByMotion, Difference, Drop, Keep, Strategy
from motion_inversion.embedding import budget
from motion_inversion.embedding.embeddings import MotionEmbeddings, read_metadata
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.layout import Layout
from motion_inversion.embedding.official import export_official
from motion_inversion.error import InputError
from motion_inversion.method.frozen import Frozen
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.state import STATE
from motion_inversion.method.training.module import MotionLearning

Fittings = Callable[..., Fitting]


@pytest.fixture
def learnt(model: Backbone, method: MotionInversion, tmp_path: Path) -> Path:
    """A file of Gaussian embeddings, all different from each other."""
    embeddings = method.layout.zeros(model.sites())
    draws = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for parameter in embeddings.parameters():
            parameter.normal_(generator=draws)
    embeddings.save(tmp_path / "learnt.safetensors", {})
    return tmp_path / "learnt.safetensors"


@torch.no_grad()
def fixed_loss(model: Backbone, embeddings: MotionEmbeddings, reference: Reference) -> float:
    """The denoising error at four draws that no training sees."""
    noise = torch.randn(4, 4, 4, 8, 8, generator=torch.Generator().manual_seed(99))
    noisy = model.process.add_noise(reference.latents.expand_as(noise), noise, 500)
    with inject(model.network, embeddings):
        prediction = model.predict(noisy, 500, reference.condition.expand(4))
    return float((prediction - noise).square().mean())


def test_learning_changes_the_embeddings_alone_and_lowers_the_loss(
    model: Backbone, method: MotionInversion, reference: Reference, fitting: Fittings
):
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    fast = functools.partial(torch.optim.AdamW, lr=0.2, eps=1e-12)
    everywhere = replace(method, layout=Layout(["all"], True, True), optimizer=fast)
    count = everywhere.fit(model, reference, fitting(max_steps=8))
    embeddings = MotionEmbeddings.load(fitting().state)
    assert count == sum(tensor.numel() for tensor in embeddings.tensors().values())
    after = model.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.network.parameters())
    assert len(embeddings.tensors()) == 45  # 15 blocks: one query-key, two values each
    assert all(tensor.abs().max() > 0 for tensor in embeddings.tensors().values())
    zero = everywhere.layout.zeros(model.sites())
    assert fixed_loss(model, embeddings, reference) < 0.96 * fixed_loss(model, zero, reference)


@pytest.mark.parametrize(
    ("strategy", "is_told"),
    [(Keep(), False), (Drop(), False), (Difference(), True), (Difference("zero"), True), (ByMotion(), True)],
)
def test_static_values_that_a_strategy_takes_away_are_told(
    model: Backbone, method: MotionInversion, strategy: Strategy, is_told: bool, caplog: pytest.LogCaptureFixture
):
    static = Layout(["all"], query_key=True, value="static")
    replace(method, layout=static, strategy=strategy).require_places(model)
    assert ("static value embeddings have no differences in time" in caplog.text) == is_told


def test_embeddings_without_room_are_refused_ahead(
    model: Backbone, method: MotionInversion, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(budget, "available_memory", lambda device: 1)
    with pytest.raises(InputError, match="has 0.0 MiB left"):
        method.require_places(model)


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        (Layout(["all"], True, True), ""),
        (Layout(["mid"], True, True), "has blocks that method.layout leaves out"),
        (Layout(["all"], True, False), "has value embeddings that method.layout leaves out"),
        (Layout(["mid"], False, True), "has blocks and query-key embeddings that method.layout leaves out"),
    ],
)
def test_what_given_embeddings_have_beside_the_layout_is_told(
    model: Backbone, method: MotionInversion, learnt: Path, layout: Layout, told: str, caplog: pytest.LogCaptureFixture
):
    replace(method, embeddings=learnt, layout=layout).require_places(model)
    assert told in caplog.text
    assert ("leaves out" in caplog.text) == bool(told)


def test_a_layout_of_no_block_is_refused_beside_given_embeddings_too(
    model: Backbone, method: MotionInversion, learnt: Path
):
    with pytest.raises(InputError, match="nonsense"):
        replace(method, embeddings=learnt, layout=Layout(["nonsense"], True, True)).require_places(model)


def test_a_preview_is_what_generation_would_give(
    model: Backbone, method: MotionInversion, reference: Reference, brief: tuple[Tensor, Request], tmp_path: Path
):
    trained = train(model, replace(method, strategy=Difference()), reference, tmp_path, brief)
    sampled = replace(method, strategy=Difference()).sample(model, trained.state, *brief)
    assert torch.equal(sampled, trained.preview)
    assert not any(module._forward_pre_hooks for module in model.network.modules())


def test_checkpointing_learns_the_same(
    model: Backbone, method: MotionInversion, reference: Reference, fitting: Fittings
):
    method.fit(model, reference, fitting())
    plain = load_file(fitting().state)
    fitting().state.unlink()
    saving = replace(model.config, checkpointing=True).load()
    method.fit(saving, reference, fitting())
    torch.testing.assert_close(load_file(fitting().state), plain, atol=1e-5, rtol=1e-4)


def test_accumulated_batches_draw_consecutive_samples(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Fittings,
    monkeypatch: pytest.MonkeyPatch,
):
    seen: list[list[int]] = []
    step = MotionLearning.training_step

    def noted(self: MotionLearning, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        seen.append(batch["index"].tolist())
        return step(self, batch, batch_idx)

    monkeypatch.setattr(MotionLearning, "training_step", noted)
    twice = replace(method, batch_size=2, checkpoint_every=1)
    twice.fit(model, reference, fitting(accumulate_grad_batches=2, max_steps=1))
    assert seen == [[0, 1], [2, 3]]
    twice.fit(model, reference, fitting(accumulate_grad_batches=2, max_steps=2))  # goes on from its checkpoint
    assert seen[2:] == [[4, 5], [6, 7]]


def test_zero_embeddings_sample_what_the_frozen_model_samples(
    model: Backbone, method: MotionInversion, noise: Tensor, request_: Request, tmp_path: Path
):
    method.layout.zeros(model.sites()).save(tmp_path / "zero.safetensors", {})
    sampled = method.sample(model, tmp_path / "zero.safetensors", noise, request_)
    assert torch.equal(sampled, Frozen().sample(model, None, noise, request_))


def test_a_strategy_is_applied_at_sampling_only(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Fittings,
    learnt: Path,
    noise: Tensor,
    request_: Request,
):
    dropping = replace(method, strategy=Drop())
    method.fit(model, reference, fitting())
    kept = load_file(fitting().state)
    (fitting().folder / "loss.csv").unlink()
    dropping.fit(model, reference, fitting())
    dropped = load_file(fitting().state)
    assert all(torch.equal(kept[name], dropped[name]) for name in kept)

    without_values = MotionEmbeddings.load(learnt).map_value(torch.zeros_like)
    without_values.save(learnt.with_name("query_key.safetensors"), {})
    expected = method.sample(model, learnt.with_name("query_key.safetensors"), noise, request_)
    assert torch.equal(dropping.sample(model, learnt, noise, request_), expected)
    assert not torch.equal(method.sample(model, learnt, noise, request_), expected)


@pytest.mark.parametrize("official", [False, True])
def test_embeddings_given_are_adopted_without_training(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Fittings,
    learnt: Path,
    official: bool,
    monkeypatch: pytest.MonkeyPatch,
):
    expected = load_file(learnt)
    if official:
        export_official(MotionEmbeddings.load(learnt), learnt.with_suffix(".pt"))
        learnt = learnt.with_suffix(".pt")
    monkeypatch.setattr(Backbone, "predict", None)
    assert replace(method, embeddings=learnt).fit(model, reference, fitting()) == 0
    adopted = load_file(fitting().state)
    assert adopted.keys() == expected.keys()
    assert all(torch.equal(adopted[name], expected[name]) for name in expected)


def test_a_state_is_read_once_for_all_batches_and_anew_when_it_is_another(
    model: Backbone,
    method: MotionInversion,
    brief: tuple[Tensor, Request],
    learnt: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    noise, request = brief
    model, paths, load = model.config.load(), list[Path](), MotionEmbeddings.load
    monkeypatch.setattr(MotionEmbeddings, "load", lambda path: paths.append(path) or load(path))
    first, second = (method.sample(model, learnt, noise, request) for _ in range(2))
    assert torch.equal(first, second)
    assert paths == [learnt]
    model.release(STATE)
    method.sample(model, learnt, noise, request)
    assert paths == [learnt] * 2
    changed = load(learnt).scaled(1.0, 2.0)
    changed.save(learnt, {})
    assert not torch.equal(method.sample(model, learnt, noise, request), first)
    assert paths == [learnt] * 3


def test_embeddings_of_another_length_are_refused_or_resampled(
    longer: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Fittings,
    learnt: Path,
    noise: Tensor,
    request_: Request,
):
    given = replace(method, embeddings=learnt)
    with pytest.raises(InputError, match=r"of 4 frames.*of 6 frames.*model\.frames.*method\.resample=true"):
        given.fit(longer, reference, fitting())
    with pytest.raises(InputError, match=r"of 4 frames.*of 6 frames.*model\.frames.*method\.resample=true"):
        method.sample(longer, learnt, noise, request_)
    replace(given, resample=True).fit(longer, reference, fitting())
    assert {site.frames for site in MotionEmbeddings.load(fitting().state).sites} == {6}


def test_embeddings_of_another_model_are_refused_and_those_of_other_weights_remarked_on(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    fitting: Fittings,
    learnt: Path,
    caplog: pytest.LogCaptureFixture,
):
    given, embeddings = replace(method, embeddings=learnt), MotionEmbeddings.load(learnt)
    embeddings.save(learnt, {"model": "other", "fingerprint": "0" * 16})
    with pytest.raises(InputError, match=r"learnt on other, the model is tiny: set model=other, or model\.name=other"):
        given.fit(model, reference, fitting())
    origin = {"model": "tiny", "fingerprint": "0" * 16}
    embeddings.save(learnt, origin)
    given.fit(model, reference, fitting())
    assert "learnt on other weights of tiny" in caplog.text
    assert read_metadata(fitting().state) == origin  # where they come from, not where they are used


def test_learnt_embeddings_say_which_model_they_are_for(
    model: Backbone, method: MotionInversion, reference: Reference, fitting: Fittings
):
    method.fit(model, reference, fitting(max_steps=1))
    assert read_metadata(fitting().state) == {"model": "tiny", "fingerprint": model.config.fingerprint}


def test_an_official_file_cannot_be_resampled(method: MotionInversion, tmp_path: Path):
    (tmp_path / "motion_embed.pt").touch()
    with pytest.raises(InputError, match=r"can't be interpolated; set method\.resample=false"):
        replace(method, embeddings=tmp_path / "motion_embed.pt", resample=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: on a CPU all is on one device anyway")
def test_trained_parts_stay_on_the_models_device(
    model: Backbone, method: MotionInversion, reference: Reference, fitting: Fittings, monkeypatch: pytest.MonkeyPatch
):
    kept: list[torch.device] = []
    save = MotionEmbeddings.save

    def saved(embeddings: MotionEmbeddings, *arguments: Any) -> None:
        kept.extend(parameter.device for parameter in embeddings.parameters())
        save(embeddings, *arguments)

    monkeypatch.setattr(MotionEmbeddings, "save", saved)
    method.fit(replace(model.config, device="cuda").load(), reference, fitting(max_steps=1))
    assert {device.type for device in kept} == {"cuda"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, r"set method\.batch_size=1"),
        ({"checkpoint_every": 0}, r"set method\.checkpoint_every=1"),
        ({"preview_every": -1}, r"set method\.preview_every=0"),
        ({"embeddings": Path("nowhere.pt")}, r"method\.embeddings=nowhere\.pt is no file"),
    ],
)
def test_bad_settings_are_refused(method: MotionInversion, changes: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        replace(method, **changes)

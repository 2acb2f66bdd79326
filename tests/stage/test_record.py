"""What is noted beside a score."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from motion_inversion.core.loss import Debiased, Mse
from motion_inversion.core.noise import Blend, LowpassBlend, Random
from motion_inversion.core.sampler import Ddim
from motion_inversion.core.strategy import ByMotion, Difference, Drop, Keep
from motion_inversion.embedding.layout import Layout
from motion_inversion.method.frozen import Frozen
from motion_inversion.stage.address import Address
from motion_inversion.stage.record import axes, configuration, word


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Random(), "random"),
        (Blend(), "blend"),
        (Blend(0.25), "blend(ratio=0.25)"),
        (LowpassBlend(factor=2), "lowpass_blend(factor=2)"),
        (Ddim(20), "ddim(steps=20)"),
        (ByMotion(object=Keep(0.5)), "by_motion(object=keep(gamma=0.5))"),
        (Layout(["all"], True, False), "qk_only"),  # it has a name of its own
        (functools.partial(torch.optim.SGD, lr=0.1), "sgd(lr=0.1)"),
        (functools.partial(torch.optim.AdamW, lr=0.05, betas=(0.9, 0.999), eps=1e-12), "adamw(lr=0.05,eps=1e-12)"),
        (3, "3"),
        ("camera", "camera"),
    ],
)
def test_a_word_names_the_class_and_what_differs_from_its_defaults(value: object, expected: str):
    assert word(value) == expected


def test_axes_are_those_of_the_method(address: Address):
    found = axes(replace(address, noise=Random()))
    assert found["model"] == "shapes"
    assert found["noise"] == "random"
    assert found["iterations"] == "4"
    assert found["sampler"] == "ddim(steps=2)"
    assert found.keys() >= {"loss", "layout", "optimizer", "timestep", "strategy", "batch_size", "guidance"}
    guided = axes(replace(address, sampler=Ddim(2, guidance=9.0)))
    assert (guided["sampler"], guided["guidance"]) == ("ddim(steps=2)", "9.0")  # an axis of its own
    frozen = axes(replace(address, method=Frozen(), trainer=None))
    assert not frozen.keys() & {"loss", "layout", "optimizer", "timestep", "strategy", "iterations", "training_seed"}


def test_given_embeddings_are_an_axis_and_what_would_have_trained_them_is_none(address: Address, tmp_path: Path):
    assert not axes(address).keys() & {"embeddings", "resample"}
    given = tmp_path / "given.safetensors"
    given.touch()
    found = axes(replace(address, method=replace(address.method, embeddings=given)))  # pyright: ignore[reportArgumentType]
    assert found["embeddings"] == str(given)
    assert not found.keys() & {"loss", "layout", "optimizer", "timestep", "batch_size", "iterations", "training_seed"}
    assert "strategy" in found


def test_an_inversion_is_an_axis_only_of_noise_that_is_made_from_one(address: Address):
    assert "inversion" in axes(replace(address, noise=Blend()))
    assert "inversion" not in axes(replace(address, noise=Random()))


def test_what_changes_no_sample_is_no_axis(address: Address):
    measured = replace(address, noise=Blend(), inversion=replace(address.inversion, measure=True))
    assert axes(measured) == axes(replace(address, noise=Blend()))
    assert not axes(address).keys() & {"checkpoint_every", "preview_every"}


def test_different_settings_have_different_words(address: Address):
    def axis(name: str, **changes: object) -> str:
        return axes(replace(address, method=replace(address.method, **changes)))[name]  # pyright: ignore[reportArgumentType]

    assert axis("loss", loss=Mse()) != axis("loss", loss=Debiased())
    assert len({axis("strategy", strategy=strategy) for strategy in (Keep(), Drop(), Difference(), Keep(0.5))}) == 4


def test_what_is_recorded_survives_json(address: Address):
    found = {"config": configuration(address), "axes": axes(address)}
    assert json.loads(json.dumps(found, allow_nan=False)) == found

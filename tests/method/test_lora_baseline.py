"""LoRA on the attentions that motion embeddings attach to."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from trial import Trained, assert_resumes, noised_reference, train, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.loss import Mse
from motion_inversion.core.timestep import Range
from motion_inversion.error import InputError
from motion_inversion.method.frozen import Frozen
from motion_inversion.method.lora import Lora, attention_layers
from motion_inversion.method.method import Reference, Request

Brief = tuple[Tensor, Request]
MAKE: Callable[..., Lora] = functools.partial(
    Lora, Mse(), functools.partial(torch.optim.AdamW, lr=0.02), Range(500, 501)
)


@pytest.fixture(scope="module")
def trained(model: Backbone, reference: Reference, brief: Brief, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(model, MAKE(dropout=0.1), reference, tmp_path_factory.mktemp("trained"), brief)


def test_it_sits_in_every_projection_of_the_attentions_over_time(model: Backbone):
    names = attention_layers(model)
    assert len(names) == 2 * 4 * len(model.sites())
    assert all(".temp_attentions." in name for name in names)
    assert {name.rpartition("attn")[2][2:] for name in names} == {"to_q", "to_k", "to_v", "to_out.0"}


def test_training_changes_the_additions_and_leaves_the_model(trained: Trained):
    ups = [tensor for name, tensor in trained.tensors.items() if "lora_B" in name]
    assert ups and all(tensor.any() for tensor in ups)
    assert trained.parameters == sum(tensor.numel() for tensor in trained.tensors.values())


def test_an_interrupted_training_ends_the_same(
    model: Backbone, reference: Reference, trained: Trained, brief: Any, tmp_path: Path
):
    assert_resumes(model, MAKE(dropout=0.1), reference, trained, tmp_path, brief)


def test_a_preview_is_what_generation_gives(model: Backbone, trained: Trained, brief: Brief):
    with untouched(model):
        assert torch.equal(MAKE().sample(model, trained.state, *brief), trained.preview)


def test_without_weight_it_is_the_frozen_model(model: Backbone, trained: Trained, brief: Brief):
    assert torch.equal(MAKE(scale=0.0).sample(model, trained.state, *brief), Frozen().sample(model, None, *brief))


def test_it_learns_the_clip(model: Backbone, reference: Reference, trained: Trained):
    batch, method = noised_reference(model, reference), MAKE()
    lora = method._lora(model, 0)
    lora.load(trained.tensors)
    errors = []
    for scale in (0.0, 1.0):
        lora.use(scale)
        with lora.attached(model.network), torch.no_grad():
            errors.append((model.predict(batch.latents, batch.t, batch.condition) - batch.target).square().mean())
    assert errors[1] < errors[0]


@pytest.mark.parametrize(("options", "names"), [({"rank": 0}, "method.rank=0"), ({"dropout": 1.0}, "method.dropout=1")])
def test_values_out_of_range_are_refused(options: dict[str, Any], names: str):
    with pytest.raises(InputError, match=names):
        MAKE(**options)


def test_a_model_without_attention_over_frames_is_refused(image_model: Backbone):
    with pytest.raises(InputError, match="lora"):
        MAKE().require(image_model)

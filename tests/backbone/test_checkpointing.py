"""Gradient checkpointing: less kept, the same gradients, and nothing left behind."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from motion_inversion.backbone.checkpointing import checkpoint_blocks
from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject


def randn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def told() -> Condition:
    return Condition({PROMPT_EMBEDS: randn(2, 1, 3, 16)})


def gradients(model: Backbone, checkpointing: Callable[[], AbstractContextManager[None]]) -> tuple[list[Tensor], int]:
    """Gradients of all embeddings, and how many tensors were kept for them."""
    embeddings = MotionEmbeddings.zeros(model.sites(), query_key=True, value=True)
    with torch.no_grad():
        for number, parameter in enumerate(embeddings.parameters()):
            parameter.copy_(randn(number, *parameter.shape))
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with inject(model.network, embeddings), checkpointing():
        with hooks:
            loss = model.predict(randn(1, 1, 4, 4, 8, 8), 500, told()).square().mean()
        loss.backward()
    found = [parameter.grad for parameter in embeddings.parameters()]
    return [gradient for gradient in found if gradient is not None], sum(kept)


def test_gradients_are_the_same_and_less_is_kept(model: Backbone):
    plain, much = gradients(model, nullcontext)
    saving, little = gradients(model, lambda: checkpoint_blocks(model.network))
    assert len(plain) == len(saving) == 48  # 16 sites: one query-key, two values each
    torch.testing.assert_close(saving, plain, atol=1e-9, rtol=1e-4)
    assert little < much / 2


def test_everything_is_as_before_afterwards(model: Backbone):
    before = {name: dict(module.__dict__) for name, module in model.network.named_modules()}
    keys = list(model.network.state_dict())
    with pytest.raises(RuntimeError, match="stop"), checkpoint_blocks(model.network):
        assert list(model.network.state_dict()) == keys
        raise RuntimeError("stop")
    after = {name: dict(module.__dict__) for name, module in model.network.named_modules()}
    assert {name: set(found) for name, found in after.items()} == {name: set(found) for name, found in before.items()}
    assert not any("forward" in found for found in after.values())


@torch.no_grad()
def test_without_gradients_nothing_is_checkpointed(model: Backbone, monkeypatch: pytest.MonkeyPatch):
    inputs: tuple[Any, ...] = (randn(1, 1, 4, 4, 8, 8), 500, told())
    expected = model.predict(*inputs)
    monkeypatch.setattr("motion_inversion.backbone.checkpointing.checkpoint", None)
    with checkpoint_blocks(model.network):
        assert torch.equal(model.predict(*inputs), expected)


def test_the_configuration_asks_for_it(config: Model):
    for asked in (False, True):
        model = replace(config, checkpointing=asked).load()
        with model.checkpointed():
            wrapped = any("forward" in module.__dict__ for module in model.network.modules())
        assert wrapped == asked

"""What dtype=auto stands for, and attention as plain products."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from motion_inversion.backbone import attention as module
from motion_inversion.backbone import precision
from motion_inversion.backbone.attention import LONGEST, ExplicitAttention, attention
from motion_inversion.backbone.precision import suited

UNET = {"block_out_channels": [64, 128, 256, 256], "attention_head_dim": 8}
SHAPES = {"block_out_channels": [32, 48, 64, 64], "attention_head_dim": 8}
TRANSFORMER = {"num_attention_heads": 12, "attention_head_dim": 128}
SHAPES_DIT = {"num_attention_heads": 6, "attention_head_dim": 32}
NARROW = {"num_attention_heads": 4, "attention_head_dim": 32}


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (UNET, "bfloat16"),
        (SHAPES, "float32"),
        (TRANSFORMER, "bfloat16"),
        (SHAPES_DIT, "bfloat16"),
        (NARROW, "float32"),
        ({}, "float32"),
    ],
)
def test_a_cpu_with_instructions_for_it_computes_wide_networks_in_bfloat16(
    network: dict[str, object], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda kind: True)
    assert suited(network, "cpu") == expected
    assert suited(network, "cuda") == "bfloat16"


def test_where_there_is_no_bfloat16_a_cpu_computes_in_single_and_a_gpu_in_half_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda kind: False)
    assert (suited(UNET, "cpu"), suited(UNET, "cuda")) == ("float32", "float16")


def test_plain_products_are_for_bfloat16_on_a_cpu_that_has_it_without_checkpointing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "has_bfloat16", lambda kind: True)
    assert isinstance(attention("cpu", torch.bfloat16, False), ExplicitAttention)
    others = [("cpu", torch.float32, False), ("cpu", torch.bfloat16, True), ("cuda", torch.bfloat16, False)]
    assert all(isinstance(attention(*other), nullcontext) for other in others)
    monkeypatch.setattr(module, "has_bfloat16", lambda kind: False)
    assert isinstance(attention("cpu", torch.bfloat16, False), nullcontext)


def kernel(attended: Tensor) -> str:
    """The operation that gave a tensor."""
    assert attended.grad_fn is not None
    return attended.grad_fn.name()


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    query, key, value = (torch.randn(*shape).to(dtype).requires_grad_() for _ in range(3))
    return query, key, value


@pytest.mark.parametrize("scale", [None, 0.3])
def test_plain_products_are_attention_with_its_gradients(scale: float | None) -> None:
    inputs = drawn(2, 3, 20, 8)
    expected = scaled_dot_product_attention(*inputs, scale=scale)
    gradients = torch.autograd.grad(expected.square().sum(), inputs)
    with ExplicitAttention():
        found = scaled_dot_product_attention(*inputs, scale=scale)
    assert kernel(found) != kernel(expected)
    torch.testing.assert_close(found, expected)
    for one, other in zip(torch.autograd.grad(found.square().sum(), inputs), gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "ask",
    [
        lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(20, 20).tril().bool()),
        lambda q, k, v: scaled_dot_product_attention(q, k[:, :1], v[:, :1], enable_gqa=True),
    ],
)
def test_masks_and_groups_stay_the_fused_kernels(ask: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    inputs = drawn(2, 3, 20, 8)
    with ExplicitAttention():
        found = ask(*inputs)
    assert torch.equal(found, ask(*inputs))


def test_long_sequences_stay_the_fused_kernels() -> None:
    for length, fused in ((LONGEST, False), (LONGEST + 1, True)):
        inputs = drawn(1, 1, length, 4)
        own = scaled_dot_product_attention(*inputs)
        with ExplicitAttention():
            found = scaled_dot_product_attention(*inputs)
        assert (kernel(found) == kernel(own)) == fused

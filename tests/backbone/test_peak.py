"""What is counted without numbers is what torch holds with them."""

import gc

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.backbone.peak import Peak, as_on, backward
from motion_inversion.backbone.twin import META, Twin

CPU = torch.device("cpu")


def test_what_is_freed_is_no_longer_held() -> None:
    with Peak(CPU) as peak:
        first = torch.zeros(1000)  # 4000 bytes
        second = first + 1
        del first
        third = second * 2
        assert (peak.now, peak.most) == (8000, 8000)
        third.add_(1)  # makes nothing
    assert peak.now == 8000
    del second, third
    gc.collect()
    assert peak.now == 0


def test_memory_that_tensors_share_counts_once() -> None:
    peak, whole = Peak(CPU), torch.zeros(100)
    peak.hold([whole, whole[:10], whole.view(10, 10)])
    assert peak.now == 400


@pytest.mark.parametrize(
    ("device", "autocast", "norm", "product"),
    [
        ("cuda", torch.float16, torch.float32, torch.float16),
        ("cpu", torch.bfloat16, torch.float16, torch.bfloat16),
        ("cuda", None, torch.float16, torch.float16),
    ],
)
def test_types_are_those_of_mixed_precision(
    device: str, autocast: torch.dtype | None, norm: torch.dtype, product: torch.dtype
) -> None:
    tokens = torch.empty(2, 4, 8, device=META, dtype=torch.float16)
    with as_on(device, autocast):
        assert F.layer_norm(tokens, (8,)).dtype is norm
        assert F.linear(tokens, tokens[0]).dtype is product


def test_no_matrix_of_all_tokens_by_all_is_held() -> None:
    tokens = torch.empty(1, 1, 1000, 8, device=META, requires_grad=True)
    with Peak(META) as peak, as_on("cuda"):
        attended = F.scaled_dot_product_attention(tokens, tokens, tokens)
        backward(attended.sum())
    assert peak.most < 1000 * 1000
    assert tokens.grad is not None and tokens.grad.shape == tokens.shape


def test_as_on_leaves_nothing_behind() -> None:
    own = torch.autocast
    with pytest.raises(RuntimeError, match="stop"), as_on("cpu"), torch.autocast("meta", torch.float32):
        raise RuntimeError("stop")
    assert torch.autocast is own


def test_a_twin_has_the_model_and_no_numbers(model: Backbone, config: Model) -> None:
    twin = Twin(config)
    own, theirs = (each.network for each in (twin, model))
    assert {name: (each.shape, each.dtype) for name, each in own.named_parameters()} == {
        name: (each.shape, each.dtype) for name, each in theirs.named_parameters()
    }
    assert all(each.device == META and not each.requires_grad for each in own.parameters())
    assert twin.sites() == model.sites() and twin.latent_shape == model.latent_shape
    told = {name: each.shape for name, each in twin.embed(["a"]).tensors.items()}
    assert told == {name: each.shape for name, each in model.embed(["a"]).tensors.items()}


def test_a_twin_keeps_in_single_precision_what_the_class_says(config: Model) -> None:
    class Kept(nn.Module):
        _keep_in_fp32_modules = ("norm",)

    from motion_inversion.backbone.part import in_precision

    kept = Kept()
    kept.norm, kept.out = nn.LayerNorm(4), nn.Linear(4, 4)
    in_precision(kept, torch.bfloat16)
    assert (kept.norm.weight.dtype, kept.out.weight.dtype) == (torch.float32, torch.bfloat16)

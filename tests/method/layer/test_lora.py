"""Low-rank additions: what they compute, where they sit, and that they leave the model as it was."""

from typing import Any, cast

import pytest
import torch
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from trial import prompts, randn

from motion_inversion.backbone.model import Backbone
from motion_inversion.method.layer.lora import LowRank, linear_names

TEMPORAL = (TransformerTemporalModel, ("attn1", "attn2", "ff"))
SPATIAL = (Transformer2DModel, ("attn1", "ff"))


@pytest.fixture
def linear() -> nn.Sequential:
    """A single layer of widths 6 → 4 with a bias, and its name."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 4)).requires_grad_(False)


def filled(lora: LowRank) -> dict[str, Tensor]:
    """Gaussian values in every matrix, given to the LoRA as well."""
    tensors = {name: randn(index, *t.shape) for index, (name, t) in enumerate(lora.tensors().items())}
    lora.load(tensors)
    return tensors


@torch.no_grad()
def predicted(model: Backbone) -> Tensor:
    return model.predict(randn(7, 1, 4, 4, 8, 8), 500, prompts(8, 1))


def test_the_addition_is_up_times_down_at_its_scale(linear: nn.Sequential):
    lora, x = LowRank(linear, ["0"], 2, 0.1, 0), randn(9, 5, 6)
    matrices = filled(lora)
    down, up = matrices["0.lora_A.weight"], matrices["0.lora_B.weight"]
    assert down.shape == (2, 6) and up.shape == (4, 2)
    with lora.attached(linear):
        for scale in (1.0, 0.5, 0.0):
            lora.use(scale)
            torch.testing.assert_close(linear(x), _plain(linear, x) + scale * x @ down.T @ up.T)
    assert type(linear[0]) is nn.Linear


def _plain(linear: nn.Sequential, x: Tensor) -> Tensor:
    layer: Any = cast(LoraLayer, linear[0]).get_base_layer()
    return x @ layer.weight.T + layer.bias


@pytest.mark.parametrize(("rank", "clipped"), [(2, 2), (32, 4)])
def test_a_fresh_one_changes_nothing_and_a_rank_has_its_limit(linear: nn.Sequential, rank: int, clipped: int):
    lora, x = LowRank(linear, ["0"], rank, 0.1, 0), randn(9, 5, 6)
    before = linear(x)
    assert {name: t.shape for name, t in lora.tensors().items()} == {
        "0.lora_A.weight": (clipped, 6),
        "0.lora_B.weight": (4, clipped),
    }
    with lora.attached(linear):
        lora.use(1.0, torch.Generator())
        assert torch.equal(linear(x), before)
        # No factor depends on the rank: a matrix of ones in U adds the rows' sum of D x.
        filled(lora)
        tensors = lora.tensors()
        torch.nn.init.ones_(tensors["0.lora_B.weight"])
        lora.use(1.0)
        added = (x @ tensors["0.lora_A.weight"].T).sum(-1, keepdim=True)
        torch.testing.assert_close(linear(x), before + added)


def test_down_is_drawn_from_the_seed_with_deviation_one_over_rank():
    wide = nn.Sequential(nn.Linear(4000, 64))
    one, same, other = (LowRank(wide, ["0"], 16, 0.0, seed).tensors()["0.lora_A.weight"] for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert float(one.std()) == pytest.approx(1 / 16, rel=0.02)


def test_dropout_leaves_out_elements_of_the_addition_and_keeps_its_mean(linear: nn.Sequential):
    lora, x = LowRank(linear, ["0"], 2, 0.25, 0), randn(9, 4000, 6)
    before = linear(x)
    filled(lora)
    draw = torch.Generator().manual_seed(3)
    with lora.attached(linear):
        lora.use(1.0)
        whole = linear(x) - before
        lora.use(1.0, draw)
        dropped = linear(x) - before
        assert torch.equal(linear(x) - before, dropped)  # a repeated pass drops the same
        lora.use(1.0, draw)
        assert not torch.equal(linear(x) - before, dropped)
        lora.use(1.0)
        assert torch.equal(linear(x) - before, whole)
    left_out = dropped.abs() < 1e-6
    assert float(left_out.float().mean()) == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(dropped[~left_out], whole[~left_out] / 0.75, atol=1e-5, rtol=1e-4)


def test_building_one_leaves_the_model_and_the_process_alone(model: Backbone):
    before, modules = predicted(model), [*model.network.modules()]
    state, attributes = torch.get_rng_state(), set(vars(model.network))
    lora = LowRank(model.network, linear_names(model.network, *TEMPORAL), 4, 0.0, 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert [*model.network.modules()] == modules and set(vars(model.network)) == attributes
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    assert all(parameter.requires_grad and parameter.dtype == torch.float32 for parameter in lora.parameters())
    filled(lora)
    with lora.attached(model.network):
        assert not torch.equal(predicted(model), before)
    assert torch.equal(predicted(model), before)


def test_two_at_once_do_not_switch_each_other_off(model: Backbone):
    temporal = LowRank(model.network, linear_names(model.network, *TEMPORAL), 4, 0.0, 0)
    spatial = LowRank(model.network, linear_names(model.network, *SPATIAL), 4, 0.0, 0)
    outputs = [predicted(model)]
    for lora in (temporal, spatial):
        filled(lora)
        with lora.attached(model.network):
            outputs.append(predicted(model))
    with temporal.attached(model.network), spatial.attached(model.network):
        outputs.append(predicted(model))
    assert len({float(output.sum()) for output in outputs}) == 4
    assert all(p.requires_grad for lora in (temporal, spatial) for p in lora.parameters())


@pytest.mark.parametrize(
    ("place", "count", "parameters"),
    [(TEMPORAL, 170, 12_472_320), (SPATIAL, 96, 8_785_920)],
    ids=["temporal", "spatial"],
)
def test_layers_and_parameters_of_zeroscope(
    place: tuple[type[nn.Module], tuple[str, ...]], count: int, parameters: int
):
    """17 temporal transformers (15, middle, transformer_in) of 10 layers; 16 spatial ones of 6, no cross-attention."""
    with torch.device("meta"):
        unet = UNet3DConditionModel(cross_attention_dim=1024)
    names = linear_names(unet, *place)
    assert len(set(names)) == len(names) == count
    assert not any("proj_in" in name or "proj_out" in name for name in names)
    layers = [unet.get_submodule(name) for name in names]
    assert all(isinstance(layer, nn.Linear) for layer in layers)
    widths = [(layer.in_features, layer.out_features) for layer in layers if isinstance(layer, nn.Linear)]
    assert sum(32 * (inputs + outputs) for inputs, outputs in widths) == parameters
    spatial = [name for name in names if "temp" not in name and "transformer_in" not in name]
    assert not any(".attn2." in name for name in spatial)

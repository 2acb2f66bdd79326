"""An image UNet inflated over time: what it is before training, and what each part adds."""

import pytest
import torch
from diffusers.models.attention_processor import Attention
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from trial import prompts, randn, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.shape import Latents
from motion_inversion.method.tune_a_video.inflation import Inflation, TemporalAttention

_FRAMES = 4


@pytest.fixture(scope="module")
def layer() -> TemporalAttention:
    """One whose output counts."""
    layer = TemporalAttention(12, 3, (0, "somewhere"), zero_bias=False).requires_grad_(False)
    layer.to_out[0].weight.copy_(randn(1, 12, 12))  # pyright: ignore[reportCallIssue]
    return layer


@pytest.fixture(scope="module")
def inflation(image_model: Backbone) -> Inflation:
    return Inflation(image_model.network, seed=0, zero_bias=False)


@torch.no_grad()
def denoised(model: Backbone, latents: Latents) -> Latents:
    return model.predict(latents, 500, prompts(2, 1).expand(len(latents)))


@torch.no_grad()
def inflated(model: Backbone, inflation: Inflation, latents: Latents, pooled: bool = True) -> Latents:
    with untouched(model), inflation.attached(model.network, latents.shape[2], pooled):
        return denoised(model, latents)


def test_trained_are_seven_tensors_in_each_block(image_model: Backbone, inflation: Inflation):
    tensors, weights = inflation.tensors(), image_model.network.state_dict()
    blocks = {name.rpartition(".attn1.")[0] for name in weights if ".attn1." in name}
    own = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias")
    parts = {"attn1.to_q.weight", "attn2.to_q.weight", *(f"attn_temp.{name}" for name in own)}
    assert tensors.keys() == {f"{block}.{part}" for block in blocks for part in parts}
    assert len(tensors) == 16 * 7
    assert all(torch.equal(tensors[name], weights[name]) for name in tensors if "attn_temp" not in name)
    assert not {tensor.data_ptr() for tensor in tensors.values()} & {tensor.data_ptr() for tensor in weights.values()}
    assert sum(p.numel() for p in inflation.parameters()) == sum(tensor.numel() for tensor in tensors.values())


def test_initial_values_depend_on_the_seed_and_the_place_alone(image_model: Backbone, inflation: Inflation):
    state = torch.random.get_rng_state()
    torch.manual_seed(1)
    again, other = (Inflation(image_model.network, seed, zero_bias=False).tensors() for seed in (0, 1))
    torch.random.set_rng_state(state)
    own = inflation.tensors()
    assert all(torch.equal(own[name], again[name]) for name in own)
    drawn = [name for name in own if "attn_temp" in name and not name.endswith("to_out.0.weight")]
    assert not any(torch.equal(own[name], other[name]) for name in drawn)
    # Uniform within ±1/√c, as PyTorch's linear layers are: a standard deviation of 1/√(3 c).
    values = torch.cat([(own[name] * own[name].shape[-1] ** 0.5).flatten() for name in drawn])
    assert len(values.unique()) > 0.95 * len(values)
    assert values.abs().max() <= 1 and abs(float(values.std()) - 3**-0.5) < 0.01
    assert not any(own[name].any() for name in own if name.endswith("attn_temp.to_out.0.weight"))


def test_building_leaves_the_processs_generator_alone(image_model: Backbone):
    before = torch.random.get_rng_state()
    Inflation(image_model.network, 0, zero_bias=True)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("pooled", [True, False])
def test_on_a_static_clip_it_is_the_image_model(image_model: Backbone, pooled: bool):
    """With nothing of the temporal attention: keys given twice, statistics of equal frames."""
    idle = Inflation(image_model.network, 0, zero_bias=True)
    static = randn(1, 2, 4, 1, 8, 8).expand(-1, -1, _FRAMES, -1, -1)
    torch.testing.assert_close(
        inflated(image_model, idle, static, pooled), denoised(image_model, static), atol=1e-5, rtol=0
    )


def test_untrained_its_output_bias_alone_tells_it_from_the_image_model(image_model: Backbone, inflation: Inflation):
    static = randn(1, 1, 4, 1, 8, 8).expand(-1, -1, _FRAMES, -1, -1)
    found = inflated(image_model, inflation, static)
    assert (found - denoised(image_model, static)).abs().max() > 1e-4
    torch.testing.assert_close(found, found[:, :, :1].expand_as(found), atol=1e-5, rtol=0)  # equally in all frames


def test_clips_of_a_batch_do_not_meet(image_model: Backbone, inflation: Inflation):
    clips = randn(1, 2, 4, _FRAMES, 8, 8)
    both, first = (inflated(image_model, inflation, x) for x in (clips, clips[:1]))
    torch.testing.assert_close(both[:1], first, atol=1e-5, rtol=0)


def test_pooled_statistics_join_all_frames(image_model: Backbone):
    """Without them, an idle temporal attention and sparse-causal attention, the first frame knows no other."""
    idle = Inflation(image_model.network, 0, zero_bias=True)
    clip = randn(1, 1, 4, _FRAMES, 8, 8)
    other = torch.cat([clip[:, :, :3], 2 * clip[:, :, 3:]], dim=2)
    for pooled in (True, False):
        one, two = (inflated(image_model, idle, x, pooled)[:, :, 0] for x in (clip, other))
        assert torch.equal(one, two) is not pooled


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(_FRAMES)))
def test_permuted_frames_give_the_same_output_permuted(layer: TemporalAttention, order: list[int]):
    tokens = randn(3, _FRAMES, 5, 12)
    torch.testing.assert_close(layer(tokens[order], _FRAMES), layer(tokens, _FRAMES)[order])


def test_it_is_diffusers_attention_along_the_frames(layer: TemporalAttention):
    twin = Attention(12, heads=3, dim_head=4, bias=False).requires_grad_(False)
    twin.load_state_dict(layer.state_dict())
    tokens = randn(3, 2 * _FRAMES, 5, 12)
    expected = tokens.clone()
    for clip in (0, 1):
        for position in range(5):
            rows = slice(clip * _FRAMES, (clip + 1) * _FRAMES), position
            expected[rows] += twin(nn.functional.layer_norm(tokens[rows], (12,))[None])[0]
    torch.testing.assert_close(layer(tokens, _FRAMES), expected)


def test_attached_weights_count_and_leave_with_an_error(image_model: Backbone):
    inflation = Inflation(image_model.network, 0, zero_bias=False)
    clip = randn(1, 1, 4, _FRAMES, 8, 8)
    before = inflated(image_model, inflation, clip)
    inflation.load({name: 1.5 * tensor for name, tensor in inflation.tensors().items()})
    assert not torch.allclose(inflated(image_model, inflation, clip), before, atol=1e-4)
    own = denoised(image_model, clip)
    with pytest.raises(KeyError), untouched(image_model), inflation.attached(image_model.network, _FRAMES):
        raise KeyError
    assert torch.equal(denoised(image_model, clip), own)
    assert not any(module._forward_hooks for module in image_model.network.modules())


def loaded_names(tensors: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in tensors.items() if bool(tensor.eq(7).all())}


def test_values_are_taken_over_by_name(image_model: Backbone):
    inflation = Inflation(image_model.network, 0, zero_bias=False)
    inflation.load({name: torch.full_like(tensor, 7) for name, tensor in inflation.tensors().items()})
    assert loaded_names(inflation.tensors()) == inflation.tensors().keys()

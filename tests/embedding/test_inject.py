from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.inject import inject
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError

GRID, POSITIONS, FRAMES, CHANNELS = (2, 3), 6, 5, 16
OVER_TIME = Site("block", "block", 0, CHANNELS, GRID, FRAMES, ("attn",))
ALL = FRAMES * POSITIONS


def randn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def attention() -> Attention:
    """Two heads of 8 channels."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Attention(query_dim=CHANNELS, heads=2, dim_head=8).eval().requires_grad_(False)


QUERY_KEY, VALUE = randn(3, 1, FRAMES, CHANNELS), randn(4, POSITIONS, FRAMES, CHANNELS)
HIDDEN = randn(2, 2 * POSITIONS, FRAMES, CHANNELS)
"""Two clips over time: a sequence of frames for each position."""


def network(attention: Attention) -> nn.Module:
    return nn.ModuleDict({"block": nn.ModuleDict({"attn": attention})})


def learnt(site: Site, query_key: Tensor | None, value: Tensor | None) -> MotionEmbeddings:
    given = {"block.query_key": query_key, "block.attn.value": value}
    return MotionEmbeddings([site], {name: tensor for name, tensor in given.items() if tensor is not None})


def run(
    attention: Attention, hidden: Tensor, query_key: Tensor | None, value: Tensor | None, site: Site = OVER_TIME
) -> Tensor:
    with inject(network(attention), learnt(site, query_key, value)):
        return attention(hidden)


def by_hand(attention: Attention, with_query_key: Tensor, with_value: Tensor) -> Tensor:
    """W_o softmax(W_q F_qk (W_k F_qk)ᵀ / √d) W_v F_v of one sequence, head by head, in float64."""
    own = {name: tensor.double() for name, tensor in attention.state_dict().items()}
    q, k = (with_query_key @ own[f"{name}.weight"].T for name in ("to_q", "to_k"))
    v = with_value @ own["to_v.weight"].T
    heads: list[Tensor] = []
    for part in (slice(0, 8), slice(8, 16)):
        scores = (q[:, part] @ k[:, part].T / 8**0.5).exp()
        heads.append(scores / scores.sum(1, keepdim=True) @ v[:, part])
    return torch.cat(heads, 1) @ own["to_out.0.weight"].T + own["to_out.0.bias"]


@torch.no_grad()
def test_zero_embeddings_are_the_models_own_attention(attention: Attention):
    own = attention(HIDDEN)
    assert torch.equal(run(attention, HIDDEN, torch.zeros_like(QUERY_KEY), torch.zeros_like(VALUE)), own)
    assert torch.equal(run(attention, HIDDEN, None, None), own)


@torch.no_grad()
def test_equation_1_over_time(attention: Attention):
    output = run(attention, HIDDEN, QUERY_KEY, VALUE)
    for sequence in range(2 * POSITIONS):
        tokens = HIDDEN[sequence].double()
        expected = by_hand(attention, tokens + QUERY_KEY[0], tokens + VALUE[sequence % POSITIONS])
        torch.testing.assert_close(output[sequence].double(), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("start", "text_after"), [(0, 0), (0, 4), (7, 0)])
def test_equation_1_over_space_and_time(attention: Attention, start: int, text_after: int):
    """Video tokens go frame by frame, row by row; those of the text, before or after them, stay as they are."""
    tokens = randn(5, 2, start + ALL + text_after, CHANNELS)
    site = replace(OVER_TIME, start=start)
    shifts = torch.zeros(2, tokens.shape[1], CHANNELS, dtype=torch.float64)
    for frame in range(FRAMES):
        for position in range(POSITIONS):
            token = start + frame * POSITIONS + position
            shifts[0, token], shifts[1, token] = QUERY_KEY[0, frame], VALUE[position, frame]
    output = run(attention, tokens, QUERY_KEY, VALUE, site)
    for clip in range(2):
        expected = by_hand(attention, tokens[clip].double() + shifts[0], tokens[clip].double() + shifts[1])
        torch.testing.assert_close(output[clip].double(), expected, atol=1e-5, rtol=1e-5)
    zeros = torch.zeros_like(QUERY_KEY), torch.zeros_like(VALUE)
    assert torch.equal(run(attention, tokens, *zeros, site), attention(tokens))


@torch.no_grad()
def test_coarse_and_static_values_enter_at_every_place(attention: Attention):
    static = MotionEmbeddings([OVER_TIME], {"block.attn.value": VALUE[:1, :1]}, {"block": (1, 1)})
    with inject(network(attention), static):
        output = attention(HIDDEN)
    everywhere = VALUE[:1, :1].expand(POSITIONS, FRAMES, -1)
    torch.testing.assert_close(output, run(attention, HIDDEN, None, everywhere), atol=1e-6, rtol=1e-6)


@torch.no_grad()
def test_a_constant_over_time_enters_through_the_query_only(attention: Attention):
    # softmax ignores what all keys of a query share, so a shift of every key by the same vector does nothing
    # and m^QK constant over frames acts as if added to the query alone.
    constant = torch.full((1, FRAMES, CHANNELS), 0.7)

    def shifted(projection: nn.Module) -> Tensor:
        hook = projection.register_forward_pre_hook(lambda _, inputs: (inputs[0] + constant,))
        output = attention(HIDDEN)
        hook.remove()
        return output

    assert attention.to_k is not None
    key_only, query_only = shifted(attention.to_k), shifted(attention.to_q)
    own, both = attention(HIDDEN), run(attention, HIDDEN, constant, None)
    torch.testing.assert_close(key_only, own, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(both, query_only, atol=1e-5, rtol=1e-5)
    assert (both - own).abs().max() > 1e-3


@torch.no_grad()
def test_uniform_attention_averages_the_shifted_values(attention: Attention):
    # Without queries every frame weighs the same: the output is W_o W_v mean(F + m^V), equal in all frames.
    assert attention.to_v is not None and attention.to_out is not None
    attention.to_q.weight.zero_()
    mean = (HIDDEN + torch.cat([VALUE, VALUE])).mean(1, keepdim=True)
    expected = attention.to_out[0](attention.to_v(mean)).expand(-1, FRAMES, -1)
    torch.testing.assert_close(run(attention, HIDDEN, QUERY_KEY, VALUE), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_clips_of_a_batch_do_not_mix(attention: Attention):
    batch = run(attention, HIDDEN, QUERY_KEY, VALUE)
    for clip in (slice(0, POSITIONS), slice(POSITIONS, None)):
        alone = run(attention, HIDDEN[clip], QUERY_KEY, VALUE)
        torch.testing.assert_close(batch[clip], alone, atol=1e-6, rtol=1e-6)


@torch.no_grad()
def test_a_value_embedding_acts_at_its_own_position(attention: Attention):
    value = torch.zeros_like(VALUE)
    value[4] = 1.0
    difference = run(attention, HIDDEN, QUERY_KEY, value) - run(attention, HIDDEN, QUERY_KEY, None)
    moved = difference.abs().amax((1, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [4, POSITIONS + 4]


@pytest.mark.parametrize("site", [OVER_TIME, replace(OVER_TIME, start=0)])
def test_a_half_precision_model_trains_float32_embeddings(attention: Attention, site: Site):
    embeddings = learnt(site, QUERY_KEY, VALUE)
    tokens = HIDDEN.to(torch.bfloat16)
    with inject(network(attention.to(torch.bfloat16)), embeddings):
        output = attention(tokens if site.start is None else tokens.reshape(2, ALL, CHANNELS))
    output.square().mean().backward()
    assert output.dtype == torch.bfloat16
    for parameter in embeddings.parameters():
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.any()


@torch.no_grad()
def test_autocast_gives_the_models_own_types(attention: Attention):
    with torch.autocast("cpu", torch.bfloat16):
        own = attention(HIDDEN)
        zero = run(attention, HIDDEN, torch.zeros_like(QUERY_KEY), torch.zeros_like(VALUE))
    assert zero.dtype == own.dtype == torch.bfloat16
    assert torch.equal(zero, own)


def test_gradients_are_those_of_the_formula(attention: Attention):
    """Against finite differences in float64."""
    attention.double()
    tokens = HIDDEN[:POSITIONS].double()
    embeddings = learnt(OVER_TIME, QUERY_KEY, VALUE).double()
    weights = randn(6, *tokens.shape).double()
    with inject(network(attention), embeddings):
        (attention(tokens) * weights).sum().backward()
        held = embeddings.query_key(OVER_TIME), embeddings.value(OVER_TIME, "attn")
        for parameter, index in zip(held, ((0, 1, 2), (3, 4, 5)), strict=True):
            assert parameter is not None
            ends: list[float] = []
            with torch.no_grad():
                for step in (1e-4, -2e-4):
                    parameter[index] += step
                    ends.append(float((attention(tokens) * weights).sum()))
                parameter[index] += 1e-4
            assert parameter.grad is not None
            assert float(parameter.grad[index]) == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-5)


def test_another_number_of_frames_is_refused(attention: Attention):
    # A single frame would broadcast to all frames in silence.
    with pytest.raises(InputError, match=r"5 frames, the latents have 1: model\.frames=5"):
        run(attention, torch.zeros(POSITIONS, 1, CHANNELS), QUERY_KEY, VALUE)


def test_positions_that_do_not_divide_are_refused(attention: Attention):
    hidden = torch.zeros(POSITIONS + 1, FRAMES, CHANNELS)
    with pytest.raises(InputError, match=r"6 positions, which do not divide the 7 .*model\.height"):
        run(attention, hidden, QUERY_KEY, VALUE)
    assert run(attention, hidden, QUERY_KEY, None).shape == hidden.shape


@pytest.mark.parametrize(("start", "length"), [(0, ALL - 1), (7, 7 + ALL - 1), (7, 7 + ALL + 1)])
def test_sequences_of_another_size_are_refused(attention: Attention, start: int, length: int):
    message = rf"5 frames of 2x3 tokens from token {start} on, the sequence has {length}: use the size of the training"
    with pytest.raises(InputError, match=message) as caught:
        run(attention, torch.zeros(1, length, CHANNELS), QUERY_KEY, None, replace(OVER_TIME, start=start))
    assert "\n" not in str(caught.value)


def test_fused_projections_are_refused(attention: Attention):
    attention.fuse_projections()
    with pytest.raises(InputError, match=r"block\.attn are fused.*load the model anew"):
        run(attention, HIDDEN, QUERY_KEY, VALUE)


def denoise(unet, height: int = 8, width: int = 12, frames: int = 4) -> Tensor:
    """One prediction for a batch of two clips, always the same."""
    draws = torch.Generator().manual_seed(5)
    latents = torch.randn(2, 4, frames, height, width, generator=draws)
    return unet(latents, 500, torch.randn(2, 3, 16, generator=draws)).sample


def projected(unet, embeddings: MotionEmbeddings) -> Tensor:
    """The same prediction by an independent route: W (F + m) as W F + W m, of tiled embeddings."""
    tensors = embeddings.tensors()

    def adding(shift: Tensor) -> Callable[..., Tensor]:
        return lambda module, inputs, output: output + shift @ module.weight.T

    with ExitStack() as stack:
        for site in embeddings.sites:
            for name in site.attentions:
                attention = unet.get_submodule(f"{site.name}.{name}")
                shared = tensors[f"{site.name}.query_key"].repeat(2 * site.positions, 1, 1)
                own = tensors[f"{site.name}.{name}.value"].repeat(2, 1, 1)
                for projection, shift in ((attention.to_q, shared), (attention.to_k, shared), (attention.to_v, own)):
                    stack.callback(projection.register_forward_hook(adding(shift)).remove)
        return denoise(unet)


@torch.no_grad()
def test_zero_embeddings_change_nothing(unet, sites):
    before = denoise(unet)
    with inject(unet, MotionEmbeddings.zeros(sites, query_key=True, value=True)):
        inside = denoise(unet)
    assert torch.equal(inside, before)


@torch.no_grad()
def test_every_embedding_reaches_its_own_projection(unet, sites, random_embeddings):
    # All different and on grids that are not square: exchanging any two, or rows and columns, would show.
    embeddings = random_embeddings(sites)
    expected = projected(unet, embeddings)
    with inject(unet, embeddings):
        actual = denoise(unet)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    assert (actual - denoise(unet)).abs().max() > 1e-2


@torch.no_grad()
def test_exchanging_two_attentions_is_noticed(unet, embeddings, deep):
    first, second = (f"{deep[0].name}.{name}.value" for name in ("attn1", "attn2"))
    tensors = embeddings.tensors()
    swapped = MotionEmbeddings(deep, {**tensors, first: tensors[second], second: tensors[first]})
    with inject(unet, embeddings):
        right = denoise(unet)
    with inject(unet, swapped):
        wrong = denoise(unet)
    assert (right - wrong).abs().max() > 1e-4


def test_only_embeddings_get_gradients(unet, sites):
    embeddings = MotionEmbeddings.zeros(sites, query_key=True, value=True)
    keys = list(unet.state_dict())
    with inject(unet, embeddings):
        assert list(unet.state_dict()) == keys
        denoise(unet).square().mean().backward()
    assert all(parameter.grad is None for parameter in unet.parameters())
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in embeddings.parameters())


def test_a_step_down_the_gradient_lowers_the_loss(unet, deep):
    embeddings = MotionEmbeddings.zeros(deep, query_key=True, value=True)
    with inject(unet, embeddings):
        before = denoise(unet).square().mean()
        before.backward()
        with torch.no_grad():
            for parameter in embeddings.parameters():
                assert parameter.grad is not None
                parameter -= 10 * parameter.grad
            assert denoise(unet).square().mean() < before


@torch.no_grad()
def test_an_exception_takes_the_embeddings_out(unet, embeddings):
    before, processors = denoise(unet), dict(unet.attn_processors)
    with pytest.raises(RuntimeError), inject(unet, embeddings):
        assert any(module._forward_pre_hooks for module in unet.modules())
        assert unet.attn_processors == processors
        raise RuntimeError
    assert not any(module._forward_pre_hooks for module in unet.modules())
    assert torch.equal(denoise(unet), before)


@torch.no_grad()
def test_nested_contexts_add_up(unet, sites, random_embeddings):
    outer = random_embeddings(sites[:2])
    inner = MotionEmbeddings(sites[1:3], random_embeddings(sites[1:3]).scaled(0.5, 0.25).tensors())
    total = outer.tensors()
    for name, tensor in inner.tensors().items():
        total[name] = total[name] + tensor if name in total else tensor
    with inject(unet, MotionEmbeddings(sites[:3], total)):
        both = denoise(unet)
    with inject(unet, outer):
        expected = denoise(unet)
        with inject(unet, inner):
            torch.testing.assert_close(denoise(unet), both, atol=1e-5, rtol=1e-5)
        assert torch.equal(denoise(unet), expected)
    assert (both - expected).abs().max() > 1e-3


@torch.no_grad()
def test_a_wrong_grid_of_the_right_size_is_refused(unet, embeddings):
    # 12x8 latents have as many positions as 8x12, so nothing but the grid tells.
    with (
        inject(unet, embeddings),
        pytest.raises(InputError, match=r"grid of 2x3, the latents give 3x2.*model\.height"),
    ):
        denoise(unet, height=12, width=8)


@torch.no_grad()
def test_query_key_embeddings_fit_any_grid(unet, deep, random_embeddings):
    with inject(unet, random_embeddings(deep, value=False)):
        moved = denoise(unet, height=8, width=8)
    assert (moved - denoise(unet, height=8, width=8)).abs().max() > 1e-3


@torch.no_grad()
def test_another_number_of_frames_is_refused_by_a_unet(unet, embeddings):
    with (
        inject(unet, embeddings),
        pytest.raises(InputError, match=r"4 frames, the latents have 3: model\.frames=4"),
    ):
        denoise(unet, frames=3)


def test_a_unet_without_the_sites_is_refused_and_left_alone(unet, embeddings, sites_of):
    other = type(unet)(
        block_out_channels=(8, 16), down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"), attention_head_dim=8, norm_num_groups=8,
        cross_attention_dim=16, layers_per_block=1,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"down_blocks\.2\S+ of 32 channels, which this model lacks: model="):
        inject(other, embeddings).__enter__()
    narrow = MotionEmbeddings.zeros(sites_of(other, 4, 8, 8), query_key=True, value=True)
    with pytest.raises(InputError, match=r"of 8 channels, which this model lacks"):
        inject(unet, narrow).__enter__()
    assert not any(module._forward_pre_hooks for each in (other, unet) for module in each.modules())

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from motion_inversion.core.error import InputError
from motion_inversion.embedding.processor import MotionAttnProcessor
from motion_inversion.embedding.site import Site

POSITIONS, FRAMES, CHANNELS = 6, 5, 16
SITE = Site("down_blocks.0.temp_attentions.0.transformer_blocks.0", "down", 0, CHANNELS, (2, 3), FRAMES, ("attn1",))


@pytest.fixture
def attention() -> Attention:
    """The attention as a temporal transformer block makes it, two heads of 8 channels."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Attention(query_dim=CHANNELS, heads=2, dim_head=8).eval().requires_grad_(False)


@pytest.fixture
def hidden() -> torch.Tensor:
    return torch.randn(2 * POSITIONS, FRAMES, CHANNELS, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def query_key() -> torch.Tensor:
    return torch.randn(1, FRAMES, CHANNELS, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def value() -> torch.Tensor:
    return torch.randn(POSITIONS, FRAMES, CHANNELS, generator=torch.Generator().manual_seed(4))


def run(attention: Attention, hidden: torch.Tensor, *embeddings: torch.Tensor | None) -> torch.Tensor:
    return MotionAttnProcessor(SITE, *embeddings)(attention, hidden)


def test_zero_embeddings_are_the_stock_attention(attention, hidden, query_key, value):
    stock = AttnProcessor2_0()(attention, hidden)
    assert torch.equal(run(attention, hidden, torch.zeros_like(query_key), torch.zeros_like(value)), stock)
    assert torch.equal(run(attention, hidden, None, None), stock)


def test_equation_1(attention, hidden, query_key, value):
    # Written out position by position and head by head, in float64, with explicit weights.
    weights = {name: getattr(attention, name).weight.double() for name in ("to_q", "to_k", "to_v")}
    projection = attention.to_out[0]
    output = run(attention, hidden, query_key, value)
    for sequence in range(2 * POSITIONS):
        n = hidden[sequence].double()
        q = (n + query_key[0]) @ weights["to_q"].T
        k = (n + query_key[0]) @ weights["to_k"].T
        v = (n + value[sequence % POSITIONS]) @ weights["to_v"].T
        heads = []
        for part in (slice(0, 8), slice(8, 16)):
            scores = (q[:, part] @ k[:, part].T / 8**0.5).exp()
            heads.append(scores / scores.sum(1, keepdim=True) @ v[:, part])
        expected = torch.cat(heads, 1) @ projection.weight.double().T + projection.bias
        torch.testing.assert_close(output[sequence].double(), expected, atol=1e-5, rtol=1e-5)


def test_a_constant_over_time_enters_through_the_query_only(attention, hidden):
    # softmax ignores what all keys of a query share, so a shift of every key by the same vector does nothing
    # and m^QK constant over frames acts as if added to the query alone.
    constant = torch.full((1, FRAMES, CHANNELS), 0.7)
    hook = attention.to_k.register_forward_pre_hook(lambda _, inputs: (inputs[0] + constant,))
    key_only = AttnProcessor2_0()(attention, hidden)
    hook.remove()
    hook = attention.to_q.register_forward_pre_hook(lambda _, inputs: (inputs[0] + constant,))
    query_only = AttnProcessor2_0()(attention, hidden)
    hook.remove()
    stock = AttnProcessor2_0()(attention, hidden)
    both = run(attention, hidden, constant, None)
    torch.testing.assert_close(key_only, stock, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(both, query_only, atol=1e-5, rtol=1e-5)
    assert (both - stock).abs().max() > 1e-3


def test_uniform_attention_averages_the_shifted_values(attention, hidden, query_key, value):
    # Without queries every frame weighs the same: the output is W_o W_v mean(n + m^V), equal in all frames.
    attention.to_q.weight.zero_()
    mean = (hidden + torch.cat([value, value])).mean(1, keepdim=True)
    expected = attention.to_out[0](attention.to_v(mean)).expand(-1, FRAMES, -1)
    torch.testing.assert_close(run(attention, hidden, query_key, value), expected, atol=1e-5, rtol=1e-5)


def test_clips_of_a_batch_do_not_mix(attention, hidden, query_key, value):
    batch = run(attention, hidden, query_key, value)
    for clip in (slice(0, POSITIONS), slice(POSITIONS, None)):
        alone = run(attention, hidden[clip], query_key, value)
        torch.testing.assert_close(batch[clip], alone, atol=1e-6, rtol=1e-6)


def test_a_value_embedding_acts_at_its_own_position(attention, hidden, query_key):
    value = torch.zeros(POSITIONS, FRAMES, CHANNELS)
    value[4] = 1.0
    difference = run(attention, hidden, query_key, value) - run(attention, hidden, query_key, None)
    moved = difference.abs().amax((1, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [4, POSITIONS + 4]


def test_dropout_of_the_output_is_kept(attention, hidden, query_key, value):
    attention.to_out[1] = torch.nn.Dropout(1.0).eval()
    assert run(attention, hidden, query_key, value).any()
    attention.train()
    assert not run(attention, hidden, query_key, value).any()


def test_a_half_precision_model_trains_float32_embeddings(attention, hidden, query_key, value):
    query_key.requires_grad_()
    value.requires_grad_()
    output = run(attention.to(torch.bfloat16), hidden.to(torch.bfloat16), query_key, value)
    output.square().mean().backward()
    assert output.dtype == torch.bfloat16
    for embedding in (query_key, value):
        assert embedding.grad is not None
        assert embedding.grad.dtype == torch.float32
        assert embedding.grad.any()


def test_autocast_gives_the_stock_types(attention, hidden, query_key, value):
    with torch.autocast("cpu", torch.bfloat16):
        stock = AttnProcessor2_0()(attention, hidden)
        zero = run(attention, hidden, torch.zeros_like(query_key), torch.zeros_like(value))
    assert zero.dtype == stock.dtype == torch.bfloat16
    assert torch.equal(zero, stock)


def test_another_number_of_frames_is_refused(attention, query_key, value):
    # A single frame would broadcast to all frames in silence.
    with pytest.raises(InputError, match=r"5 frames, the latents have 1: model\.frames=5"):
        run(attention, torch.zeros(POSITIONS, 1, CHANNELS), query_key, value)


def test_positions_that_do_not_divide_are_refused(attention, query_key, value):
    hidden = torch.zeros(POSITIONS + 1, FRAMES, CHANNELS)
    with pytest.raises(InputError, match=r"6 positions, which do not divide the 7 .*model\.height"):
        run(attention, hidden, query_key, value)
    assert run(attention, hidden, query_key, None).shape == hidden.shape

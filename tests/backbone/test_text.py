"""What becomes of padding, in the encoder and for the network."""

from collections.abc import Callable

import pytest
import torch
from transformers import T5Config, T5EncoderModel

from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.text import Padding, encode_text, text_length
from motion_inversion.core.condition import PROMPT_EMBEDS, PROMPT_MASK, Condition
from motion_inversion.error import InputError

PROMPT = "a red star"  # five tokens with start and end

Encode = Callable[..., Condition]


@pytest.fixture(scope="module")
def encode(model: Backbone) -> Encode:
    def encode(padding: Padding, length: int | None = None, prompts: tuple[str, ...] = (PROMPT,)) -> Condition:
        return encode_text(model.part("tokenizer"), model.part("text_encoder"), prompts, "tiny", length, padding)

    return encode


def test_padding_that_is_seen_has_no_mask(encode: Encode) -> None:
    told = encode("seen")
    assert told.tensors.keys() == {PROMPT_EMBEDS}
    assert told[PROMPT_EMBEDS].shape == (1, 32, 16) and told[PROMPT_EMBEDS][:, 5:].any()


@pytest.mark.parametrize("padding", ["masked", "masked after"])
def test_a_mask_tells_words_from_padding(encode: Encode, padding: Padding) -> None:
    told = encode(padding, prompts=(PROMPT, ""))
    assert told[PROMPT_MASK].sum(1).tolist() == [5, 2]
    assert told[PROMPT_MASK][:, :2].all()


def test_padding_may_be_zero_to_the_network(encode: Encode) -> None:
    told = encode("zero")
    assert told.tensors.keys() == {PROMPT_EMBEDS}
    assert told[PROMPT_EMBEDS][:, :5].any(-1).all() and not told[PROMPT_EMBEDS][:, 5:].any()
    torch.testing.assert_close(told[PROMPT_EMBEDS][:, :5], encode("masked")[PROMPT_EMBEDS][:, :5])


@pytest.mark.parametrize(
    ("padding", "alike"), [("masked", True), ("zero", True), ("seen", False), ("masked after", False)]
)
def test_words_see_padding_unless_it_is_masked_in_the_encoder(model: Backbone, padding: Padding, alike: bool) -> None:
    """In T5, whose attention goes both ways: what is not seen may be of any length."""
    tokenizer = model.part("tokenizer")
    config = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    encoder = T5EncoderModel(config).eval()
    long, short = (
        encode_text(tokenizer, encoder, [PROMPT], "tiny", length, padding)[PROMPT_EMBEDS] for length in (30, 8)
    )
    assert (long.shape, short.shape) == ((1, 30, 16), (1, 8, 16))
    assert torch.allclose(short[:, :5], long[:, :5], atol=1e-5) == alike


def test_the_length_is_the_models_as_far_as_the_tokenizer_goes(model: Backbone, encode: Encode) -> None:
    tokenizer = model.part("tokenizer")
    assert [text_length(tokenizer, length) for length in (None, 8, 226)] == [32, 8, 32]
    with pytest.raises(InputError, match=r"has 5 tokens, the text encoder of tiny takes 4: shorten it"):
        encode("seen", length=4)

"""From prompts to the hidden states of a text encoder, padded as each kind of model wants them."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from motion_inversion.core.condition import PROMPT_EMBEDS, PROMPT_MASK, Condition
from motion_inversion.error import InputError

Padding = Literal["seen", "masked", "masked after", "zero"]
"""How padding is treated: words to encoder and network alike; masked to both; to the network alone; or masked in the
encoder, and zero to the network."""


def tokenize(
    tokenizer: Any, prompts: Sequence[str], length: int, name: str, template: str = "{}", extra: int = 0
) -> tuple[Tensor, Tensor]:
    """Token ids and their mask (b, length + extra), padded; prompts are put into `template`, of whose tokens `extra`
    come on top.

    Raises:
        InputError: for a prompt that doesn't fit, where tokenizers would cut it; `name` is the model's.
    """
    worded = [template.format(prompt) for prompt in prompts]
    for prompt, text in zip(prompts, worded, strict=True):
        count = len(tokenizer(text, verbose=False).input_ids) - extra  # it would warn of what is an error here
        if count > length:
            raise InputError(
                f"the prompt '{prompt[:60]}…' has {count} tokens, the text encoder of {name} "
                f"takes {length}: shorten it where it is set, among the dataset's prompts or in prompt_prefix, "
                "negative_prompt or inversion.prompt"
            )
    found = tokenizer(worded, padding="max_length", max_length=length + extra, return_tensors="pt")
    return found.input_ids, found.attention_mask


def text_length(tokenizer: Any, length: int | None = None) -> int:
    """How many tokens a text encoder is given: what the model was trained with, as far as the tokenizer goes."""
    return min(int(limit) for limit in (length, tokenizer.model_max_length) if limit is not None)


@torch.no_grad()
def encode_text(
    tokenizer: Any,
    encoder: Any,
    prompts: Sequence[str],
    name: str,
    length: int | None = None,
    padding: Padding = "seen",
) -> Condition:
    """The last hidden states (b, l, d) in float32, with their mask where padding is masked to the network.

    length: l, as the model was trained; by default what the tokenizer and the encoder's positions allow (CLIP's 77).

    Raises:
        InputError: for a prompt that is longer.
    """
    positions = getattr(encoder.config, "max_position_embeddings", None)  # T5's are relative, without an end
    most = min(text_length(tokenizer, length), positions or text_length(tokenizer, length))
    ids, mask = (each.to(encoder.device) for each in tokenize(tokenizer, prompts, most, name))
    attended = {} if padding in ("seen", "masked after") else {"attention_mask": mask}
    embeds = encoder(ids, **attended).last_hidden_state.float()
    match padding:
        case "seen":
            return Condition({PROMPT_EMBEDS: embeds})
        case "zero":
            return Condition({PROMPT_EMBEDS: embeds * mask[..., None]})
        case _:
            return Condition({PROMPT_EMBEDS: embeds, PROMPT_MASK: mask})

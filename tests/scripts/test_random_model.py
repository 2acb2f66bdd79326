"""The random model's sizes, against those of the published ones."""

from pathlib import Path

import pytest
import torch
from diffusers import UNet3DConditionModel
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTokenizer

from random_model import ZEROSCOPE, build_autoencoder, build_text_encoder, write


class _Words:
    """CLIP's vocabulary as far as a text encoder asks."""

    bos_token_id, eos_token_id, pad_token_id = 49406, 49407, 49407

    def __len__(self) -> int:
        return 49408


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_full_model_has_the_sizes_of_the_published_one():
    # Stable Diffusion 2's text encoder and Stable Diffusion's autoencoder, whose sizes are widely quoted, and
    # the 1.7 billion parameters in all that name ModelScope's model, from which ZeroScope was tuned.
    with torch.device("meta"):
        text = size(build_text_encoder(_Words(), ZEROSCOPE))  # pyright: ignore[reportArgumentType]
        autoencoder = size(build_autoencoder(ZEROSCOPE))
        unet = size(UNet3DConditionModel(**ZEROSCOPE.unet))
    assert text == 340_387_840
    assert autoencoder == 83_653_863
    assert (text + unet) / 1e9 == pytest.approx(1.7, abs=0.06)


def test_weights_are_written_in_the_precision_asked_for_and_drawn_alike(tmp_path: Path):
    write(tmp_path / "one", tiny=True, dtype=torch.float16)
    write(tmp_path / "other", tiny=True, dtype=torch.float16)
    paths = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.safetensors"))
    assert [path.parent.name for path in paths] == ["text_encoder", "unet", "vae"]
    for path in paths:
        one, other = load_file(tmp_path / "one" / path), load_file(tmp_path / "other" / path)
        assert {tensor.dtype for tensor in one.values() if tensor.is_floating_point()} == {torch.float16}
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.get_default_dtype() == torch.float32


def test_words_of_the_shapes_world_are_single_tokens(tiny_model: Path):
    tokenizer = CLIPTokenizer.from_pretrained(tiny_model, subfolder="tokenizer")
    assert len(tokenizer("a red star moving around").input_ids) == 5 + 2
    assert tokenizer.model_max_length == 32

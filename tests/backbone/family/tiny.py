"""Tiny random parts of model folders in the layouts of diffusers and transformers."""

import json
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

from pretraining.vocabulary import merges_for, write_clip_tokenizer

WIDTH = 16  # of text
MARKS = ("bos_token_id", "eos_token_id", "pad_token_id")


def write_parts(folder: Path, pipeline: str, parts: dict[str, Any], **settings: object) -> None:
    """Saves parts by name, and the index that names their classes; weights are drawn from one seed."""
    index: dict[str, object] = {"_class_name": pipeline, **settings}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        library = "transformers" if type(part).__module__.startswith("transformers") else "diffusers"
        index[name] = [library, type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))


def seeded(*kinds: tuple[Any, dict[str, Any]]) -> Iterable[Any]:
    """Networks of classes and arguments, with weights from one seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for kind, arguments in kinds:
            yield kind(**arguments)


def t5_tokenizer(length: int = 512) -> T5Tokenizer:
    """Letters, one token each."""
    marks = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    letters = [(letter, -3.0) for letter in string.ascii_letters + string.digits + string.punctuation]
    return T5Tokenizer(vocab=[*marks, *letters], extra_ids=0, model_max_length=length)


def t5(kind: Any = T5EncoderModel, config: Any = T5Config) -> Any:
    """A T5 encoder of one layer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(config(vocab_size=128, d_model=WIDTH, d_kv=8, d_ff=16, num_layers=1, num_heads=2))


def clip_tokenizer(folder: Path) -> CLIPTokenizer:
    """Words of a few colours, letters else."""
    write_clip_tokenizer(folder, merges_for(("a", "red", "star", "on")))
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def clip(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A CLIP text encoder of one layer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        marks: dict[str, Any] = {name: getattr(tokenizer, name) for name in MARKS}
        config = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=tokenizer.model_max_length,
            **marks,
        )
        return CLIPTextModel(config)

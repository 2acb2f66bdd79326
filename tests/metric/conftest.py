"""Small stand-ins for what metrics measure with: a CLIP folder with random weights."""

import gzip
import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

# "red" and "disc" become one token each; every other letter stays a token of its own.
MERGES = ["r e", "re d</w>", "d i", "s c</w>", "di sc</w>"]
VOCABULARY = 512 + len(MERGES) + 2
MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": VOCABULARY, "width": 32, "heads": 2, "layers": 1},
}
PREPROCESS = {
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.3, 0.25],
    "size": [32, 32],
    "interpolation": "bilinear",
    "resize_mode": "shortest",
}


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    """A folder in open_clip's layout, with a model of one layer and a vocabulary of 519 tokens."""
    folder = tmp_path / "clip"
    folder.mkdir()
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with gzip.open(folder / "bpe_simple_vocab.txt.gz", "wt") as file:
        file.write("\n".join(["#version: 0.2", *MERGES]))
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}")
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder

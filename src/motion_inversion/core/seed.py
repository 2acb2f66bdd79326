"""Random generators that depend on what is drawn, not on when: (seed, words) → generator."""

import hashlib
from typing import TypeAlias

import torch

Word: TypeAlias = str | int | float
"""What a draw is for, or its number."""


def generator(seed: int, *words: Word) -> torch.Generator:
    """A CPU generator seeded by `seed` and `words`.

    Equal arguments give equal draws in any process, on any number of devices and in any order of calls:
    a training step draws from `(seed, "step", k)`, a sample from `(seed, clip, prompt)`. Draws are made on the
    CPU and moved, so that they do not depend on the device either.
    """
    text = "\x1f".join(str(word) for word in (seed, *words))
    digest = hashlib.sha256(text.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)

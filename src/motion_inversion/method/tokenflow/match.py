"""Which token of another frame is the most like each token of a frame."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

_AT_ONCE = 2**24  # similarities: 64 MB


def nearest(tokens: Float[Tensor, "n c"], among: Float[Tensor, "m c"], at_once: int = _AT_ONCE) -> Int[Tensor, " n"]:
    """The index of each token's nearest neighbour by cosine similarity (TokenFlow, arXiv 2307.10373, section 4.2).

    All n × m similarities of a frame in full size take gigabytes: no more than `at_once` are in memory, or one row.
    """
    directions = F.normalize(among.float(), dim=-1)  # a token's own length changes nothing in what is nearest to it
    chunks = tokens.split(max(1, at_once // len(among)))
    return torch.cat([(chunk.float() @ directions.T).argmax(dim=-1) for chunk in chunks])

"""One CLIP model in memory, and one pass over a clip, for all metrics that ask for the same."""

from weakref import WeakValueDictionary

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_inversion.metric.encoder import ClipEncoder, ClipSource
from motion_inversion.metric.recent import Recent

# Clips whose features are kept, some 32 kB each: metrics take turns at a sample, samples at a reference.
_KEPT = 8


class SharedClip:
    """An encoder that remembers the features of the clips that it saw last."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self._encoder = encoder
        self._recent: Recent[Float[Tensor, "f d"]] = Recent(_KEPT)

    def embed_image(self, video: UInt8[np.ndarray, "f h w 3"]) -> Float[Tensor, "f d"]:
        """One L2-normalised vector per frame, on the CPU."""
        return self._recent.of(video, self._encoder.embed_image)

    def embed_text(self, texts: list[str]) -> Float[Tensor, "n d"]:
        """One L2-normalised vector per text, on the CPU; errors as the encoder's."""
        return self._encoder.embed_text(texts)


# Weak, so that a model leaves memory with the last metric that uses it.
_IN_USE: WeakValueDictionary[tuple[ClipSource, str], SharedClip] = WeakValueDictionary()


def shared(source: ClipSource, device: torch.device | str) -> SharedClip:
    """The encoder of this source on this device: one object as long as anybody holds it.

    Raises:
        InputError: as the source's `load`.
    """
    key = (source, str(device))
    clip = _IN_USE.get(key)
    if clip is None:
        clip = _IN_USE[key] = SharedClip(source.load(device))
    return clip

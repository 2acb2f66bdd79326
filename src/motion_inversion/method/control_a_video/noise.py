"""Control-A-Video's initial noise: where the reference doesn't change, a frame has the noise of the one before."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from motion_inversion.backbone.autoencoder import Pixels
from motion_inversion.core.shape import Latents

Change = Float[Tensor, "g h w"]
"""Of each frame after the first, how much it differs from the one before at every latent position, in [0, 1]."""


def change(video: Pixels, rows: int, columns: int) -> Change:
    """r_f = |I_{f+1} − I_f| / max over the clip, bilinear at so many rows and columns, the mean of the channels.

    Zero everywhere in a clip that stands still.
    """
    frames = torch.from_numpy(np.array(video)).permute(0, 3, 1, 2).float() / 255
    difference = frames.diff(dim=0).abs()
    largest = difference.max()
    relative = difference / largest if largest > 0 else difference
    return interpolate(relative, (rows, columns), mode="bilinear").mean(1)


def residual_noise(noise: Latents, changed: Bool[Tensor, "g h w"]) -> Latents:
    """z_f ← z_{f−1} + M_{f−1} (z_f − z_{f−1}), frame by frame, M being 1 where the reference changed."""
    frames = [noise[:, :, 0]]
    for fresh, mask in zip(noise[:, :, 1:].unbind(2), changed, strict=True):
        frames.append(torch.where(mask, fresh, frames[-1]))
    return torch.stack(frames, 2)

"""Frames to latents and back, by an autoencoder of pictures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from motion_inversion.backbone.model import Backbone, Model


def randn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def video(frames: int = 4, height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def test_a_clip_has_latents_of_an_eighth_of_its_size(config: Model):
    wide = replace(config, width=96).load()
    latents = wide.encode(video(width=96))
    assert latents.shape == wide.latent_shape == (1, 4, 4, 8, 12)
    assert latents.dtype == torch.float32
    decoded = wide.decode(latents)
    assert decoded.shape == (4, 64, 96, 3)
    assert decoded.dtype == np.uint8


@torch.no_grad()
def test_latents_are_the_scaled_mean_frame_by_frame(model: Backbone):
    frames = video()
    latents = model.encode(frames)
    vae = model.part("vae")
    pixels = torch.from_numpy(frames[2]).permute(2, 0, 1)[None].float() / 255 * 2 - 1
    expected = vae.encode(pixels).latent_dist.mean * 0.18215
    torch.testing.assert_close(latents[:, :, 2], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_decoding_rounds_to_the_nearest_of_256_levels(model: Backbone):
    latents = randn(0, 1, 4, 4, 8, 8)
    frames = model.decode(latents)
    output = model.part("vae").decode(latents[:, :, 1] / 0.18215).sample[0].permute(1, 2, 0)
    expected = ((output.clamp(-1, 1) + 1) / 2 * 255).numpy()
    assert np.abs(frames[1] - expected).max() <= 0.501
    assert not np.array_equal(frames[0], frames[1])


@pytest.mark.parametrize("chunk", [1, 3])
def test_the_chunk_makes_no_difference(config: Model, model: Backbone, chunk: int):
    chunked, latents = replace(config, chunk=chunk).load(), randn(0, 1, 4, 4, 8, 8)
    torch.testing.assert_close(chunked.encode(video()), model.encode(video()), atol=1e-5, rtol=1e-4)
    difference = chunked.decode(latents).astype(int) - model.decode(latents)
    assert np.abs(difference).max() <= 1


def test_latents_that_are_not_finite_are_noticed(model: Backbone):
    latents = randn(0, 1, 4, 4, 8, 8)
    latents[0, 0, 0, 0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match=r"model\.dtype=float32"):
        model.decode(latents)

"""The model protocol on a random model: encode, decode, embed text, denoise, guide."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from motion_inversion.backbone.model import Backbone, Model
from motion_inversion.backbone.temporal_convolution import TemporalConvolution
from motion_inversion.core.error import InputError


def randn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def video(frames: int = 4, height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 60}, r"model\.width=60: accepted are multiples of 8; set model\.width=64"),
        ({"height": 0}, r"model\.height=0: accepted are multiples of 8; set model\.height=8"),
        ({"width": 96, "multiple": 64}, r"multiples of 64; set model\.width=128"),
        ({"frames": 1}, r"model\.frames=1: motion takes at least 2 frames"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(config: Model, changes: dict[str, int], message: str):
    with pytest.raises(InputError, match=message):
        replace(config, **changes)  # pyright: ignore[reportArgumentType]


def test_building_reads_nothing(config: Model, tmp_path: Path):
    missing = replace(config, path=str(tmp_path / "missing"))
    with pytest.raises(InputError, match="is no folder"):
        missing.load()


def test_an_unknown_device_is_refused(config: Model):
    with pytest.raises(InputError, match=r"model\.device=quantum .*set model\.device=auto"):
        replace(config, device="quantum").load()


def test_a_moved_folder_is_the_same_model_and_other_weights_are_another(config: Model, tmp_path: Path):
    moved = Path(shutil.copytree(config.folder.path, tmp_path / "moved"))
    assert replace(config, path=str(moved)).fingerprint == config.fingerprint
    [weights] = (moved / "unet").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert replace(config, path=str(moved)).fingerprint != config.fingerprint


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


def test_prompts_have_states_of_their_own_whatever_they_come_with(model: Backbone):
    prompts = ["a red star", "a blue circle moving around"]
    states = model.embed(prompts)
    assert states.shape == (2, 32, 16)
    assert states.dtype == torch.float32
    torch.testing.assert_close(model.embed(prompts[1:]), states[1:], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(states[0], states[1])


def test_a_prompt_that_is_too_long_is_refused(model: Backbone):
    assert model.embed(["red " * 30]).shape == (1, 32, 16)  # with start and end, just what fits
    with pytest.raises(InputError, match=r"has 33 tokens, the text encoder of tiny takes 32: shorten it"):
        model.embed(["a red star", "red " * 31])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@torch.no_grad()
def test_predictions_are_single_precision(config: Model, dtype: str):
    half = replace(config, dtype=dtype).load()  # pyright: ignore[reportArgumentType]
    prediction = half.denoise(randn(0, 2, 4, 4, 8, 8), torch.tensor([3, 700]), randn(1, 2, 32, 16))
    assert prediction.shape == (2, 4, 4, 8, 8)
    assert prediction.dtype == torch.float32


def test_guidance_extrapolates_from_the_negative_prompt(config: Model, monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []

    def denoise(self: Backbone, latents: Tensor, t: int, states: Tensor) -> Tensor:
        calls.append(len(latents))
        return latents * 0 + states.mean(dim=(1, 2)).view(-1, 1, 1, 1, 1)

    monkeypatch.setattr(Backbone, "denoise", denoise)
    latents = randn(0, 2, 4, 4, 8, 8)
    states = torch.tensor([2.0, 5.0]).view(2, 1, 1).expand(2, 3, 16)
    negative = torch.ones(2, 3, 16)
    guided = replace(config, guidance=3.0).load().guided(latents, 9, states, negative)
    # 1 + 3 (2 − 1) = 4 and 1 + 3 (5 − 1) = 13
    assert guided[:, 0, 0, 0, 0].tolist() == [4, 13]
    plain = replace(config, guidance=1.0).load().guided(latents, 9, states, negative)
    assert plain[:, 0, 0, 0, 0].tolist() == [2, 5]
    assert calls == [4, 2]


def test_parts_are_read_once_and_again_after_their_release(config: Model):
    model = config.load()
    vae, unet = model.part("vae"), model.network
    assert model.part("vae") is vae
    model.release("vae", "text_encoder")
    assert model.part("vae") is not vae
    assert model.network is unet


def test_temporal_convolutions_are_the_fast_ones(model: Backbone):
    layers = [layer for layer in model.network.modules() if isinstance(layer, torch.nn.Conv3d)]
    assert layers and all(isinstance(layer, TemporalConvolution) for layer in layers)

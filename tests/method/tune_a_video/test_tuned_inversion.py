"""One inversion of a clip exchanged for another."""

import pytest
import torch
from trial import randn

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition
from motion_inversion.core.noise import Blend, Fft, Inversion, Lowpass, LowpassBlend, Noise, Random
from motion_inversion.core.process import AlphaBar, Stop
from motion_inversion.core.sampler import OdeInversion
from motion_inversion.core.shape import Latents
from motion_inversion.method.method import Reference
from motion_inversion.method.tune_a_video.inversion import exchanged, inverted


@pytest.mark.parametrize("mix", [Random(), Inversion(), Blend(0.3), Lowpass(2), LowpassBlend(2, 0.3), Fft()])
def test_noise_is_as_if_mixed_of_the_other_inversion(mix: Noise):
    one, other, random = (randn(seed, 2, 4, 3, 8, 8) for seed in (1, 2, 3))
    torch.testing.assert_close(exchanged(mix(one, random), other - one, mix), mix(other, random))


@pytest.mark.parametrize("prompt", ["", None, "a red star"])
def test_the_network_is_told_the_inversions_prompt_or_the_clips_own(
    image_model: Backbone, reference: Reference, monkeypatch: pytest.MonkeyPatch, prompt: str | None
):
    told: list[torch.Tensor] = []

    def predict(self: Backbone, latents: Latents, t: Stop, condition: Condition) -> Latents:
        told.append(condition[PROMPT_EMBEDS])
        return torch.zeros_like(latents)

    monkeypatch.setattr(Backbone, "predict", predict)
    latents = inverted(image_model, reference, OdeInversion(2, prompt))
    expected = reference.condition if prompt is None else image_model.embed([prompt])
    assert len(told) == 2 and all(torch.equal(text, expected[PROMPT_EMBEDS]) for text in told)
    # Of no noise at all, the latents only shrink: x_t = √ᾱ_t x_0, up to where ᾱ begins.
    path = image_model.process.path
    assert isinstance(path, AlphaBar)
    scale = (path.alphas_cumprod[501] / path.final_alpha_cumprod).sqrt()
    torch.testing.assert_close(latents, scale * reference.latents)

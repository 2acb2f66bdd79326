"""What a sample starts from: noise that depends on nothing but the sample, and the prepared text states."""

from dataclasses import replace

import pytest
import torch

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import PROMPT_EMBEDS, PROMPT_MASK
from motion_inversion.core.noise import Inversion, Random
from motion_inversion.core.sampler import OdeInversion
from motion_inversion.data.clip import Clip
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.method.frozen import Frozen
from motion_inversion.stage.address import Address
from motion_inversion.stage.content import write_tensors
from motion_inversion.stage.request import initial_noise, sampling_request

INVERTED = torch.arange(4 * 4 * 8 * 8.0).reshape(1, 4, 4, 8, 8)


@pytest.fixture(scope="module")
def model(experiment: Experiment) -> Backbone:
    return experiment.model.load()


@pytest.fixture
def prepared(address: Address, clip: Clip) -> Address:
    """An address where the inversion and some prompts are prepared: the k-th prompt's tensors are full of ks."""
    with address.inverted(clip).making("tensors.safetensors") as folder:
        assert folder
        write_tensors(folder, inverted=INVERTED)
    for number, prompt in enumerate(["", *clip.prompts]):
        with address.text(prompt).making("tensors.safetensors") as folder:
            assert folder
            embeds, mask = torch.full((1, 3, 2), float(number)), torch.full((1, 3), number)
            write_tensors(folder, **{PROMPT_EMBEDS: embeds, PROMPT_MASK: mask})
    return address


def test_noise_depends_on_the_sample_alone(prepared: Address, model: Backbone, clip: Clip):
    first, second = clip.prompts
    pairs = [(first, 0), (first, 1), (second, 0)]
    together = initial_noise(prepared, model, clip, pairs)
    assert together.shape == (3, 4, 4, 8, 8)
    for pair, noise in zip(pairs, together.split(1), strict=True):
        assert torch.equal(initial_noise(prepared, model, clip, [pair]), noise)
    assert torch.equal(initial_noise(prepared, model, clip, pairs[::-1]), together.flip(0))
    assert len({noise.sum().item() for noise in together}) == 3
    renamed = replace(clip, name="other")
    random = replace(prepared, noise=Random())
    assert not torch.equal(initial_noise(random, model, renamed, pairs), initial_noise(random, model, clip, pairs))


def test_every_method_starts_from_the_same_noise(prepared: Address, model: Backbone, clip: Clip):
    frozen = replace(prepared, method=Frozen(), trainer=None, seed=5)
    pairs = [(clip.prompts[0], 0)]
    assert torch.equal(initial_noise(frozen, model, clip, pairs), initial_noise(prepared, model, clip, pairs))


def test_the_inversion_is_mixed_in_for_every_sample(prepared: Address, model: Backbone, clip: Clip):
    pairs = [(prompt, 0) for prompt in clip.prompts]
    inverted = initial_noise(replace(prepared, noise=Inversion()), model, clip, pairs)
    assert torch.equal(inverted, INVERTED.expand(2, -1, -1, -1, -1))
    # The default blend has half of either's variance.
    random = initial_noise(replace(prepared, noise=Random()), model, clip, pairs)
    blended = initial_noise(prepared, model, clip, pairs)
    torch.testing.assert_close(blended, 0.5**0.5 * (INVERTED + random))


def test_an_inversion_in_other_steps_is_brought_to_the_samplers_level(prepared: Address, model: Backbone, clip: Clip):
    """Two steps begin at 501; five end at 801. Clean latents of 0 leave the noise alone, as √(1 − ᾱ) of it."""
    longer = replace(prepared, inversion=OdeInversion(5), noise=Inversion())
    with longer.inverted(clip).making("tensors.safetensors") as folder:
        assert folder
        write_tensors(folder, inverted=INVERTED)
    with longer.reference(clip).making("tensors.safetensors") as folder:
        assert folder
        write_tensors(folder, latents=torch.zeros_like(INVERTED))
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    sigma = (1 - (1 - betas).cumprod(0)).sqrt()
    noise = initial_noise(longer, model, clip, [(clip.prompts[0], 0)])
    torch.testing.assert_close(noise, (INVERTED * sigma[501] / sigma[801]).float(), atol=1e-3, rtol=1e-4)


def test_random_noise_needs_no_inversion(address: Address, model: Backbone, clip: Clip):
    random = initial_noise(replace(address, noise=Random()), model, clip, [(clip.prompts[0], 0)])
    assert random.shape == (1, 4, 4, 8, 8)
    with pytest.raises(InputError, match=r"inversion-.* is missing: run the prepare stage first"):
        initial_noise(address, model, clip, [(clip.prompts[0], 0)])


def test_conditions_are_those_of_the_prompts_in_order(prepared: Address, clip: Clip):
    first, second = clip.prompts
    request = sampling_request(prepared, clip, [(second, 0), (first, 0), (second, 1)])
    assert request.condition[PROMPT_EMBEDS][:, 0, 0].tolist() == [2, 1, 2]
    assert request.condition[PROMPT_MASK].tolist() == [[2] * 3, [1] * 3, [2] * 3]
    assert request.negative[PROMPT_EMBEDS].shape == (1, 3, 2)
    assert request.negative[PROMPT_EMBEDS].eq(0).all()
    assert (request.motion, request.sampler) == ("object", prepared.sampler)
    with pytest.raises(InputError, match="run the prepare stage first"):
        sampling_request(replace(prepared, negative_prompt="blurry"), clip, [(first, 0)])


def test_seeds_depend_on_the_sample_alone(prepared: Address, clip: Clip):
    first, second = clip.prompts
    together = sampling_request(prepared, clip, [(first, 0), (first, 1), (second, 0)]).seeds
    assert len(set(together)) == 3
    assert sampling_request(prepared, clip, [(second, 0)]).seeds == together[2:]


def test_a_prefix_is_for_the_text_encoder_alone(prepared: Address, model: Backbone, clip: Clip):
    pairs = [(clip.prompts[0], 0)]
    praising = replace(prepared, prompt_prefix="masterpiece, ")
    with praising.text(f"masterpiece, {clip.prompts[0]}").making("tensors.safetensors") as folder:
        assert folder
        write_tensors(folder, **{PROMPT_EMBEDS: torch.full((1, 3, 2), 7.0)})
    assert sampling_request(praising, clip, pairs).condition[PROMPT_EMBEDS].eq(7).all()
    assert sampling_request(praising, clip, pairs).negative[PROMPT_EMBEDS].eq(0).all()
    assert torch.equal(initial_noise(praising, model, clip, pairs), initial_noise(prepared, model, clip, pairs))

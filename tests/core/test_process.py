"""Noise levels and steps between them: identities, and diffusers' schedulers as the independent reference."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim_cogvideox import CogVideoXDDIMScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.processes import KINDS, diffusion, gaussian, predicting, scheduler, shifted
from motion_inversion.backbone.scheduler import process_of
from motion_inversion.core.process import AlphaBar, Compared, Path, Prediction, Process, Straight
from motion_inversion.error import InputError


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("steps", [1, 7, 30, 50, 333, 500, 999])
def test_timesteps_are_diffusers(steps: int, spacing: str) -> None:
    reference = scheduler(timestep_spacing=spacing)
    reference.set_timesteps(steps)
    assert diffusion(timestep_spacing=spacing).timesteps(steps) == reference.timesteps.tolist()


def test_the_fifty_steps_of_the_paper() -> None:
    timesteps = diffusion().timesteps(50)
    assert (timesteps[0], timesteps[1], timesteps[-1], len(timesteps)) == (981, 961, 1, 50)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("steps", [7, 30, 50])
def test_every_step_goes_to_the_next_and_the_last_to_the_clean_end(steps: int, spacing: str) -> None:
    transitions = diffusion(timestep_spacing=spacing).transitions(steps)
    assert [end for _, end in transitions[:-1]] == [start for start, _ in transitions[1:]]
    assert transitions[-1][1] < 0


@given(
    t=st.integers(1, 998),
    p=st.integers(-1, 997),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_step_undoes_unstep(t: int, p: int, kind: Prediction, seed: int) -> None:
    p = min(p, t - 1)
    process = predicting(kind)
    x, prediction = gaussian(seed), gaussian(seed + 1)
    up = process.unstep(x, prediction, p, t)
    torch.testing.assert_close(process.step(up, prediction, t, p), x, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_prediction_gives_back_noise_and_clean_latents(kind: Prediction) -> None:
    process, x0, epsilon = predicting(kind), gaussian(0), gaussian(1)
    t = torch.tensor([3, 700])
    x, target = process.add_noise(x0, epsilon, t), process.target(x0, epsilon, t)
    torch.testing.assert_close(process.to_noise(target, x, t), epsilon, atol=1e-4, rtol=0)
    torch.testing.assert_close(process.to_clean(target, x, t), x0, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_any_prediction_is_one_of_clean_latents_and_noise_that_make_up_x(kind: Prediction) -> None:
    process, x, prediction, t = predicting(kind), gaussian(0), gaussian(1), torch.tensor([150, 700])
    x0, epsilon = process.to_clean(prediction, x, t), process.to_noise(prediction, x, t)
    torch.testing.assert_close(process.add_noise(x0, epsilon, t), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(process.target(x0, epsilon, t), prediction, atol=1e-5, rtol=0)
    torch.testing.assert_close(process.from_clean(x0, x, t), prediction, atol=1e-5, rtol=0)
    read: dict[Compared, Tensor] = {"prediction": prediction, "noise": epsilon, "clean": x0}
    assert all(torch.equal(process.read(name, prediction, x, t), each) for name, each in read.items())


@pytest.mark.parametrize("kind", KINDS)
def test_the_prediction_of_given_clean_latents_is_read_as_them(kind: Prediction) -> None:
    process, x0, x = predicting(kind), gaussian(0), gaussian(1)
    torch.testing.assert_close(process.to_clean(process.from_clean(x0, x, 500), x, 500), x0, atol=1e-5, rtol=0)


def test_each_clip_has_its_own_level() -> None:
    reference, x0, epsilon, t = scheduler(), gaussian(0), gaussian(1), torch.IntTensor([3, 700])
    process = predicting("v")
    torch.testing.assert_close(
        process.add_noise(x0, epsilon, t), reference.add_noise(x0, epsilon, t), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        process.target(x0, epsilon, t), reference.get_velocity(x0, epsilon, t), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_precision_of_the_latents_is_kept(kind: Prediction) -> None:
    process, x, other = predicting(kind), gaussian(0).bfloat16(), gaussian(1).bfloat16()
    asked = (process.add_noise, process.target, process.to_noise, process.to_clean, process.from_clean)
    assert {each(x, other, 500).dtype for each in asked} == {torch.bfloat16}
    assert {each(x, other, 500, 250).dtype for each in (process.step, process.unstep)} == {torch.bfloat16}


def test_another_level_keeps_signal_and_noise() -> None:
    process, x0, noise = diffusion(), gaussian(1), gaussian(2)
    moved = process.relevel(process.add_noise(x0, noise, 999), x0, 999, 981)
    torch.testing.assert_close(moved, process.add_noise(x0, noise, 981))


@pytest.mark.parametrize("kind", ["epsilon", "velocity"])
def test_going_back_with_fresh_noise_keeps_signal_and_variance(kind: Prediction) -> None:
    process, zeros, ones = predicting(kind), torch.zeros(1, 1, 1, 1, 1), torch.ones(1, 1, 1, 1, 1)
    t, t_next = 300, 650
    kept, fresh = process.noised_back(ones, zeros, t, t_next), process.noised_back(zeros, ones, t, t_next)
    (signal, sigma), (signal_next, sigma_next) = (process.path.scales(torch.tensor([at])) for at in (t, t_next))
    torch.testing.assert_close(kept.view(-1) * signal, signal_next)
    torch.testing.assert_close((kept.view(-1) * sigma).square() + fresh.view(-1).square(), sigma_next.square())


@pytest.mark.parametrize("kind", ["epsilon", "velocity"])
def test_the_share_of_noise_grows_from_none_to_all(kind: Prediction) -> None:
    shares = [predicting(kind).sigma(t) for t in (-1, 0, 250, 500, 999)]
    assert shares == sorted(shares)
    assert shares[0] < 0.03 and shares[-1] > 0.93
    assert Process(Straight(shifted), "velocity").sigma(249) == pytest.approx(0.25)


def test_both_paths_keep_the_protocol() -> None:
    assert isinstance(diffusion().path, Path) and isinstance(Straight(shifted), Path)


@pytest.mark.parametrize("steps", [1, 2, 7, 50])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_straight_path_is_diffusers_flow_matching(steps: int, shift: float) -> None:
    reference: Any = FlowMatchEulerDiscreteScheduler(shift=shift)
    reference.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps).tolist())
    process = Process(Straight(lambda count: shifted(count, shift)), "velocity")
    assert [t + 1 for t in process.timesteps(steps)] == pytest.approx(reference.timesteps.tolist(), abs=1e-3)
    assert [end for _, end in process.transitions(steps)][-1] == -1
    x0, noise, velocity = gaussian(0), gaussian(1), gaussian(2)
    for k, (t, t_next) in enumerate(process.transitions(steps)):
        time = reference.timesteps[k : k + 1]
        torch.testing.assert_close(
            process.add_noise(x0, noise, t), reference.scale_noise(x0, time, noise), atol=1e-6, rtol=0
        )
        expected = reference.step(velocity, time[0], noise, return_dict=False)[0]
        torch.testing.assert_close(process.step(noise, velocity, t, t_next), expected, atol=1e-6, rtol=0)


def test_training_draws_even_levels_up_to_noise_alone() -> None:
    process, x0, noise = Process(Straight(shifted), "velocity"), gaussian(0), gaussian(1)
    signal, sigma = process.path.scales(torch.arange(-1, 1000))
    torch.testing.assert_close(sigma, torch.linspace(0, 1, 1001))
    torch.testing.assert_close(signal + sigma, torch.ones(1001))
    assert torch.equal(process.add_noise(x0, noise, 999), noise)
    assert torch.equal(process.add_noise(x0, noise, -1), x0)
    assert torch.equal(process.target(x0, noise, 300), noise - x0)


@pytest.mark.parametrize("steps", [5, 50, 1000])
def test_steps_from_noise_alone_are_diffusers_cogvideox(steps: int) -> None:
    reference = CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        clip_sample=False,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        set_alpha_to_one=True,
    )
    reference.set_timesteps(steps)
    process = process_of(reference)
    assert process.timesteps(steps) == reference.timesteps.tolist()
    assert isinstance(process.path, AlphaBar)
    assert process.path.alphas_cumprod[-1] == 0 and process.timesteps(steps)[0] == 999
    x, v = gaussian(0), gaussian(1)
    for t, t_next in process.transitions(steps):
        expected = reference.step(v, int(t), x, return_dict=False)[0]
        torch.testing.assert_close(process.step(x, v, t, t_next), expected, atol=1e-6, rtol=0)


def test_noise_alone_says_of_the_clip_what_v_says() -> None:
    process, x0, noise = (
        diffusion(prediction_type="v_prediction", rescale_betas_zero_snr=True),
        gaussian(0),
        gaussian(1),
    )
    assert torch.equal(process.add_noise(x0, noise, 999), noise)
    assert torch.equal(process.to_clean(process.target(x0, noise, 999), noise, 999), x0)
    assert process.sigma(999) == 1


@pytest.mark.parametrize(
    ("spacing", "steps", "message"),
    [
        ("leading", 1000, r"sampler\.steps=1000.*1 to 999"),
        ("leading", 4000, r"sampler\.steps=4000.*1 to 999"),
        ("trailing", 1001, r"sampler\.steps=1001.*1 to 1000"),
        ("linspace", 1001, r"sampler\.steps=1001.*1 to 1000"),
        ("leading", 0, r"sampler\.steps=0"),
    ],
)
def test_steps_that_do_not_fit_are_refused_with_those_that_do(spacing: str, steps: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        diffusion(timestep_spacing=spacing).timesteps(steps)
    with pytest.raises(InputError, match=message.replace("sampler", "inversion")):
        diffusion(timestep_spacing=spacing).transitions(steps, "inversion.steps")


def test_a_step_by_hand() -> None:
    """v at ᾱ = 0.64, so that signal = 0.8 and sigma = 0.6, to ᾱ = 0.36."""
    process = Process(AlphaBar(torch.tensor([0.64, 0.36]), torch.tensor(1.0)), "v")
    x, v = torch.full((1, 1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1, 1), -1.0)
    clean, noise = 0.8 * 2 + 0.6, 0.6 * 2 - 0.8
    assert process.step(x, v, 0, 1).item() == pytest.approx(0.6 * clean + 0.8 * noise, rel=1e-6)
    assert process.step(x, v, 0, -1).item() == pytest.approx(clean, rel=1e-6)
    assert process.sigma(0) == pytest.approx(0.6 / 1.4)
    assert math.isclose(Process(process.path).to_clean(v, x, 0).item(), (2 + 0.6) / 0.8, rel_tol=1e-6)

"""Noise levels and DDIM loops: identities, and diffusers' schedulers as the independent reference."""

import math

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddim_inverse import DDIMInverseScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from motion_inversion.core.error import InputError
from motion_inversion.core.sampler import Ddim, OdeInversion
from motion_inversion.core.seed import generator

ZEROSCOPE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def scheduler(**changes) -> DDIMScheduler:
    return DDIMScheduler(**(ZEROSCOPE | changes))


def schedule(**changes) -> Schedule:
    return Schedule.from_scheduler(scheduler(**changes))


def gaussian(seed: int) -> Tensor:
    return torch.randn(2, 4, 3, 4, 5, generator=generator(seed))


def network(x: Tensor, t: int) -> Tensor:
    """Any smooth function of latents and timestep."""
    return 0.8 * torch.tanh(x + t / 1000) + 0.1 * x.flip(-1)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("steps", [1, 7, 30, 50, 333, 500, 999])
def test_timesteps_are_diffusers(steps: int, spacing: str) -> None:
    reference = scheduler(timestep_spacing=spacing)
    reference.set_timesteps(steps)
    assert schedule(timestep_spacing=spacing).timesteps(steps) == reference.timesteps.tolist()


def test_the_fifty_steps_of_the_paper() -> None:
    timesteps = schedule().timesteps(50)
    assert (timesteps[0], timesteps[1], timesteps[-1], len(timesteps)) == (981, 961, 1, 50)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize(
    # Trailing steps that divide the levels: after others diffusers' own steps miss the next timestep by one.
    ("spacing", "steps"),
    [("leading", 5), ("leading", 30), ("leading", 999), ("trailing", 5), ("trailing", 50), ("trailing", 1000)],
)
def test_sampling_is_diffusers_ddim(kind: str, one: bool, spacing: str, steps: int) -> None:
    reference = scheduler(prediction_type=kind, set_alpha_to_one=one, timestep_spacing=spacing)
    reference.set_timesteps(steps)
    expected = gaussian(0)
    for t in reference.timesteps.tolist():
        expected = reference.step(network(expected, t), t, expected, return_dict=False)[0]
    sampled = Ddim(steps).sample(Schedule.from_scheduler(reference), network, gaussian(0))
    torch.testing.assert_close(sampled, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("steps", [7, 30, 50])
def test_every_step_goes_to_the_next_and_the_last_to_the_clean_end(steps: int, spacing: str) -> None:
    transitions = schedule(timestep_spacing=spacing).transitions(steps)
    assert [end for _, end in transitions[:-1]] == [start for start, _ in transitions[1:]]
    assert transitions[-1][1] < 0


@pytest.mark.parametrize("steps", [5, 50, 999])
def test_inversion_is_diffusers_inverse_scheduler(steps: int) -> None:
    reference = DDIMInverseScheduler(**ZEROSCOPE)
    reference.set_timesteps(steps)
    expected = gaussian(0)
    for t in reference.timesteps.tolist():
        expected = reference.step(network(expected, t), t, expected, return_dict=False)[0]
    inverted = OdeInversion(steps).invert(schedule(), network, gaussian(0))
    torch.testing.assert_close(inverted, expected, atol=1e-4, rtol=1e-4)


def test_inversion_by_hand() -> None:
    # Two steps, t = 1 from the clean end and t = 501 from there, written out with scalars.
    betas = [(math.sqrt(0.00085) + i / 999 * (math.sqrt(0.012) - math.sqrt(0.00085))) ** 2 for i in range(1000)]
    alpha = [math.prod(1 - beta for beta in betas[: i + 1]) for i in range(1000)]
    x, noise = 0.7, {1: -0.4, 501: 1.3}
    for p, t in ((0, 1), (1, 501)):
        clean = (x - math.sqrt(1 - alpha[p]) * noise[t]) / math.sqrt(alpha[p])
        x = math.sqrt(alpha[t]) * clean + math.sqrt(1 - alpha[t]) * noise[t]
    latents = torch.full((1, 1, 1, 1, 1), 0.7)
    inverted = OdeInversion(2).invert(schedule(), lambda x, t: torch.full_like(x, noise[t]), latents)
    assert inverted.item() == pytest.approx(x, rel=1e-4)


def test_inversion_with_constant_noise_has_a_closed_form() -> None:
    x0, epsilon = gaussian(0), gaussian(1)
    inverted = OdeInversion(50).invert(schedule(), lambda x, t: epsilon, x0)
    torch.testing.assert_close(inverted, 0.07603 * x0 + 0.99489 * epsilon, atol=5e-5, rtol=0)


@pytest.mark.parametrize("steps", [30, 50])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_sampling_undoes_inversion_where_predictions_agree(kind: str, spacing: str, steps: int) -> None:
    x0, prediction = gaussian(0), gaussian(1)
    levels = schedule(prediction_type=kind, timestep_spacing=spacing)
    inverted = OdeInversion(steps).invert(levels, lambda x, t: prediction, x0)
    torch.testing.assert_close(Ddim(steps).sample(levels, lambda x, t: prediction, inverted), x0, atol=1e-4, rtol=0)


@given(
    t=st.integers(1, 999),
    p=st.integers(-1, 998),
    kind=st.sampled_from(["epsilon", "v_prediction"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_step_undoes_unstep(t: int, p: int, kind: str, seed: int) -> None:
    p = min(p, t - 1)
    levels = schedule(prediction_type=kind)
    x, prediction = gaussian(seed), gaussian(seed + 1)
    up = levels.unstep(x, prediction, p, t)
    torch.testing.assert_close(levels.step(up, prediction, t, p), x, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_perfect_prediction_gives_back_noise_and_clean_latents(kind: str) -> None:
    levels, x0, epsilon = schedule(prediction_type=kind), gaussian(0), gaussian(1)
    t = torch.tensor([3, 700])
    x, target = levels.add_noise(x0, epsilon, t), levels.target(x0, epsilon, t)
    torch.testing.assert_close(levels.to_noise(target, x, t), epsilon, atol=1e-4, rtol=0)
    torch.testing.assert_close(levels.to_clean(target, x, t), x0, atol=1e-4, rtol=0)


def test_each_clip_has_its_own_level() -> None:
    reference, x0, epsilon, t = scheduler(), gaussian(0), gaussian(1), torch.IntTensor([3, 700])
    levels = schedule(prediction_type="v_prediction")
    torch.testing.assert_close(levels.add_noise(x0, epsilon, t), reference.add_noise(x0, epsilon, t), atol=1e-6, rtol=0)
    torch.testing.assert_close(levels.target(x0, epsilon, t), reference.get_velocity(x0, epsilon, t), atol=1e-6, rtol=0)


def test_the_precision_of_the_latents_is_kept() -> None:
    x, epsilon = gaussian(0).bfloat16(), gaussian(1).bfloat16()
    levels = schedule(prediction_type="v_prediction")
    assert levels.add_noise(x, epsilon, 500).dtype == torch.bfloat16
    assert Ddim(2).sample(levels, network, x).dtype == torch.bfloat16
    assert OdeInversion(2).invert(levels, network, x).dtype == torch.bfloat16


def test_loops_report_progress_and_latents() -> None:
    levels, wrapped, visited = schedule(), [], {}
    Ddim(4).sample(levels, network, gaussian(0), progress=lambda ts: wrapped.append(list(ts)) or ts)
    last = OdeInversion(4).invert(
        levels,
        network,
        gaussian(0),
        progress=lambda ts: wrapped.append(list(ts)) or ts,
        visit=lambda t, x: visited.update({t: x}),
    )
    assert wrapped == [[751, 501, 251, 1], [1, 251, 501, 751]]
    assert list(visited) == [1, 251, 501, 751]
    assert torch.equal(visited[751], last)


def test_sampling_goes_on_where_it_is_told_to() -> None:
    levels, wrapped, passed = schedule(), [], {}

    def keep(x: Tensor, t: int) -> Tensor:
        passed[t] = x
        return network(x, t)

    whole = Ddim(4).sample(levels, keep, gaussian(0))
    later = Ddim(4).sample(levels, network, passed[501], lambda ts: wrapped.append(list(ts)) or ts, skip=1)
    assert wrapped == [[501, 251, 1]]
    assert torch.equal(later, whole)


def test_loops_keep_no_graph() -> None:
    weight = torch.ones((), requires_grad=True)
    assert not Ddim(2).sample(schedule(), lambda x, t: weight * x, gaussian(0)).requires_grad
    assert not OdeInversion(2).invert(schedule(), lambda x, t: weight * x, gaussian(0)).requires_grad


def test_latents_that_stop_being_finite_name_their_step() -> None:
    def breaks(x: Tensor, t: int) -> Tensor:
        return x * (math.nan if t == 501 else 1)

    with pytest.raises(FloatingPointError, match=r"sampling.*step 2 of 4 \(timestep 501\)"):
        Ddim(4).sample(schedule(), breaks, gaussian(0))
    with pytest.raises(FloatingPointError, match=r"inversion.*step 3 of 4 \(timestep 501\)"):
        OdeInversion(4).invert(schedule(), breaks, gaussian(0))


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: Ddim(0), r"sampler\.steps=0"),
        (lambda: OdeInversion(-3), r"inversion\.steps=-3"),
        (lambda: Ddim(1000).sample(schedule(), network, gaussian(0)), r"sampler\.steps=1000.*1 to 999"),
        (lambda: Ddim(4000).sample(schedule(), network, gaussian(0)), r"sampler\.steps=4000.*1 to 999"),
        (lambda: schedule(timestep_spacing="trailing").timesteps(1001), r"sampler\.steps=1001.*1 to 1000"),
        (lambda: OdeInversion(1000).invert(schedule(), network, gaussian(0)), r"inversion\.steps=1000"),
    ],
)
def test_steps_out_of_range_are_refused_by_name(build, names: str) -> None:
    with pytest.raises(InputError, match=names):
        build()


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction_type": "sample"},
        {"timestep_spacing": "linspace"},
        {"clip_sample": True},
        {"thresholding": True},
    ],
)
def test_scheduler_settings_that_would_be_ignored_are_refused(changes: dict) -> None:
    (key, value), *_ = changes.items()
    with pytest.raises(InputError, match=f"{key}={value}"):
        schedule(**changes)


def test_another_level_keeps_signal_and_noise() -> None:
    levels, x0, noise = schedule(), gaussian(1), gaussian(2)
    moved = levels.relevel(levels.add_noise(x0, noise, 999), x0, 999, 981)
    torch.testing.assert_close(moved, levels.add_noise(x0, noise, 981))

"""The loops of sampling and inversion, with diffusers' as the independent reference."""

import math

import pytest
import torch
from diffusers.schedulers.scheduling_ddim_inverse import DDIMInverseScheduler
from torch import Tensor

from core.processes import KINDS, ZEROSCOPE, diffusion, gaussian, network, predicting, scheduler
from motion_inversion.backbone.scheduler import process_of
from motion_inversion.core.process import Prediction, Stop
from motion_inversion.core.sampler import Ddim, OdeInversion, RoundTrip
from motion_inversion.error import InputError


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
    sampled = Ddim(steps).sample(process_of(reference), network, gaussian(0))
    torch.testing.assert_close(sampled, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("steps", [5, 50, 999])
def test_inversion_is_diffusers_inverse_scheduler(steps: int) -> None:
    reference = DDIMInverseScheduler(**ZEROSCOPE)
    reference.set_timesteps(steps)
    expected = gaussian(0)
    for t in reference.timesteps.tolist():
        expected = reference.step(network(expected, t), t, expected, return_dict=False)[0]
    inverted = OdeInversion(steps).invert(diffusion(), network, gaussian(0))
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
    inverted = OdeInversion(2).invert(diffusion(), lambda x, t: torch.full_like(x, noise[int(t)]), latents)
    assert inverted.item() == pytest.approx(x, rel=1e-4)


def test_inversion_with_constant_noise_has_a_closed_form() -> None:
    x0, epsilon = gaussian(0), gaussian(1)
    inverted = OdeInversion(50).invert(diffusion(), lambda x, t: epsilon, x0)
    torch.testing.assert_close(inverted, 0.07603 * x0 + 0.99489 * epsilon, atol=5e-5, rtol=0)


@pytest.mark.parametrize("steps", [30, 50])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_sampling_undoes_inversion_where_predictions_agree(kind: str, spacing: str, steps: int) -> None:
    x0, prediction = gaussian(0), gaussian(1)
    process = diffusion(prediction_type=kind, timestep_spacing=spacing)
    inverted = OdeInversion(steps).invert(process, lambda x, t: prediction, x0)
    torch.testing.assert_close(Ddim(steps).sample(process, lambda x, t: prediction, inverted), x0, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_clips_of_a_gaussian_go_up_and_down_the_known_solution(kind: Prediction) -> None:
    """The best network for clips of variance s² is linear in x_t, whose standard deviation the loops follow."""
    process, s = predicting(kind), 0.5
    clean = s * gaussian(0).double()

    def variance(t: Stop) -> tuple[float, float]:
        signal, sigma = (float(scale) for scale in process.path.scales(torch.tensor(t)))
        return signal, (signal * s) ** 2 + sigma**2

    def linear(x: Tensor, t: Stop) -> Tensor:
        signal, spread = variance(t)
        return process.from_clean(signal * s**2 / spread * x, x, t)

    def errors(steps: int) -> tuple[float, float]:
        inverted = OdeInversion(steps).invert(process, linear, clean)
        (_, end), (_, begin) = variance(process.timesteps(steps)[0]), variance(process.transitions(steps)[-1][1])
        solution = clean * (end / begin) ** 0.5
        back = Ddim(steps).sample(process, linear, inverted)
        return (inverted - solution).abs().max().item(), (back - clean).abs().max().item()

    (up, down), (fine_up, fine_down) = errors(100), errors(400)
    assert fine_up < 0.02 and fine_up < up / 3  # first order
    assert fine_down < 0.02 and fine_down < down / 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_precision_of_the_latents_is_kept(kind: Prediction) -> None:
    process, x = predicting(kind), gaussian(0).bfloat16()
    assert Ddim(2).sample(process, network, x).dtype == torch.bfloat16
    assert OdeInversion(2).invert(process, network, x).dtype == torch.bfloat16


def test_loops_report_progress_and_latents() -> None:
    process, wrapped, visited = diffusion(), [], {}
    Ddim(4).sample(process, network, gaussian(0), progress=lambda ts: wrapped.append(list(ts)) or ts)
    last = OdeInversion(4).invert(
        process,
        network,
        gaussian(0),
        progress=lambda ts: wrapped.append(list(ts)) or ts,
        visit=lambda t, x: visited.update({t: x}),
    )
    assert wrapped == [[751, 501, 251, 1], [1, 251, 501, 751]]
    assert list(visited) == [1, 251, 501, 751]
    assert torch.equal(visited[751], last)


def test_sampling_goes_on_where_it_is_told_to() -> None:
    process, wrapped, passed = diffusion(), [], {}

    def keep(x: Tensor, t: Stop) -> Tensor:
        passed[t] = x
        return network(x, t)

    whole = Ddim(4).sample(process, keep, gaussian(0))
    later = Ddim(4).sample(process, network, passed[501], lambda ts: wrapped.append(list(ts)) or ts, skip=1)
    assert wrapped == [[501, 251, 1]]
    assert torch.equal(later, whole)


def test_loops_keep_no_graph() -> None:
    weight = torch.ones((), requires_grad=True)
    assert not Ddim(2).sample(diffusion(), lambda x, t: weight * x, gaussian(0)).requires_grad
    assert not OdeInversion(2).invert(diffusion(), lambda x, t: weight * x, gaussian(0)).requires_grad


def test_latents_that_stop_being_finite_name_their_step() -> None:
    def breaks(x: Tensor, t: Stop) -> Tensor:
        return x * (math.nan if t == 501 else 1)

    with pytest.raises(FloatingPointError, match=r"sampling.*step 2 of 4 \(timestep 501\)"):
        Ddim(4).sample(diffusion(), breaks, gaussian(0))
    with pytest.raises(FloatingPointError, match=r"inversion.*step 3 of 4 \(timestep 501\)"):
        OdeInversion(4).invert(diffusion(), breaks, gaussian(0))


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: Ddim(0), r"sampler\.steps=0"),
        (lambda: OdeInversion(-3), r"inversion\.steps=-3"),
        (lambda: Ddim(1000).sample(diffusion(), network, gaussian(0)), r"sampler\.steps=1000.*1 to 999"),
        (lambda: Ddim(4000).sample(diffusion(), network, gaussian(0)), r"sampler\.steps=4000.*1 to 999"),
        (lambda: OdeInversion(1000).invert(diffusion(), network, gaussian(0)), r"inversion\.steps=1000"),
    ],
)
def test_steps_out_of_range_are_refused_by_name(build, names: str) -> None:
    with pytest.raises(InputError, match=names):
        build()


def test_guidance_is_none_unless_it_is_asked_for() -> None:
    assert Ddim(50).guidance == 1.0


def test_a_round_trip_says_what_is_off_and_what_contrast_is_left() -> None:
    latents = gaussian(0) + 3
    assert RoundTrip.of(latents, latents) == RoundTrip(0.0, 1.0)
    faded = RoundTrip.of(latents, latents.mean() + 0.25 * (latents - latents.mean()))
    assert (faded.error, faded.contrast) == pytest.approx((0.75, 0.25), abs=1e-5)

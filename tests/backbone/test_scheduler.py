"""From schedulers of diffusers to processes: what of them is read, and what is refused."""

from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddim_cogvideox import CogVideoXDDIMScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

from motion_inversion.backbone.scheduler import process_of
from motion_inversion.core.process import AlphaBar, Straight
from motion_inversion.error import InputError

STABLE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def ddim(**changes: Any) -> DDIMScheduler:
    return DDIMScheduler(**{**STABLE, "clip_sample": False, **changes})


@pytest.mark.parametrize(("kind", "prediction"), [("epsilon", "epsilon"), ("v_prediction", "v")])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_a_table_is_read_with_where_sampling_stops(kind: str, prediction: str, spacing: str):
    scheduler = ddim(prediction_type=kind, timestep_spacing=spacing, steps_offset=1, set_alpha_to_one=False)
    process = process_of(scheduler)
    path = process.path
    assert isinstance(path, AlphaBar) and process.prediction == prediction
    assert torch.equal(path.alphas_cumprod, scheduler.alphas_cumprod) and process.levels == 1000
    assert path.final_alpha_cumprod == scheduler.alphas_cumprod[0]
    assert (path.steps_offset, path.spacing) == (1, spacing)


def test_the_clean_end_has_no_noise_unless_the_scheduler_says_so():
    assert process_of(ddim()).sigma(-1) == 0
    assert process_of(EulerDiscreteScheduler(**STABLE)).sigma(-1) == 0
    assert process_of(ddim(set_alpha_to_one=False)).sigma(-1) > 0


def test_the_class_of_a_scheduler_does_not_matter():
    """Euler's and DDIM's of one table are one process: both follow the same differential equation."""
    euler, other = process_of(EulerDiscreteScheduler(**STABLE)).path, process_of(ddim()).path
    assert isinstance(euler, AlphaBar) and isinstance(other, AlphaBar)
    torch.testing.assert_close(euler.alphas_cumprod, other.alphas_cumprod)


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction_type": "sample"},
        {"timestep_spacing": "elsewhere"},
        {"clip_sample": True},
        {"thresholding": True},
    ],
)
def test_settings_that_would_be_ignored_are_refused(changes: dict[str, Any]):
    [(key, value)] = changes.items()
    with pytest.raises(InputError, match=f"{key}={value}"):
        process_of(ddim(**changes))


@pytest.mark.parametrize("key", ["use_karras_sigmas", "use_exponential_sigmas"])
def test_uneven_sigmas_are_refused(key: str):
    choice: dict[str, Any] = {key: True}
    for scheduler in (EulerDiscreteScheduler(**STABLE, **choice), FlowMatchEulerDiscreteScheduler(**choice)):
        with pytest.raises(InputError, match=f"{key}=True: accepted is False"):
            process_of(scheduler)


def test_noise_alone_needs_a_prediction_that_tells_of_the_clip():
    zero: dict[str, Any] = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "clip_sample": False}
    process = process_of(CogVideoXDDIMScheduler(prediction_type="v_prediction", **zero))
    assert process.sigma(process.timesteps(50)[0]) == 1
    with pytest.raises(InputError, match=r"ends at noise alone \(rescale_betas_zero_snr\) .* accepted is v_prediction"):
        process_of(CogVideoXDDIMScheduler(prediction_type="epsilon", **zero))


@pytest.mark.parametrize("steps", [1, 5, 50])
@pytest.mark.parametrize("shift", [1.0, 3.0, 12.0])
def test_flow_matching_is_a_straight_path_with_the_schedulers_shift(shift: float, steps: int):
    process = process_of(FlowMatchEulerDiscreteScheduler(shift=shift))
    assert isinstance(process.path, Straight) and process.prediction == "velocity"
    even = [1 - k / steps for k in range(steps)]
    expected = [1000 * shift * sigma / (1 + (shift - 1) * sigma) - 1 for sigma in even]
    assert process.timesteps(steps) == pytest.approx(expected, abs=1e-3)
    assert process.transitions(steps)[-1][1] == -1


def test_a_shift_that_grows_with_the_clip_is_that_of_its_tokens():
    growing: dict[str, Any] = {"base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256}
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, max_image_seq_len=4096, **growing)
    e = 2.718281828
    for tokens, mu in ((256, 0.5), (4096, 1.15), (2176, 0.825)):
        # exp(μ) / (exp(μ) + 1 / σ − 1) at σ = 1 / 2
        assert process_of(scheduler, tokens).timesteps(2)[1] == pytest.approx(1000 * e**mu / (e**mu + 1) - 1, abs=1e-2)


def test_sigmas_of_a_models_own_are_heeded():
    process = process_of(FlowMatchEulerDiscreteScheduler(), sigmas=lambda steps: [1.0, 0.3])
    assert process.timesteps(2) == pytest.approx([999, 299], abs=1e-3)
    inverted = process_of(FlowMatchEulerDiscreteScheduler(invert_sigmas=True), sigmas=lambda steps: [1.0, 0.3])
    assert inverted.timesteps(2) == pytest.approx([999, 299], abs=1e-3)


def test_a_multistep_scheduler_of_flows_gives_its_own_sigmas():
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    process = process_of(scheduler)
    scheduler.set_timesteps(10)
    sigmas = scheduler.sigmas.tolist()
    assert process.timesteps(10) == pytest.approx([1000 * sigma - 1 for sigma in sigmas[:-1]], abs=1e-3)
    assert process.transitions(10)[-1][1] == -1
    assert process.prediction == "velocity"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"shift": 0.0}, "shift=0.0: accepted are finite numbers above 0"),
        ({"shift": "three"}, "shift='three': accepted"),
        ({"use_dynamic_shifting": True, "max_image_seq_len": None}, "max_image_seq_len=None: accepted are finite"),
        ({"use_dynamic_shifting": True, "max_image_seq_len": 256}, "base_image_seq_len=256 and max_image_seq_len=256"),
    ],
)
def test_a_shift_that_is_none_is_refused(changes: dict[str, Any], told: str):
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.register_to_config(**changes)
    with pytest.raises(InputError, match=told):
        process_of(scheduler, tokens=64).timesteps(4, "sampler.steps")

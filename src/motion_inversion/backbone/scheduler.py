"""From the scheduler in a model's folder to the noising process that it describes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
import torch

from motion_inversion.core.process import AlphaBar, Prediction, Process, Straight
from motion_inversion.error import InputError

_PREDICTIONS: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "v"}
_SPACINGS = ("leading", "trailing", "linspace")
# Other choices of sigmas than the even ones, shifted: they are diffusers' experiments, which no published folder has.
_UNEVEN = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "stochastic_sampling")

Sigmas = Callable[[int], Sequence[float]]
"""From a number of steps to the sigmas of a loop, noisiest first, before any shift."""


def flow_of(scheduler: Any, tokens: int = 0, sigmas: Sigmas | None = None) -> Process:
    """The process of a network that predicts velocity alone, whatever a configuration says.

    Raises:
        InputError: as `process_of`, and for a scheduler of another prediction.
    """
    process = process_of(scheduler, tokens, sigmas)
    if process.prediction != "velocity":
        raise InputError(
            f"the model's scheduler, {type(scheduler).__name__}, isn't set to flow matching, and this network predicts "
            "a velocity: set use_flow_sigmas to true in its configuration, or copy it anew from where the model is from"
        )
    return process


def process_of(scheduler: Any, tokens: int = 0, sigmas: Sigmas | None = None) -> Process:
    """The process of a scheduler of diffusers: a table of ᾱ, or flow matching.

    Only the levels of noise are read. Sampling is deterministic whatever the scheduler's class (DDIM, Euler, DPM,
    UniPC): it follows the same differential equation.

    Args:
        scheduler: As its folder's configuration makes it.
        tokens: Video tokens of a clip, on which the shift of some flow-matching models depends.
        sigmas: What the model's own pipeline asks of a flow-matching scheduler, where those are not even steps.

    Raises:
        InputError: for settings that sampling here would not heed.
    """
    config: Mapping[str, Any] = scheduler.config
    for key in ("clip_sample", "thresholding", *_UNEVEN):
        _require(config, key, config.get(key, False), (False,))
    for key in ("shift", "flow_shift"):
        if key in config:
            _require_number(config, key, above=0.0)
    if config.get("use_flow_sigmas", not hasattr(scheduler, "alphas_cumprod")):
        count = int(config["num_train_timesteps"])
        return Process(Straight(lambda steps: _shifted(scheduler, steps, tokens, sigmas), count), "velocity")
    return _diffusion(scheduler)


def _diffusion(scheduler: Any) -> Process:
    config: Mapping[str, Any] = scheduler.config
    _require(config, "prediction_type", config["prediction_type"], tuple(_PREDICTIONS))
    _require(config, "timestep_spacing", config["timestep_spacing"], _SPACINGS)
    alphas = scheduler.alphas_cumprod
    prediction = _PREDICTIONS[config["prediction_type"]]
    if prediction == "epsilon" and alphas[-1] == 0:
        raise InputError(
            "the model's scheduler ends at noise alone (rescale_betas_zero_snr) and has prediction_type=epsilon, from "
            "which nothing can be told of the clip there; accepted is v_prediction; mend its configuration"
        )
    path = AlphaBar(
        alphas_cumprod=alphas,
        final_alpha_cumprod=torch.as_tensor(getattr(scheduler, "final_alpha_cumprod", 1.0)),
        steps_offset=config.get("steps_offset", 0),
        spacing=cast(Literal["leading", "trailing", "linspace"], config["timestep_spacing"]),
    )
    return Process(path, prediction)


def _shifted(scheduler: Any, steps: int, tokens: int, sigmas: Sigmas | None) -> list[float]:
    """The scheduler's sigmas for a loop, by its own code, its shift included; the clean end, 0, is the last."""
    config: Mapping[str, Any] = scheduler.config
    dynamic = {"mu": _mu(config, tokens)} if config.get("use_dynamic_shifting") else {}
    if sigmas is None and "use_flow_sigmas" in config:  # its pipelines leave them to the scheduler
        scheduler.set_timesteps(steps, **dynamic)
    else:
        given = np.array(sigmas(steps)) if sigmas else np.linspace(1, 1 / steps, steps)
        scheduler.set_timesteps(sigmas=given, **dynamic)
    found = scheduler.sigmas.double()
    return (1 - found if config.get("invert_sigmas") else found).tolist()


def _mu(config: Mapping[str, Any], tokens: int) -> float:
    """The exponent of a shift that grows with the clip: linear in its tokens (Stable Diffusion 3, arXiv 2403.03206)."""
    for key in ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift"):
        _require_number(config, key)
    least, most = config["base_image_seq_len"], config["max_image_seq_len"]
    if not least < most:
        raise InputError(
            f"the model's scheduler has base_image_seq_len={least} and max_image_seq_len={most}: accepted is a maximum "
            "above the base; mend its configuration"
        )
    slope = (config["max_shift"] - config["base_shift"]) / (most - least)
    return config["base_shift"] + slope * (tokens - least)


def _require_number(config: Mapping[str, Any], key: str, above: float = -math.inf) -> None:
    found = config.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float) or not above < found < math.inf:
        bound = f" above {above:g}" if above > -math.inf else ""
        raise InputError(
            f"the model's scheduler has {key}={found!r}: accepted are finite numbers{bound}; mend its configuration"
        )


def _require(config: Mapping[str, Any], key: str, value: object, accepted: tuple[object, ...]) -> None:
    if value not in accepted:
        raise InputError(
            f"the model's scheduler has {key}={value}: accepted is {' or '.join(map(str, accepted))}; mend its "
            "configuration or choose another model="
        )

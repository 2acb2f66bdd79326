"""Training losses: (prediction, target, generator) → scalar."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, mse_loss

from motion_inversion.core.process import Compared
from motion_inversion.core.shape import Latents, Scalar
from motion_inversion.error import InputError

# Below it the printed form's root is held constant: the root's slope is then at most 1 / (2 · 0.01) = 50.
_MOST = 1e6  # of β: its square weighs the loss, which single precision must hold
_RADICAND_FLOOR = 1e-4


@runtime_checkable
class Loss(Protocol):
    """Compares a network's prediction with its target, both latents of any precision, in fp32.

    `generator` feeds the losses that draw something; the others leave it untouched.

    A loss that depends on what networks predict (ε, v, velocity) says by an attribute `on` which it is made for, and is
    given that (see `compared` and `Process.read`).
    """

    def __call__(self, prediction: Latents, target: Latents, generator: torch.Generator) -> Scalar: ...


def compared(loss: Loss) -> Compared:
    """What a loss compares: what it says itself, else predictions as they are."""
    return getattr(loss, "on", "prediction")


@dataclass(frozen=True)
class Mse:
    """Mean squared error, the denoising loss: E (ε̂ − ε)², over clips, channels, frames, rows and columns.

    Of v and of velocity it is the loss that such networks are trained with.
    """

    @property
    def on(self) -> Compared:
        """Predictions as they are."""
        return "prediction"

    def __call__(self, prediction: Latents, target: Latents, generator: torch.Generator) -> Scalar:
        return mse_loss(prediction.float(), target.float())


@dataclass(frozen=True)
class Vmc:
    """Motion distillation of VMC (arXiv 2312.00845; arXiv 2403.20193, eq. 2): 1 − mean cos(δ̂, δ), in [0, 2].

    δ_k = ε_{k+1} − ε_k, or |ε_{k+1} − ε_k| elementwise with `absolute` (then the loss lies in [0, 1]).

    Args:
        axis: What one cosine compares. "frame": the F − 1 differences of one channel of one pixel, as VMC's
            public code does; with two frames and `absolute` that is one non-negative number against another,
            and the loss would be 0 whatever is predicted. "pair": all the differences between two consecutive
            frames, as VMC's paper describes.
        on: Whose differences: those of the predicted "noise", as in the papers; of the "clean" latents, which are
            the motion itself; or of the "prediction" as it is. Only for ε the first and the last are the same.
        absolute: Whether the differences lose their signs, as in VMC's code and Motion Inversion's equation.

    The loss is blind to the scale of the differences and to any offset constant in time. A prediction
    constant in time is a dead point with `absolute` (loss 1, gradient exactly 0); without, its gradient is
    finite but of the order of 1e8, the cosine's clamp.

    Raises:
        InputError: for an unknown axis or tensor; when called, for clips of fewer than two frames, or of two
            where the loss would say nothing.
    """

    axis: Literal["frame", "pair"] = "frame"
    absolute: bool = True
    on: Compared = "noise"

    def __post_init__(self) -> None:
        if self.axis not in ("frame", "pair"):
            raise InputError(f"method.loss.axis={self.axis}: accepted are frame and pair; set method.loss.axis=frame")
        if self.on not in get_args(Compared):
            raise InputError(
                f"method.loss.on={self.on}: accepted are {', '.join(get_args(Compared))}; set method.loss.on=noise"
            )

    def __call__(self, prediction: Latents, target: Latents, generator: torch.Generator) -> Scalar:
        frames = target.shape[2]
        if frames < 2:
            raise InputError(
                f"the vmc loss compares consecutive frames and was given clips of {frames}: "
                "two or more are accepted; set model.frames=8 or loss=mse"
            )
        if frames == 2 and self.axis == "frame" and self.absolute:
            raise InputError(
                "the vmc loss with method.loss.axis=frame and method.loss.absolute=true is 0 for clips of two latent "
                "frames, whatever is predicted: set method.loss.axis=pair, or more model.frames"
            )
        return 1 - cosine_similarity(self._residual(prediction), self._residual(target), dim=2).mean()

    def _residual(self, epsilon: Latents) -> Tensor:
        """The differences, with what one cosine compares along dimension 2."""
        delta = epsilon.float().diff(dim=2)
        if self.absolute:
            delta = delta.abs()
        return delta if self.axis == "frame" else delta.transpose(1, 2).flatten(2)


@dataclass(frozen=True)
class Debiased:
    """Mean squared error plus that of debiased clips (arXiv 2403.20193): E (ε̂ − ε)² + E (φ(ε̂) − φ(ε))².

    With ε_a the anchor frame, φ is one of

    - "linear", as the paper's code: φ(ε)_i = √(β² + 1) ε_i − β ε_a;
    - "printed", as the paper's text: φ(ε)_i = √(β² + ε_i² − β ε_a). The radicand is negative for about 7 % of
      Gaussian noise off the anchor, where the text leaves φ undefined. Here radicands are held at 1e-4 or
      above: below, φ is 0.01 and has zero gradient; above, the root's slope is at most 50. It cannot tell ε_i
      from −ε_i. It is a formula for noise: of v or velocity, the noise that they stand for is compared.

    φ applies to all frames, the anchor included, and gradients flow through the prediction's anchor too. An
    error constant in time weighs (√(β² + 1) − β)² in the linear form, .17 for β = 1: appearance counts less
    than motion.

    Args:
        beta: β ≥ 0. The linear form with β = 0 is twice the mean squared error.
        form: Which φ.
        anchor: The anchor frame's index, or "random": one draw per call, shared by prediction and target and
            by all clips of the batch.

    Raises:
        InputError: for values outside these; when called, for an anchor beyond the clip's last frame.
    """

    beta: float = 1.0
    form: Literal["linear", "printed"] = "linear"
    anchor: Literal["random"] | int = "random"

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= _MOST:
            raise InputError(
                f"method.loss.beta={self.beta}: accepted are numbers from 0 to {_MOST:g}; set method.loss.beta=1"
            )
        if self.form not in ("linear", "printed"):
            raise InputError(
                f"method.loss.form={self.form}: accepted are linear and printed; set method.loss.form=linear"
            )
        if self.anchor != "random" and (not isinstance(self.anchor, int) or self.anchor < 0):
            raise InputError(
                f"method.loss.anchor={self.anchor}: accepted are random and frame indices from 0; "
                "set method.loss.anchor=random"
            )

    @property
    def on(self) -> Compared:
        """Noise for the printed form; the linear one is valid for every prediction."""
        return "prediction" if self.form == "linear" else "noise"

    def __call__(self, prediction: Latents, target: Latents, generator: torch.Generator) -> Scalar:
        prediction, target = prediction.float(), target.float()
        anchor = self._index(target.shape[2], generator)
        debiased = mse_loss(self.debias(prediction, anchor), self.debias(target, anchor))
        return mse_loss(prediction, target) + debiased

    def debias(self, epsilon: Latents, anchor: int) -> Latents:
        """φ(ε) with the frame `anchor` as ε_a."""
        reference = epsilon[:, :, anchor : anchor + 1]
        if self.form == "linear":
            return math.sqrt(self.beta**2 + 1) * epsilon - self.beta * reference
        return (self.beta**2 + epsilon.square() - self.beta * reference).clamp(min=_RADICAND_FLOOR).sqrt()

    def _index(self, frames: int, generator: torch.Generator) -> int:
        if self.anchor == "random":
            return int(torch.randint(frames, (1,), generator=generator, device=generator.device))
        if self.anchor >= frames:
            raise InputError(
                f"method.loss.anchor={self.anchor}: accepted are random and, in clips of {frames} frames, "
                f"0 to {frames - 1}; set method.loss.anchor=random"
            )
        return self.anchor

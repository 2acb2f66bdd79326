"""What clip lengths and sizes a model takes: how its autoencoder and its patches divide them."""

import math
from dataclasses import dataclass
from typing import Literal

from motion_inversion.error import InputError

MOST_FRAMES = 1024


@dataclass(frozen=True)
class Compression:
    """How many frames and pixels are one latent, and how many latents one token of the network.

    Args:
        time: Frames to a latent frame.
        space: Pixels of a side to a latent row or column.
        patch: Latent frames, rows and columns to a token.
        first: Whether the first frame of a clip has a latent frame of its own, as in causal autoencoders: "alone":
            lengths are time·k + 1; "joined": time·k; "odd": only where latent frames are odd in number, as the
            autoencoder decodes them by twos: lengths are 2·time·k and 2·time·k + 1.
    """

    time: int = 1
    space: int = 8
    patch: tuple[int, int, int] = (1, 1, 1)
    first: Literal["alone", "joined", "odd"] = "joined"

    def __post_init__(self) -> None:
        for key in ("time", "space"):
            if (given := getattr(self, key)) < 1:
                raise InputError(f"model.family.{key}={given}: at least 1 is needed; drop it for the family's own")

    @property
    def multiple(self) -> int:
        """What width and height are multiples of, in pixels."""
        return self.space * max(self.patch[1:])

    def latent_frames(self, frames: int) -> int | None:
        """How many latent frames a clip has; None if the autoencoder or the patches would drop some of its frames."""
        whole, rest = divmod(frames, self.time)
        even = whole % 2 == 0 or self.first != "odd" or self.time == 1
        if rest == 0 and even and (self.first != "alone" or self.time == 1):
            count = whole
        elif rest == 1 and even and self.first != "joined":
            count = whole + 1
        else:
            return None
        return count if count % self.patch[0] == 0 else None

    def latents(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """Frames, rows and columns of the latents of a clip whose size passed `check`."""
        count = self.latent_frames(frames)
        assert count is not None
        return count, height // self.space, width // self.space

    def tokens(self, latents: tuple[int, int, int]) -> tuple[int, int, int]:
        """Frames, rows and columns of tokens of so many latents."""
        frames, rows, columns = (size // patch for size, patch in zip(latents, self.patch, strict=True))
        return frames, rows, columns

    def check(self, frames: int, width: int, height: int) -> None:
        """Raises InputError, with the nearest that are accepted, for what would be cut, padded or dropped unsaid."""
        for side, value in (("width", width), ("height", height)):
            if value < self.multiple or value % self.multiple:
                near = max(self.multiple, round(value / self.multiple) * self.multiple)
                raise InputError(
                    f"model.{side}={value}: accepted are multiples of {self.multiple}; set model.{side}={near}"
                )
        if frames < 2:
            raise InputError(
                f"model.frames={frames}: motion takes at least 2 frames; set model.frames={self._above(16)}"
            )
        if (self.latent_frames(frames) or 0) < 2:
            rule = self._rule()
            around = (self._below(frames), self._above(frames))
            near = [str(count) for count in around if count and count <= MOST_FRAMES]
            raise InputError(
                f"model.frames={frames}: this model's autoencoder takes {rule} frames, two latent ones at least, and "
                f"would lose some; nearest are {' and '.join(near)}; set model.frames={near[-1]}"
            )

    def _rule(self) -> str:
        if self.first == "odd":
            factor = self.time * math.lcm(2, self.patch[0])
            return f"{factor}k or {factor}k+1" if self.patch[0] == 1 else f"{factor}k"
        factor = self.time * self.patch[0]
        alone = f"{factor}k+1" if self.patch[0] == 1 else f"{factor}k+{factor - self.time + 1}"
        return alone if self.first == "alone" else f"{factor}k"

    def _above(self, frames: int) -> int:
        while (self.latent_frames(frames) or 0) < 2:
            frames += 1
        return frames

    def _below(self, frames: int) -> int | None:
        return next((count for count in range(frames, 1, -1) if (self.latent_frames(count) or 0) >= 2), None)

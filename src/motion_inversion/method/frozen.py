"""No customisation: the frozen model alone, which every table compares with."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.shape import Latents
from motion_inversion.method.method import Fitting, Reference, Request, sample_guided


@dataclass(frozen=True)
class Frozen:
    """The model as it is; what the initial noise carries of the reference is all it knows of it."""

    name: ClassVar[str] = "none"
    fits: ClassVar[bool] = False
    state_file: ClassVar[str] = ""
    at_sampling: ClassVar[frozenset[str]] = frozenset()
    reads_control_maps: ClassVar[bool] = False
    appearance_invariant: ClassVar[bool] = False

    def require(self, model: Backbone) -> None:
        """Any model will do."""

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """There is nothing to learn; never called, since `fits` is False."""
        raise NotImplementedError("method=none has nothing to fit")

    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Plain guided sampling."""
        return sample_guided(model, noise, request)

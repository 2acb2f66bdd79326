"""Points tracked jointly by CoTracker, whose code and weights are the user's to fetch."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Le
from jaxtyping import Float, UInt8

from motion_inversion.core.trajectory import Tracks
from motion_inversion.error import InputError
from motion_inversion.metric.weight_file import short_sha256

_TRACKER = "metric.motion_fidelity.tracker"

_PUBLISHED = "facebookresearch/co-tracker"


@dataclass(frozen=True)
class CoTracker:
    """A predictor of the CoTracker repository, by its torch.hub entry point.

    `cotracker3_offline` is CoTracker3 (arXiv 2410.11831), which sees the whole clip at once; `cotracker_w8` is the
    first CoTracker (arXiv 2307.07635) with the weights stride_4_wind_8. Loading runs the repository's code.

    Args:
        entrypoint: Name in the repository's hubconf.py.
        repo: Folder with a copy of the repository, or its name on GitHub with a tag or branch after a colon,
            fetched once.
        checkpoint: File of weights; None for those that the entry point fetches itself.
        grid: Points per side of the square grid on the first frame.

    Raises:
        InputError: for a grid below 2, or another repository of GitHub than the published one, whose code would run.
    """

    entrypoint: str = "cotracker3_offline"
    repo: str = _PUBLISHED
    checkpoint: str | None = None
    grid: Annotated[int, Le(1000)] = 55

    def __post_init__(self) -> None:
        if self.grid < 2:
            raise InputError(f"grid={self.grid}: accepted are 2 and more; {_TRACKER}.grid=55")
        if not Path(self.repo).is_dir() and self.repo.partition(":")[0] != _PUBLISHED:
            raise InputError(
                f"{_TRACKER}.repo={self.repo} is no folder, and of GitHub only {_PUBLISHED} is accepted, as its code "
                f"is run; clone the repository and set {_TRACKER}.repo=/path/to/co-tracker"
            )

    def version(self) -> str:
        """Entry point, grid, and the checksum of the weights or that they are the published ones.

        Raises:
            InputError: for a checkpoint that can't be read.
        """
        weights = (
            short_sha256(self.checkpoint, f"{_TRACKER}.checkpoint=/path/to/it") if self.checkpoint else "published"
        )
        return f"{self.entrypoint} grid={self.grid} {weights}"

    def load(self, device: torch.device | str) -> "LoadedCoTracker":
        """Fetches what is missing and reads the weights.

        Raises:
            InputError: if the repository, a package that it needs, or the weights are absent or don't fit.
        """
        hub: Any = torch.hub  # whose stubs know no trust but a string
        here = Path(self.repo).is_dir()
        _forget_package()
        try:
            predictor = hub.load(
                self.repo,
                self.entrypoint,
                source="local" if here else "github",
                trust_repo=True,
                skip_validation=True,
                verbose=False,
                pretrained=self.checkpoint is None,
            )
            if self.checkpoint is not None:
                weights = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
                predictor.model.load_state_dict(weights.get("model", weights))
        except Exception as error:  # the hub, the repository and the file formats share no type of exception
            what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            weights = self.checkpoint or "its published weights"
            raise InputError(
                f"can't load CoTracker's {self.entrypoint} from {self.repo} with {weights} ({what}); it needs the "
                f"packages einops and timm, {_TRACKER}.repo=/path/to/co-tracker and "
                f"{_TRACKER}.checkpoint=/path/to/weights.pth, or choose tracker=dis"
            ) from error
        return LoadedCoTracker(predictor.eval().to(device), device, self.grid)


@dataclass(frozen=True, eq=False)
class LoadedCoTracker:
    """A predictor in memory.

    Args:
        predictor: (1, t, 3, h, w) in [0, 255], grid_size or queries (1, n, 3) → tracks (1, t, n, 2) in pixels,
            visibility (1, t, n). A query is the number of a frame, column and row.
        device: Where it is.
        grid: Points per side.
    """

    predictor: Any
    device: torch.device | str
    grid: int

    @torch.no_grad()
    def __call__(self, video: UInt8[np.ndarray, "f h w 3"], points: Float[np.ndarray, "n 2"] | None = None) -> Tracks:
        """The tracks of an 8-bit RGB clip, of the grid or of `points` of the first frame, in pixels.

        Raises:
            InputError: for a single frame.
        """
        if len(video) < 2:
            raise InputError("1 frame: CoTracker accepts 2 and more; set model.frames=8")
        clip = torch.from_numpy(np.ascontiguousarray(video)).to(self.device).permute(0, 3, 1, 2)[None].float()
        asked: dict[str, Any] = {"grid_size": self.grid}
        if points is not None:  # each as the number of its frame, column and row
            asked = {"queries": torch.from_numpy(np.pad(points, ((0, 0), (1, 0)))).float().to(self.device)[None]}
        paths, visible = self.predictor(clip, **asked)
        return Tracks(paths[0].transpose(0, 1).float().cpu(), (visible[0].T > 0.5).cpu())


def _forget_package() -> None:
    # Each release calls its package "cotracker": another one's, loaded before, would be taken for it.
    for name in [name for name in sys.modules if name.partition(".")[0] == "cotracker"]:
        del sys.modules[name]

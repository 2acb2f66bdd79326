"""Motion fidelity: how well the point tracks of a generated clip agree with those of its source clip."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import torch
from annotated_types import Ge
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from motion_inversion.error import InputError

# Rows of the track × track matrix held at a time: 512 × 3,025 doubles are 12 MB.
_ROWS = 512

# Pixels; displacements count as this long at least, so that a still step has cosine 0 with any.
_EPS = 1e-6


@dataclass(frozen=True, eq=False)
class Tracks:
    """Where n points of a clip are in each of its t frames.

    Args:
        points: Column and row in pixels. Any that isn't finite counts as invisible.
        visible: Which points are seen; None if all are.

    Raises:
        InputError: without a track, or for a single frame.
    """

    points: Float[Tensor, "n t 2"]
    visible: Bool[Tensor, "n t"] | None = None

    def __post_init__(self) -> None:
        count, frames, _ = self.points.shape
        if count < 1 or frames < 2:
            raise InputError(
                f"{count} tracks over {frames} frames: at least one track and two frames are needed; "
                "drop metric.motion_fidelity.tracker.grid or set model.frames=8"
            )

    @classmethod
    def cat(cls, parts: Sequence["Tracks"]) -> "Tracks":
        """The tracks of all parts, of equally many frames; where one knows no visibility, all is seen."""
        seen = [
            torch.ones(each.points.shape[:2], dtype=torch.bool) if each.visible is None else each.visible.cpu()
            for each in parts
        ]
        return cls(torch.cat([each.points.cpu().double() for each in parts]), torch.cat(seen))

    def steps(self) -> tuple[Float[Tensor, "n s 2"], Bool[Tensor, "n s"]]:
        """Displacements between consecutive frames, and which are valid: seen at both ends. Others are 0."""
        points = self.points.to("cpu", torch.float64)
        seen = points.isfinite().all(-1)
        if self.visible is not None:
            seen &= self.visible.cpu()
        valid = seen[:, 1:] & seen[:, :-1]
        return torch.where(valid[..., None], points.diff(dim=1), 0), valid

    def extent(self) -> Float[Tensor, " n"]:
        """The diagonal in pixels of the box around each track's valid steps; 0 for a track without any."""
        points = self.points.to("cpu", torch.float64)
        _, valid = self.steps()
        used = (pad(valid, (0, 1)) | pad(valid, (1, 0)))[..., None]
        lowest = points.where(used, torch.inf).amin(1)
        highest = points.where(used, -torch.inf).amax(1)
        return (highest - lowest).clamp(min=0).norm(dim=-1)


@runtime_checkable
class Fidelity(Protocol):
    """A named, versioned definition of motion fidelity, (source, generated, diagonal) → score, NaN if there is none.

    Both clips' tracks are in the pixels of one frame size, whose diagonal is `diagonal`: squeezing one of two
    clips changes its directions. They may differ in number but not in frames. Scores compare the directions
    of steps at equal times: they know nothing of speed and of where in the frame something moves.

    without: Why a clip has no score, and what would give it one.

    Raises:
        InputError: for clips of different frame counts.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool]
    lower: ClassVar[float]
    upper: ClassVar[float]
    without: ClassVar[str]

    def __call__(self, source: Tracks, generated: Tracks, diagonal: float) -> float: ...

    def counted(self, tracks: Tracks, diagonal: float) -> Bool[Tensor, " n"]:
        """Which tracks the score is made of."""
        ...


@dataclass(frozen=True, eq=False)
class _Features:
    """Tracks as rows such that agreement = (row · row') / (number of steps valid in both)."""

    rows: Float[Tensor, "n k"]
    valid: Float[Tensor, "n s"]


@dataclass(frozen=True)
class Bidirectional:
    """How well moving tracks find a partner that moves alike, averaged over both directions.

    Two tracks agree in a step by the cosine of their displacements, by 1 if both rest, by 0 if one does, and
    overall by the mean over the steps valid in both. Each moving track of either clip takes its best partner
    among the other's moving tracks, or is left out if it shares half the clip's steps with none; the score is the mean
    of both clips' means. Without a moving track of the source there is no motion to be true to, and no score: NaN.
    A still clip beside a moving source scores 0, as does one without steps to compare.

    Args:
        step_threshold: A track moves in a step if it goes further than this fraction of the frame's diagonal:
            .2 pixels at 576 × 320, the jitter of trackers.
        track_threshold: A track moves if it does in some step and the diagonal of the box around it is longer
            than this fraction of the frame's: 6.6 pixels at 576 × 320.

    Raises:
        InputError: for a negative threshold.
    """

    name: ClassVar[str] = "bidirectional_v2"
    higher_is_better: ClassVar[bool] = True
    lower: ClassVar[float] = -1.0
    upper: ClassVar[float] = 1.0
    without: ClassVar[str] = (
        "no track of the reference moves far enough to have a direction; take more of its time with a larger stride or "
        "fewer frames a second (dataset.stride=4), or another clip"
    )

    step_threshold: Annotated[float, Ge(0)] = 3e-4
    track_threshold: Annotated[float, Ge(0)] = 1e-2

    def __post_init__(self) -> None:
        if not (self.step_threshold >= 0 and self.track_threshold >= 0):
            raise InputError(
                f"step_threshold={self.step_threshold}, track_threshold={self.track_threshold}: accepted are "
                "fractions of the frame's diagonal from 0; leave them out for the defaults"
            )

    def __call__(self, source: Tracks, generated: Tracks, diagonal: float) -> float:
        _check_frames(source, generated)
        ours, theirs = self._moving(source, diagonal), self._moving(generated, diagonal)
        if not len(ours.rows):
            return math.nan
        if not len(theirs.rows):
            return 0.0
        best_of_ours, best_of_theirs = _best(ours, theirs)
        return (_mean(best_of_ours) + _mean(best_of_theirs)) / 2

    def counted(self, tracks: Tracks, diagonal: float) -> Bool[Tensor, " n"]:
        """The tracks that move."""
        steps, _ = tracks.steps()
        moves = steps.norm(dim=-1) > self.step_threshold * diagonal
        return moves.any(1) & (tracks.extent() > self.track_threshold * diagonal)

    def _moving(self, tracks: Tracks, diagonal: float) -> _Features:
        """The moving tracks; a resting step has a coordinate of its own in place of a direction."""
        steps, valid = tracks.steps()
        length = steps.norm(dim=-1)
        moves = length > self.step_threshold * diagonal
        direction = torch.where(moves[..., None], steps / length[..., None], 0)
        rests = valid & ~moves
        kept = self.counted(tracks, diagonal)
        features = torch.cat([direction.flatten(1), rests.to(steps.dtype)], dim=1)
        return _Features(features[kept], valid[kept].to(steps.dtype))


class _EveryTrack:
    """What the published definitions share: they are made of all tracks, moving or not."""

    without: ClassVar[str] = (
        "a point rests between two frames, where this definition divides by nothing; choose fidelity=bidirectional"
    )

    def counted(self, tracks: Tracks, diagonal: float) -> Bool[Tensor, " n"]:
        """All tracks."""
        return torch.ones(len(tracks.points), dtype=torch.bool)


@dataclass(frozen=True)
class OneWay(_EveryTrack):
    """Mean over the generated tracks of the best agreement with a source track: `DmtSum`'s first term.

    It doesn't notice source motion that the generated clip lacks. Agreement is the mean cosine over the steps
    valid in both tracks, 0 where one rests: a clip with still tracks scores below 1 against itself.
    """

    name: ClassVar[str] = "one_way_v1"
    higher_is_better: ClassVar[bool] = True
    lower: ClassVar[float] = -1.0
    upper: ClassVar[float] = 1.0

    def __call__(self, source: Tracks, generated: Tracks, diagonal: float) -> float:
        _check_frames(source, generated)
        best, _ = _best(_directions(generated, _EPS), _directions(source, _EPS))
        return _mean(best)


@dataclass(frozen=True)
class DmtSum(_EveryTrack):
    """Motion fidelity as DMT's paper prints it (arXiv 2311.17009): the sum of both directions.

    1/m Σ_τ̃ max_τ corr(τ, τ̃) + 1/n Σ_τ max_τ̃ corr(τ, τ̃), with the agreement of `OneWay` as corr. The paper
    takes all points as visible: give tracks without visibility to follow it.
    """

    name: ClassVar[str] = "dmt_sum_v1"
    higher_is_better: ClassVar[bool] = True
    lower: ClassVar[float] = -2.0
    upper: ClassVar[float] = 2.0

    def __call__(self, source: Tracks, generated: Tracks, diagonal: float) -> float:
        _check_frames(source, generated)
        best_of_generated, best_of_source = _best(_directions(generated, _EPS), _directions(source, _EPS))
        return _mean(best_of_generated) + _mean(best_of_source)


@dataclass(frozen=True)
class DmtCode(_EveryTrack):
    """Motion fidelity as DMT's public script computes it, defects included, to compare with its numbers.

    Mean over the generated tracks of max over the source tracks of corr − [same index]. The subtracted
    identity keeps a clip from matching itself: one track against itself scores 0. Visibility is ignored, and
    a track still in a single step makes the score NaN.

    Raises:
        InputError: unless both clips have equally many tracks and frames.
    """

    name: ClassVar[str] = "dmt_code_v1"
    higher_is_better: ClassVar[bool] = True
    lower: ClassVar[float] = -2.0
    upper: ClassVar[float] = 1.0

    def __call__(self, source: Tracks, generated: Tracks, diagonal: float) -> float:
        _check_frames(source, generated)
        if len(source.points) != len(generated.points):
            raise InputError(
                f"{len(source.points)} source and {len(generated.points)} generated tracks: {self.name} "
                "takes equal counts; track both on the same grid or choose another motion fidelity"
            )
        ours, theirs = (_directions(Tracks(clip.points), eps=0.0).rows for clip in (source, generated))
        best = []
        for start in range(0, len(theirs), _ROWS):
            agreement = theirs[start : start + _ROWS] @ ours.T / (source.points.shape[1] - 1)
            agreement.diagonal(start).sub_(1)
            best.append(agreement.amax(1))
        return float(torch.cat(best).mean())


def _directions(tracks: Tracks, eps: float) -> _Features:
    """Displacements over their lengths; a still step has no direction, NaN, if eps is 0."""
    steps, valid = tracks.steps()
    direction = steps / steps.norm(dim=-1, keepdim=True).clamp(min=eps)
    return _Features(direction.flatten(1), valid.to(steps.dtype))


def _best(ours: _Features, theirs: _Features) -> tuple[Float[Tensor, " n"], Float[Tensor, " m"]]:
    """Each track's best agreement with a track of the other clip, −∞ if it can be compared with none.

    Two tracks can be compared if at least half of the clip's steps are valid in both: a track seen for a step or
    two agrees with nearly anything, and would let unrelated clips pass for alike.
    """
    enough = ours.valid.shape[1] / 2
    best_of_ours = []
    best_of_theirs = torch.full((len(theirs.rows),), -torch.inf, dtype=theirs.rows.dtype)
    for rows, valid in zip(ours.rows.split(_ROWS), ours.valid.split(_ROWS), strict=True):
        shared = valid @ theirs.valid.T
        agreement = (rows @ theirs.rows.T / shared).where(shared >= enough, -torch.inf)
        best_of_ours.append(agreement.amax(1))
        best_of_theirs = torch.maximum(best_of_theirs, agreement.amax(0))
    return torch.cat(best_of_ours), best_of_theirs


def _mean(best: Float[Tensor, " n"]) -> float:
    """The mean over the tracks that have a partner, 0 if none has; rounding kept within [−1, 1]."""
    matched = best[best > -torch.inf]
    return float(matched.clamp(-1, 1).mean()) if len(matched) else 0.0


def _check_frames(source: Tracks, generated: Tracks) -> None:
    ours, theirs = source.points.shape[1], generated.points.shape[1]
    if ours != theirs:
        raise InputError(
            f"the source clip has {ours} frames and the generated one {theirs}: motion fidelity accepts "
            f"equal counts only; set model.frames={theirs}"
        )

"""Motion fidelity with a tracker whose tracks are written into the clips, and with DIS."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_inversion.core.trajectory import Bidirectional, DmtCode, DmtSum, OneWay, Tracks
from motion_inversion.error import InputError
from motion_inversion.metric.metric import Metric, NoScoreError
from motion_inversion.metric.motion_fidelity import MotionFidelity, thin
from motion_inversion.metric.sample import Sample
from motion_inversion.metric.tracker.dis import Dis

RIGHT, LEFT, UP = (5, 0), (-5, 0), (0, -5)


@dataclass(frozen=True)
class Written:
    """One track per clip, that of its brightest spot; counts its calls."""

    calls: list[tuple[int, ...]] = field(default_factory=list)

    def version(self) -> str:
        return "written"

    def load(self, device: torch.device | str) -> "Written":
        return self

    def __call__(self, video: np.ndarray, points: np.ndarray | None = None) -> Tracks:
        self.calls.append(video.shape)
        weight = (video[..., 0] > 0).astype(float)
        rows, columns = np.mgrid[: video.shape[1], : video.shape[2]]
        centre = [(weight * axis).sum(axis=(1, 2)) / weight.sum(axis=(1, 2)) for axis in (columns, rows)]
        return Tracks(torch.tensor(np.stack(centre, axis=-1))[None])


def spot(way: tuple[int, int], frames: int = 4, size: int = 64) -> np.ndarray:
    """A bright square of 4 × 4 that moves from the middle."""
    video = np.zeros((frames, size, size, 3), dtype=np.uint8)
    for index in range(frames):
        column, row = size // 2 + index * way[0], size // 2 + index * way[1]
        video[index, row : row + 4, column : column + 4] = 255
    return video


def path(places: list[tuple[int, int]], size: int = 64) -> np.ndarray:
    """A bright square of 4 × 4 at these places, counted from the middle."""
    video = np.zeros((len(places), size, size, 3), dtype=np.uint8)
    for frame, (right, down) in zip(video, places, strict=True):
        frame[size // 2 + down : size // 2 + down + 4, size // 2 + right : size // 2 + right + 4] = 255
    return video


@pytest.fixture
def metric() -> MotionFidelity:
    metric = MotionFidelity(tracker=Written())
    metric.load("cpu")
    return metric


@pytest.mark.parametrize(("way", "expected"), [(RIGHT, 1.0), (LEFT, -1.0), (UP, 0.0), ((5, 5), 0.5**0.5)])
def test_straight_motion_scores_the_cosine_of_its_angle(
    metric: MotionFidelity, way: tuple[int, int], expected: float
) -> None:
    metric.update(Sample(spot(way), spot(RIGHT), "a bear walking", ""))
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-6)


def test_samples_are_averaged_until_reset(metric: MotionFidelity) -> None:
    for way in (RIGHT, UP):
        metric.update(Sample(spot(way), spot(RIGHT), "", ""))
    assert float(metric.compute()) == pytest.approx(0.5, abs=1e-6)
    metric.reset()
    metric.update(Sample(spot(LEFT), spot(RIGHT), "", ""))
    assert float(metric.compute()) == pytest.approx(-1, abs=1e-6)


def test_a_squeezed_reference_is_compared_at_the_generated_size(metric: MotionFidelity) -> None:
    squeezed = np.stack([cv2.resize(frame, (32, 64), interpolation=cv2.INTER_AREA) for frame in spot((5, 5))])
    metric.update(Sample(spot((5, 5)), squeezed, "", ""))
    assert float(metric.compute()) == pytest.approx(1, abs=1e-3)


def test_a_reference_is_tracked_once(metric: MotionFidelity) -> None:
    for way in (RIGHT, UP, LEFT):
        metric.update(Sample(spot(way), spot(RIGHT).copy(), "", ""))
    assert isinstance(metric.tracker, Written)
    assert len(metric.tracker.calls) == 1 + 3
    metric.update(Sample(spot(UP), spot((4, 0)), "", ""))
    assert len(metric.tracker.calls) == 1 + 3 + 2


def test_few_references_are_kept(metric: MotionFidelity) -> None:
    for column in range(1, 9):
        metric.update(Sample(spot(UP), spot((column, 0)), "", ""))
    assert isinstance(metric.tracker, Written)
    before = len(metric.tracker.calls)
    for column in (8, 1):
        metric.update(Sample(spot(UP), spot((column, 0)), "", ""))
    # The generated clip twice, and of the references the one that was dropped.
    assert len(metric.tracker.calls) - before == 3


def test_clips_of_one_rate_of_frames_are_compared_frame_by_frame(metric: MotionFidelity) -> None:
    metric.update(Sample(spot((4, 0)), spot(RIGHT), "", "", 30.0, 29.97))
    assert isinstance(metric.tracker, Written)
    assert [shape[0] for shape in metric.tracker.calls] == [4, 4]


@pytest.mark.parametrize("swapped", [False, True])
def test_the_faster_clip_is_thinned_out(metric: MotionFidelity, swapped: bool) -> None:
    """One path, right and then up, of half a second: 4 frames at 8 a second, 8 at 16."""
    slow = path([(0, 0), (8, 0), (16, 0), (16, -8)])
    fast = path([(0, 0), (4, 0), (8, 0), (12, 0), (16, 0), (16, -4), (16, -8), (16, -12)])
    clips, rates = ((fast, slow), (16.0, 8.0)) if swapped else ((slow, fast), (8.0, 16.0))
    metric.update(Sample(*clips, "", "", *rates))
    assert isinstance(metric.tracker, Written)
    assert [shape[0] for shape in metric.tracker.calls] == [4, 4]
    assert float(metric.compute()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("frames", "fps", "wanted", "kept"),
    [
        (4, 8.0, 8.0, [0, 1, 2, 3]),
        (4, 8.0, 7.992, [0, 1, 2, 3]),
        (6, 24.0, 8.0, [0, 3]),
        # Times 0, 1/8, … of frames at 0, 1/12, …: 0, 1.5, 3, 4.5, 6, 7.5, halves rounded up.
        (9, 12.0, 8.0, [0, 2, 3, 5, 6, 8]),
    ],
)
def test_the_nearest_frames_are_kept(frames: int, fps: float, wanted: float, kept: list[int]) -> None:
    video = np.arange(frames, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    assert thin(video, fps, wanted)[:, 0, 0, 0].tolist() == kept


@given(count=st.integers(1, 40), slow=st.integers(1, 60), fast=st.integers(1, 60))
@settings(max_examples=25, deadline=None)
def test_clips_of_one_duration_get_equal_counts(count: int, slow: int, fast: int) -> None:
    slow, fast = sorted((slow, fast))
    # `count` seconds.
    video = np.zeros((count * fast, 1, 1, 3), dtype=np.uint8)
    assert len(thin(video, float(fast), float(slow))) == count * slow


def test_clips_of_one_rate_and_unequal_durations_are_refused(metric: MotionFidelity) -> None:
    with pytest.raises(InputError, match="4 frames.* 6"):
        metric.update(Sample(spot(UP, frames=6), spot(UP, frames=8), "", "", 8.0, 16.0))


def test_unequal_and_single_frames_are_refused(metric: MotionFidelity) -> None:
    with pytest.raises(InputError, match="6 frames.* 4"):
        metric.update(Sample(spot(UP, frames=4), spot(UP, frames=6), "", ""))
    with pytest.raises(InputError, match="two frames"):
        metric.update(Sample(spot(UP, frames=1), spot(UP, frames=1), "", ""))


def test_range_and_version_are_those_of_variant_and_tracker() -> None:
    metric: Metric = MotionFidelity(DmtSum(), Dis(grid=8))
    assert (metric.name, metric.higher_is_better, metric.lower, metric.upper) == (
        "motion_fidelity",
        True,
        -2,
        2,
    )
    assert metric.version() == f"dmt_sum_v1 {DmtSum()} dis_v1 Dis(grid=8)"
    variants = (OneWay(), Bidirectional(), Bidirectional(step_threshold=0.1))
    assert len({MotionFidelity(variant).version() for variant in variants}) == 3


def test_building_loads_nothing_and_update_asks_for_load() -> None:
    with pytest.raises(RuntimeError, match="load"):
        MotionFidelity().update(Sample(spot(UP), spot(UP), "", ""))


def test_dis_tells_directions_apart_by_default() -> None:
    metric = MotionFidelity()
    metric.load("cpu")
    scores = []
    for way in (RIGHT, LEFT):
        metric.reset()
        metric.update(Sample(spot(way), spot(RIGHT), "", ""))
        scores.append(float(metric.compute()))
    assert scores[0] == pytest.approx(1, abs=1e-6)
    assert scores[1] < -0.5


def textured(height: int, width: int) -> np.ndarray:
    """A picture of soft patches, with something to follow everywhere."""
    patches = np.random.default_rng(0).integers(90, 160, (height // 8, width // 8, 3)).astype(np.uint8)
    return cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)


def pan(step: float, frames: int = 16) -> np.ndarray:
    """A camera that pans over a textured plane, so many pixels a frame of 192 × 160."""
    plane = textured(200, 400)
    moves = [np.array([[1, 0, -100 - step * k], [0, 1, -20]], np.float32) for k in range(frames)]
    return np.stack([cv2.warpAffine(plane, move, (192, 160), flags=cv2.INTER_CUBIC) for move in moves])


def small(way: tuple[int, int], side: int = 6) -> np.ndarray:
    """A bright square that moves over a still ground of 256 × 192, between the points of a grid or on a few of them."""
    video = np.stack([textured(192, 256)] * 9)
    for k, frame in enumerate(video):
        row, column = 96 + way[1] * k, 128 + way[0] * k
        frame[row : row + side, column : column + side] = (250, 240, 60)
    return video


@pytest.fixture(scope="module")
def dis() -> MotionFidelity:
    metric = MotionFidelity(tracker=Dis(grid=16))
    metric.load("cpu")
    return metric


@pytest.mark.parametrize("generated", [0.0, 0.1, -0.1, -2.0])
def test_a_reference_that_hardly_moves_gives_no_score(dis: MotionFidelity, generated: float) -> None:
    """Neither a frozen clip nor the opposite motion is true to a pan of 1.5 pixels in 16 frames."""
    with pytest.raises(NoScoreError, match=r"no track of the reference moves far .*dataset\.stride=4.*another"):
        dis.score(Sample(pan(generated), pan(0.1), "", ""))


def test_a_slow_pan_above_the_threshold_has_one(dis: MotionFidelity) -> None:
    scores = [dis.score(Sample(pan(step), pan(0.5), "", "")) for step in (0.5, -0.5, 0.0, 2.0)]
    assert scores[0] == pytest.approx(1)
    assert scores[1] < -0.9
    assert scores[2] == 0
    assert scores[3] > 0.95


def test_a_small_object_on_a_still_ground_is_scored_by_its_tracks(dis: MotionFidelity) -> None:
    same, opposite, across, frozen = (
        dis.score(Sample(small(way), small((3, 0)), "", "")) for way in ((3, 0), (-3, 0), (0, 3), (0, 0))
    )
    assert same == pytest.approx(1)
    assert opposite < -0.2
    assert abs(across) < 0.4
    assert frozen == 0


def test_a_point_at_rest_leaves_the_public_code_without_a_score() -> None:
    metric = MotionFidelity(DmtCode(), Written())
    metric.load("cpu")
    with pytest.raises(NoScoreError, match="a point rests.*fidelity=bidirectional"):
        metric.score(Sample(spot((0, 0)), spot(RIGHT), "", ""))

"""Motion fidelity: hand-calculated tracks, hidden points and refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_inversion.core.seed import generator
from motion_inversion.core.trajectory import Bidirectional, DmtCode, DmtSum, Fidelity, OneWay, Tracks
from motion_inversion.error import InputError

DIAGONAL = math.hypot(576, 320)
RIGHT, LEFT, UP, STILL = (4.0, 0.0), (-4.0, 0.0), (0.0, -4.0), (0.0, 0.0)
ALL: list[Fidelity] = [Bidirectional(), OneWay(), DmtSum(), DmtCode()]
CLEAN: list[Fidelity] = [Bidirectional(), OneWay(), DmtSum()]


def straight(*velocities: tuple[float, float], frames: int = 8) -> Tracks:
    """One track per velocity, in pixels per frame, from different places."""
    start = torch.arange(2.0 * len(velocities)).view(-1, 1, 2)
    return Tracks(start + torch.arange(frames).view(1, -1, 1) * torch.tensor(velocities)[:, None])


def rotated(tracks: Tracks, angle: float) -> Tracks:
    c, s = math.cos(angle), math.sin(angle)
    return Tracks(tracks.points @ torch.tensor([[c, s], [-s, c]]))


def score(fidelity: Fidelity, source: Tracks, generated: Tracks) -> float:
    return fidelity(source, generated, DIAGONAL)


@pytest.mark.parametrize(
    ("generated", "expected"), [((RIGHT,), 1.0), ((LEFT,), -1.0), ((UP,), 0.0), (((12.0, 0.0),), 1.0)]
)
def test_straight_motions(generated, expected: float) -> None:
    source, clip = straight(RIGHT), straight(*generated)
    assert score(Bidirectional(), source, clip) == pytest.approx(expected, abs=1e-9)
    assert score(OneWay(), source, clip) == pytest.approx(expected, abs=1e-9)
    assert score(DmtSum(), source, clip) == pytest.approx(2 * expected, abs=1e-9)
    assert score(DmtCode(), source, clip) == pytest.approx(expected - 1, abs=1e-9)


def test_one_direction_misses_what_the_source_alone_has() -> None:
    both, right = straight(RIGHT, UP), straight(RIGHT, RIGHT)
    assert score(OneWay(), source=both, generated=right) == pytest.approx(1)
    assert score(OneWay(), source=right, generated=both) == pytest.approx(0.5)
    assert score(DmtSum(), both, right) == pytest.approx(1.5)
    assert score(Bidirectional(), both, right) == pytest.approx(0.75)


def test_the_public_codes_identity() -> None:
    assert score(DmtCode(), straight(RIGHT), straight(RIGHT)) == pytest.approx(0)
    uniform = straight(*[RIGHT] * 49)
    assert score(DmtCode(), uniform, uniform) == pytest.approx(1)
    assert score(DmtCode(), uniform, straight(*[LEFT] * 49)) == pytest.approx(-1)


def test_a_repeated_position() -> None:
    points = straight(RIGHT).points.clone()
    points[:, 4:] -= points[:, 4:5] - points[:, 3:4]
    paused = Tracks(points)
    assert math.isnan(score(DmtCode(), paused, paused))
    assert score(OneWay(), paused, paused) == pytest.approx(6 / 7)
    assert score(DmtSum(), paused, paused) == pytest.approx(12 / 7)
    # Both rest in that step, and agree; against one that goes on they do not.
    assert score(Bidirectional(), paused, paused) == pytest.approx(1)
    assert score(Bidirectional(), paused, straight(RIGHT)) == pytest.approx(6 / 7)
    assert score(Bidirectional(step_threshold=0.0), paused, paused) == pytest.approx(1)


def test_a_still_source_gives_no_score_and_a_still_clip_none_of_its_motion() -> None:
    still, moving = straight(STILL, STILL), straight(RIGHT, UP)
    assert math.isnan(score(Bidirectional(), still, still))
    assert math.isnan(score(Bidirectional(), still, moving))
    assert score(Bidirectional(), moving, still) == 0
    for fidelity in (OneWay(), DmtSum()):
        assert score(fidelity, still, still) == score(fidelity, still, moving) == 0


def test_only_moving_tracks_count() -> None:
    # An object reversed over a still background: the background doesn't help, jittering or not.
    background = [STILL] * 9
    source, clip = straight(RIGHT, *background), straight(LEFT, *background)
    assert score(Bidirectional(), source, source) == pytest.approx(1)
    assert score(Bidirectional(), source, clip) == pytest.approx(-1)
    jitter = 0.2 * torch.randn(10, 8, 2, generator=generator(0))
    jitter[0] = 0
    assert score(Bidirectional(), source, Tracks(clip.points + jitter)) == pytest.approx(-1)


def test_thresholds_are_fractions_of_the_diagonal() -> None:
    slow = straight((1.0, 0.0))  # 7 pixels altogether
    assert Bidirectional()(slow, straight(RIGHT), 600.0) == pytest.approx(1)
    assert math.isnan(Bidirectional()(slow, straight(RIGHT), 800.0))
    assert Bidirectional()(straight(RIGHT), slow, 800.0) == 0
    assert [Bidirectional().counted(slow, diagonal).tolist() for diagonal in (600.0, 800.0)] == [[True], [False]]
    assert Bidirectional(track_threshold=0.005)(slow, straight(RIGHT), 800.0) == pytest.approx(1)
    assert math.isnan(Bidirectional(step_threshold=0.002)(slow, straight(RIGHT), 600.0))


@given(angle=st.floats(-math.pi, math.pi), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_turning_straight_motion_gives_the_cosine(angle: float, seed: int) -> None:
    speeds = 2 + 5 * torch.rand(6, generator=generator(seed))
    source = straight(*[(speed.item(), 0.5 * speed.item()) for speed in speeds])
    clip = rotated(source, angle)
    assert score(Bidirectional(), source, clip) == pytest.approx(math.cos(angle), abs=1e-4)
    assert score(OneWay(), source, clip) == pytest.approx(math.cos(angle), abs=1e-4)
    assert score(DmtSum(), source, clip) == pytest.approx(2 * math.cos(angle), abs=1e-4)


def test_squeezing_one_clip_turns_its_directions() -> None:
    # (1, 1) and (1/2, 1) enclose an angle with the cosine 3/2 / (√2 · √5/4) = .949.
    squeezed = straight((2.0, 4.0))
    assert score(Bidirectional(), straight((4.0, 4.0)), squeezed) == pytest.approx(0.949, abs=5e-4)


@pytest.mark.parametrize("fidelity", CLEAN)
def test_reversing_time_reverses_straight_motion(fidelity: Fidelity) -> None:
    line = straight(RIGHT, RIGHT)
    assert score(fidelity, line, Tracks(line.points.flip(1))) == pytest.approx(-fidelity.upper)


def test_hidden_points_may_be_anywhere() -> None:
    seen = torch.ones(2, 8, dtype=torch.bool)
    seen[:, 3:5] = False
    points = straight(RIGHT, UP).points.clone()
    points[:, 3] = 1e6
    points[:, 4] = math.nan
    clip = Tracks(points, seen)
    for fidelity in CLEAN:
        assert score(fidelity, straight(RIGHT, UP), clip) == pytest.approx(fidelity.upper)
    # A point that isn't finite is hidden whatever the tracker says.
    points[:, 3] = math.inf
    for visible in (None, torch.ones(2, 8, dtype=torch.bool)):
        assert score(Bidirectional(), straight(RIGHT, UP), Tracks(points, visible)) == pytest.approx(1)


def test_a_track_rests_where_it_is_seen_to() -> None:
    # The only step that moves is hidden: what is left is a still clip.
    points = torch.zeros(1, 8, 2)
    points[:, 4:] = 50
    seen = torch.ones(1, 8, dtype=torch.bool)
    assert score(Bidirectional(), Tracks(points, seen), straight(STILL)) == 0
    seen[:, 4] = False
    assert math.isnan(score(Bidirectional(), Tracks(points, seen), straight(STILL)))


@pytest.mark.parametrize("fidelity", CLEAN)
def test_clips_without_comparable_steps_score_0(fidelity: Fidelity) -> None:
    early = torch.arange(8).expand(1, 8) < 4
    motion = straight(RIGHT).points
    assert score(fidelity, Tracks(motion, early), Tracks(motion, ~early)) == 0
    assert score(fidelity, Tracks(motion), Tracks(motion, torch.zeros(1, 8, dtype=torch.bool))) == 0


def test_a_source_without_a_visible_track_gives_no_score() -> None:
    hidden = Tracks(straight(RIGHT).points, torch.zeros(1, 8, dtype=torch.bool))
    assert math.isnan(score(Bidirectional(), hidden, straight(RIGHT)))
    assert math.isnan(score(Bidirectional(), hidden, hidden))


def test_tracks_are_joined_with_what_is_seen_of_each() -> None:
    seen = torch.arange(8).expand(1, 8) < 4
    joined = Tracks.cat([straight(RIGHT), Tracks(straight(UP).points, seen)])
    assert joined.points.shape == (2, 8, 2)
    assert joined.visible is not None
    assert joined.visible.sum(1).tolist() == [8, 4]


def test_a_track_without_partner_is_left_out() -> None:
    early = torch.arange(8) < 5  # four of seven steps
    source = Tracks(straight(RIGHT).points, early[None])
    generated = Tracks(straight(RIGHT, RIGHT).points, torch.stack([early, ~early]))
    assert score(Bidirectional(), source, generated) == pytest.approx(1)


def test_tracks_seen_together_for_less_than_half_the_steps_are_not_compared() -> None:
    # Three of seven steps in common, however alike, are no evidence.
    early, late = torch.arange(8) < 5, torch.arange(8) > 0
    source, generated = straight(RIGHT).points, straight(RIGHT).points
    assert score(Bidirectional(), Tracks(source, early[None]), Tracks(generated, late[None])) == 0
    assert score(Bidirectional(), Tracks(source, early[None]), Tracks(generated)) == pytest.approx(1)


@pytest.mark.parametrize("fidelity", ALL)
def test_different_frame_counts_are_refused(fidelity: Fidelity) -> None:
    with pytest.raises(InputError, match=r"8 frames .* 7.*model\.frames=7"):
        score(fidelity, straight(RIGHT), straight(RIGHT, frames=7))


def test_different_track_counts_are_refused_by_the_public_code_only() -> None:
    one, two = straight(RIGHT), straight(RIGHT, RIGHT)
    with pytest.raises(InputError, match="1 source and 2 generated tracks"):
        score(DmtCode(), one, two)
    assert [score(fidelity, one, two) for fidelity in CLEAN] == pytest.approx([1, 1, 2])


@pytest.mark.parametrize("shape", [(0, 8, 2), (3, 1, 2)])
def test_nothing_to_compare_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"model\.frames"):
        Tracks(torch.zeros(shape))


def test_negative_thresholds_are_refused() -> None:
    with pytest.raises(InputError, match="step_threshold=-1"):
        Bidirectional(step_threshold=-1.0)


def test_variants_are_named_and_versioned_apart() -> None:
    assert sorted(fidelity.name for fidelity in ALL) == [
        "bidirectional_v2",
        "dmt_code_v1",
        "dmt_sum_v1",
        "one_way_v1",
    ]
    assert all(fidelity.higher_is_better for fidelity in ALL)

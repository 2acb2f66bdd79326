"""Weights of keyframes: the public code's by hand, the paper's by hand, and what holds for both."""

from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_inversion.method.tokenflow.blend import AdjacentKeyframes, Blending, PreviousKeyframe

BLENDINGS = [PreviousKeyframe(), AdjacentKeyframes(), AdjacentKeyframes(sigmoid=False)]


@pytest.mark.parametrize(
    ("batch", "own"),
    [
        # σ(d₋ / (d + d₋)) for distances d to the middle, and d₋ to that of the batch before: 4, 12 … and 2, 4 …
        (8, [0.6225, 0.6514, 0.6792, 0.7058, 0.7311, 0.7109, 0.6971, 0.6869]),
        (4, [0.6225, 0.6792, 0.7311, 0.6971]),
    ],
)
def test_the_public_codes_weights(batch: int, own: list[float]):
    keyframes = [0, batch + 1, 3 * batch - 1]
    weights = PreviousKeyframe()(keyframes, 3 * batch)
    assert torch.equal(weights[:batch], torch.tensor([[1.0, 0.0, 0.0]] * batch))
    for number in (1, 2):
        rows = weights[number * batch : (number + 1) * batch]
        torch.testing.assert_close(rows[:, number], torch.tensor(own), atol=5e-5, rtol=0)
        torch.testing.assert_close(rows[:, number - 1], 1 - torch.tensor(own), atol=5e-5, rtol=0)
    assert weights[batch : 2 * batch, 2].eq(0).all() and weights[2 * batch :, 0].eq(0).all()


def test_the_papers_weights_follow_where_the_keyframes_are():
    # Keyframes 1 and 5 of 8 frames: from 2 to 4, shares of the later one of ¼, ½, ¾; σ of them besides.
    plain = AdjacentKeyframes(sigmoid=False)([1, 5], 8)
    assert plain[:, 1].tolist() == [0, 0, 0.25, 0.5, 0.75, 1, 1, 1]
    squashed = AdjacentKeyframes()([1, 5], 8)[:, 1]
    expected = torch.tensor([0, 0, 0.5622, 0.6225, 0.6792, 1, 1, 1])
    torch.testing.assert_close(squashed, expected, atol=5e-5, rtol=0)


@pytest.mark.parametrize("blend", BLENDINGS)
@given(drawn=st.lists(st.integers(0, 3), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_a_frames_weights_add_up_to_one(blend: Blending, drawn: list[int]):
    keyframes = [start + offset for start, offset in zip(accumulate([0] + [4] * 3), drawn, strict=False)]
    weights = blend(keyframes, 4 * len(keyframes))
    assert weights.shape == (4 * len(keyframes), len(keyframes))
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(weights)))
    assert (weights > 0).sum(dim=1).max() <= 2


@pytest.mark.parametrize("blend", BLENDINGS)
def test_a_single_keyframe_has_all_the_weight(blend: Blending):
    assert torch.equal(blend([2], 4), torch.ones(4, 1))

"""Noise that frames share where the reference stands still."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trial import randn

from motion_inversion.method.control_a_video.noise import change, residual_noise


def test_a_change_is_relative_to_the_clips_largest():
    """Three frames of one latent position each row; red changes by 100, then all channels by 50 of 255."""
    video = np.zeros((3, 16, 8, 3), np.uint8)
    video[1:, :8, :, 0] = 100
    video[2, 8:] = 50
    # |ΔI| / max is (1, 0, 0) in the upper half at the first step, ½ in all channels of the lower half at the second.
    expected = torch.tensor([[[1 / 3], [0.0]], [[0.0], [1 / 2]]])
    torch.testing.assert_close(change(video, 2, 1), expected)


def test_a_clip_that_stands_still_has_no_change_and_one_noise():
    found = change(np.full((4, 16, 16, 3), 90, np.uint8), 2, 2)
    assert torch.equal(found, torch.zeros(3, 2, 2))
    noise = randn(0, 2, 4, 4, 2, 2)
    shared = residual_noise(noise, found > 0.1)
    assert torch.equal(shared, noise[:, :, :1].expand_as(noise))


def test_change_everywhere_leaves_the_noise_as_it_is():
    noise = randn(0, 2, 4, 4, 2, 2)
    assert torch.equal(residual_noise(noise, torch.ones(3, 2, 2, dtype=torch.bool)), noise)


def test_no_change_is_above_a_threshold_of_1():
    video = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    noise = randn(0, 1, 4, 4, 2, 2)
    shared = residual_noise(noise, change(video, 2, 2) > 1)
    assert torch.equal(shared, noise[:, :, :1].expand_as(noise))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.booleans(), min_size=3, max_size=3))
def test_a_position_keeps_its_noise_until_it_changes(changed: list[bool]):
    mask = torch.tensor(changed)[:, None, None].expand(3, 2, 2)
    noise = randn(0, 1, 4, 4, 2, 2)
    last = [max([0, *(frame + 1 for frame in range(index) if changed[frame])]) for index in range(4)]
    assert torch.equal(residual_noise(noise, mask), noise[:, :, last])

"""Factors over the share of noise."""

import pytest

from motion_inversion.core.scale import Band, Constant, Linear
from motion_inversion.error import InputError


def test_factors_over_the_share_of_noise() -> None:
    assert [Constant(0.5)(noise) for noise in (0.0, 1.0)] == [0.5, 0.5]
    assert [Band(0.5, 0.9, 2.0)(noise) for noise in (0.4, 0.5, 0.9, 1.0)] == [0, 2, 2, 0]
    assert [Linear(1.0, 0.2)(noise) for noise in (0.0, 0.5, 1.0)] == pytest.approx([0.2, 0.6, 1.0])


@pytest.mark.parametrize("build", [lambda: Band(0.5, 0.5), lambda: Band(-1.0), lambda: Constant(float("nan"))])
def test_factors_out_of_range_are_refused(build) -> None:
    with pytest.raises(InputError, match=r"method\.value_scale"):
        build()

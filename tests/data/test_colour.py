"""High dynamic range and wide gamut come out as a standard screen shows them."""

import numpy as np
import pytest

from motion_inversion.data.colour import Light, Primaries, Transfer


def code(*channels: float) -> np.ndarray:
    return np.rint(65535 * np.array(channels)).astype(np.uint16)[None, None]


# BT.2408, table 1: what 203 cd/m² is in PQ and in HLG.
@pytest.mark.parametrize(("transfer", "grey"), [("PQ", 0.5806), ("HLG", 0.75)])
def test_standard_white_is_bright_and_neutral(transfer: Transfer, grey: float) -> None:
    white = Light(transfer, "BT.2020").standard(code(grey, grey, grey))[0, 0].astype(int)
    assert white.min() >= 240
    assert np.ptp(white) <= 1


def test_a_quarter_of_white_in_hlg_is_a_quarter_of_white() -> None:
    """White is 0.265 of the scene's light; a quarter of it is √(3·0.265/4) in HLG (BT.2100), and 137 in sRGB."""
    assert np.abs(Light("HLG", "BT.2020").standard(code(*[(3 * 0.265 / 4) ** 0.5] * 3)).astype(int) - 137).max() <= 1


@pytest.mark.parametrize("transfer", ["PQ", "HLG"])
def test_what_is_brighter_stays_brighter_and_keeps_its_hue(transfer: Transfer) -> None:
    red = [Light(transfer, "BT.709").standard(code(level, 0.3, 0.3))[0, 0] for level in (0.5, 0.6, 0.75)]
    assert red[0][0] < red[1][0] <= red[2][0]
    assert (np.diff(np.stack(red)[:, 1:].astype(int), axis=0) <= 0).all()


@pytest.mark.parametrize(
    ("primaries", "given", "shown"),
    [
        ("Display P3", (0.9175, 0.2003, 0.1386), (255, 0, 0)),  # sRGB's red in P3, as published by the CSS standard
        ("BT.709", (0.25, 0.5, 0.75), (64, 128, 191)),
    ],
)
def test_a_wide_gamut_is_brought_to_srgb(primaries: Primaries, given: tuple, shown: tuple) -> None:
    assert np.abs(Light("sRGB", primaries).standard(code(*given))[0, 0].astype(int) - shown).max() <= 3

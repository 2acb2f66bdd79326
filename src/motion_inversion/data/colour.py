"""Colours of high dynamic range or wide gamut, brought to what a standard screen shows (sRGB)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8, UInt16

Transfer = Literal["sRGB", "HLG", "PQ"]
Primaries = Literal["BT.709", "BT.2020", "Display P3"]

# Linear light of each set of primaries in that of BT.709, all with the white D65 (BT.2087 for BT.2020).
_TO_BT709: dict[Primaries, list[list[float]]] = {
    "BT.709": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "BT.2020": [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    "Display P3": [[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]],
}
# Code points of H.273. Other old television primaries differ from BT.709 by less than players care for.
_PRIMARIES: dict[int, Primaries] = {9: "BT.2020", 12: "Display P3"}
_TRANSFERS: dict[int, Transfer] = {16: "PQ", 18: "HLG"}
_UNSPECIFIED = (0, 2)
_STANDARD_PRIMARIES = (*_UNSPECIFIED, 1, 4, 5, 6, 7, 22)
_STANDARD_TRANSFERS = (*_UNSPECIFIED, 1, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15)

_KNEE = 0.8  # linear light up to which a tone map changes nothing; standard white is 1
_WHITE = 203  # cd/m² of standard white in PQ, and what 75 % of HLG stands for (BT.2408)


@dataclass(frozen=True)
class Light:
    """How the code values of a picture stand for light."""

    transfer: Transfer
    primaries: Primaries

    @classmethod
    def of(cls, primaries: int, transfer: int) -> "Light | None":
        """What H.273's code points stand for, unless it is what screens show anyway; those must be followed."""
        curve = _TRANSFERS.get(transfer, "sRGB")
        gamut = _PRIMARIES.get(primaries, "BT.709")
        if curve != "sRGB" and primaries in _UNSPECIFIED:
            gamut = "BT.2020"
        return None if (curve, gamut) == ("sRGB", "BT.709") else cls(curve, gamut)

    @staticmethod
    def follows(primaries: int, transfer: int) -> bool:
        """Whether pictures with these code points can be brought to sRGB."""
        known = transfer in _STANDARD_TRANSFERS or transfer in _TRANSFERS
        return known and (primaries in _STANDARD_PRIMARIES or primaries in _PRIMARIES)

    def __str__(self) -> str:
        return f"{self.primaries} {self.transfer}"

    def standard(self, picture: UInt16[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The picture in sRGB: light of HLG and PQ in units of standard white, colours out of gamut clipped.

        What is brighter than standard white is rolled off, all three channels by one factor, so that hues stay.
        """
        linear = _linear(self.transfer)[picture] @ np.array(_TO_BT709[self.primaries], np.float32).T
        if self.transfer != "sRGB":
            peak = linear.max(axis=2, keepdims=True)
            over = np.maximum(peak, _KNEE)
            rolled = _KNEE + (1 - _KNEE) * (1 - np.exp((_KNEE - over) / (1 - _KNEE)))
            linear *= rolled / over
        return _encoded()[np.rint(linear.clip(0, 1) * 65535).astype(np.uint16)]


@cache
def _linear(transfer: Transfer) -> Float[np.ndarray, "65536"]:
    curves: dict[Transfer, Callable[[np.ndarray], np.ndarray]] = {"sRGB": _srgb, "HLG": _hlg, "PQ": _pq}
    return curves[transfer](np.linspace(0, 1, 65536)).astype(np.float32)


@cache
def _encoded() -> UInt8[np.ndarray, "65536"]:
    """Eight bits of sRGB for each of 65,536 steps of linear light (IEC 61966-2-1)."""
    light = np.linspace(0, 1, 65536)
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * code).astype(np.uint8)


def _srgb(code: np.ndarray) -> np.ndarray:
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def _hlg(code: np.ndarray) -> np.ndarray:
    """Light of the scene (BT.2100, table 5), so that what was standard before comes back as it was (BT.2408)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073

    def scene(code: np.ndarray) -> np.ndarray:
        return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)

    return scene(code) / scene(np.array(0.75))


def _pq(code: np.ndarray) -> np.ndarray:
    """Light of the screen (BT.2100, table 4; SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
    power = code ** (1 / m2)
    return 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) / _WHITE

"""Owns the frames of a sheet as one image, dot by dot, which is drawn once for the PNG and the PDF."""

from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from PIL import Image

from motion_inversion.report.figure.style import DPI


class Raster(Artist):
    """What lies below everything else of a sheet, in its dots; white where no frame was put.

    The figure has to be saved at `DPI`: nothing is resampled then.
    """

    def __init__(self, figure: Figure) -> None:
        super().__init__()
        wide, high = (int(side * DPI) for side in figure.get_size_inches())
        self.set_zorder(0)
        self._dots = np.full((high, wide, 4), 255, dtype=np.uint8)

    def put(self, frame: UInt8[np.ndarray, "h w 3"], left: float, top: float, wide: float, high: float) -> None:
        """Puts a frame where it belongs, in inches of whole dots.

        Pixels of small clips stay square: a dot has the mean colour of what it covers.
        """
        x, y, across, down = (round(inches * DPI) for inches in (left, top, wide, high))
        factor = max(1, -(-across // frame.shape[1]))
        enlarged = Image.fromarray(frame.repeat(factor, axis=0).repeat(factor, axis=1))
        shrunk = enlarged.resize((across, down), Image.Resampling.BOX)
        self._dots[y : y + down, x : x + across, :3] = np.asarray(shrunk)

    def draw(self, renderer: Any) -> None:
        """Copies the dots; matplotlib counts rows from the bottom."""
        gc = renderer.new_gc()
        renderer.draw_image(gc, 0, 0, self._dots[::-1])
        gc.restore()

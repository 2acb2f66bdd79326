"""Lightning's loggers: one run of Weights & Biases for each training, and pictures where a logger has them."""

import numpy as np
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from motion_inversion.backbone.autoencoder import Pixels
from motion_inversion.data.picture import strip


class OneRun(WandbLogger):
    """Ends its run with the training, before the folder is renamed and the next clip's training begins."""

    def finalize(self, status: str) -> None:
        """Writes everything out."""
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=int(status != "success"))


def show_frames(logger: Logger, name: str, video: Pixels, step: int) -> None:
    """Shows eight frames of a clip in a row, spread evenly, where the logger has them."""
    row = strip([("", video)])
    if isinstance(logger, WandbLogger):
        logger.log_image(name, [row], step)
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, np.asarray(row), step, dataformats="HWC")

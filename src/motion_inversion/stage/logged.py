"""What loggers are told of a training and of its scores: one group, and the same settings to slice by."""

import shutil
from dataclasses import replace
from statistics import fmean

from motion_inversion.data.clip import Clip
from motion_inversion.method.training.logger import FOLDERS, Identity, LoggerFactory
from motion_inversion.reflection.description import describe
from motion_inversion.stage.address import Address
from motion_inversion.stage.artifact import Artifact
from motion_inversion.stage.objective import scores
from motion_inversion.stage.record import axes


def identity(address: Address, clip: Clip, job: str = "train") -> Identity:
    """Of a clip's run: the experiment's name, and each axis in a word."""
    return Identity(address.root.name, {"method": address.method.name, "clip": clip.name, **axes(address)}, job)


def log_scores(address: Address, clip: Clip, logger: LoggerFactory) -> None:
    """Sends the means of a clip's scores, as `score/<metric>`, unless the same were sent.

    What is sent is an artifact in the folder of the clip's training: a death before it is whole leaves nothing that
    counts, and a logger elsewhere gets the same key once more.
    """
    means = {f"score/{name}": fmean(values) for name, values in scores(address, [clip]).items() if values}
    state = address.state(clip)
    sent = Artifact(state.folder, "scores", {"state": state.digest, "to": describe(logger, whole=True), "means": means})
    with sent.making(beside=FOLDERS) as folder:
        if folder is None:
            return
        for name in FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        told = replace(identity(address, clip, "evaluate"), name=state.name, key=f"{state.digest}{sent.digest}")
        run = logger(folder, told)
        run.log_metrics(means)
        run.finalize("success")

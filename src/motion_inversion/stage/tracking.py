"""What trackers are told of a training and of its scores: one group, and the same settings to slice by."""

from statistics import fmean

from motion_inversion.data.clip import Clip
from motion_inversion.method.training.logger import Identity, LoggerFactory
from motion_inversion.stage.address import Address
from motion_inversion.stage.objective import scores
from motion_inversion.stage.record import axes


def identity(address: Address, clip: Clip, job: str = "train") -> Identity:
    """Of a clip's run: the experiment's name, and each axis in a word."""
    return Identity(address.root.name, {"method": address.method.name, "clip": clip.name, **axes(address)}, job)


def track_scores(address: Address, clip: Clip, logger: LoggerFactory) -> None:
    """Sends the means of a clip's scores, as `score/<metric>`, from the folder of its training."""
    tracker = logger(address.state(clip).folder, identity(address, clip, "evaluate"))
    tracker.log_metrics({f"score/{name}": fmean(values) for name, values in scores(address, [clip]).items() if values})
    tracker.finalize("success")

"""A cut of a video as footage: as many frames as the model takes, evenly out of those the cut holds."""

from dataclasses import dataclass
from pathlib import Path

from motion_inversion.data.clip import fingerprint_of, sha256_of_clip
from motion_inversion.data.decode import count_pictures, stated_rate
from motion_inversion.data.video import Fit, Video, check_cut, read_frames
from motion_inversion.error import InputError


@dataclass(frozen=True)
class Cut:
    """The frames start, start + stride, … of a file, `count` of them, from which a model's are taken.

    A model that takes fewer frames than the cut holds gets every k-th, k being the largest whole number that fits:
    (n − 1)·k < count for n frames. Equal steps in time keep the speed even, which n frames rounded to whole
    indices over the whole cut would not; what they leave of the end is less than n − 1 frames.

    Args:
        path: A video, or a folder of numbered images.
        count: Frames of the cut; null is as many as the file has.
        fit: As in `read_video`.
        sha256: What `sha256_of_clip` must give for the file, if known.
        counted: The file whose frames `count` stands for if it is null, and whose times `fps` goes by, where that is
            another: of a clip's control maps, the clip, so that both are cut alike.
        fps: As in `read_video`; `start`, `stride` and `count` are of frames at that rate then.

    Raises:
        InputError: a start, stride, fit or fps out of range.
    """

    path: Path
    start: int = 0
    stride: int = 1
    count: int | None = None
    fit: Fit = "squeeze"
    sha256: str | None = None
    counted: Path | None = None
    fps: float | None = None

    def __post_init__(self) -> None:
        check_cut(self.start, self.stride, self.fit, self.fps)

    def read(self, frames: int, width: int, height: int) -> Video:
        """So many frames of the cut at this size.

        Raises:
            InputError: the cut holds fewer frames than that, or the file fewer than the cut; or it can't be read.
        """
        wanted = self._indices(frames)
        video, available = read_frames(self.path, wanted, (width, height), self.fit, self.fps, self.counted)
        if len(video) < frames:
            raise InputError(
                f"{self.path} has {available} frames that can be decoded, but its cut needs {wanted[-1] + 1} (start "
                f"{self.start}, stride {self.stride}, count {self.count}); fetch it again or mend its manifest's frames"
            )
        return video

    def rate(self, frames: int) -> float | None:
        """Frames per second of so many frames of the cut; none of a folder."""
        rate = self.fps or stated_rate(self.path)
        return rate and rate / self._indices(frames).step

    def fingerprint(self) -> str:
        """SHA-256 of the content and the cut.

        Raises:
            InputError: the file isn't the one that the manifest means.
        """
        found = sha256_of_clip(self.path)
        if self.sha256 not in (None, found):
            raise InputError(
                f"{self.path} is not the file that its manifest means: its SHA-256 is {found[:12]}…, not "
                f"{str(self.sha256)[:12]}…; delete it and fetch it again, or mend the manifest's sha256"
            )
        cut = f"{self.start} {self.stride} {self.count} {self.fit}"
        counted = self.counted if self.count is None or self.fps is not None else None
        return fingerprint_of(self.path, found, cut, self.fit, self.fps, counted)

    def available(self) -> int:
        """Frames of the cut that the file to count holds, however many are asked for; decodes all of it."""
        return len(range(self.start, count_pictures(self.counted or self.path, self.fps), self.stride))

    def _indices(self, frames: int) -> range:
        """The indices in the file of so many frames."""
        count = self.available() if self.count is None else self.count
        if count < frames:
            cure = f"model.frames={count} or " if count > 1 else ""
            raise InputError(
                f"the cut of {self.path} holds {count} frames, fewer than the model's {frames}; set {cure}"
                "dataset.only=[…] to clips that are long enough"
            )
        step = self.stride * max(1, (count - 1) // max(1, frames - 1))
        return range(self.start, self.start + frames * step, step)

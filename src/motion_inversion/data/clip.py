"""Owns what a reference clip is: its footage, its kind of motion, and the prompts to move in that way."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Protocol, get_args, runtime_checkable

from motion_inversion.core.strategy import Motion
from motion_inversion.data.decode import reading, stated_rate
from motion_inversion.data.folder import clip_files
from motion_inversion.data.location import expanded
from motion_inversion.data.prompt_file import read_prompts
from motion_inversion.data.video import Fit, Video, check_cut, read_video
from motion_inversion.error import InputError
from motion_inversion.storage.file import sha256_of

NAME = re.compile(r"\w[\w.-]{0,99}")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_MOST_SAMPLES = 10_000  # of a clip: more take weeks on any machine
NAMES = "up to 100 letters, digits, '_', '-' and '.', not starting with '-' or '.'"


@runtime_checkable
class Footage(Protocol):
    """Where a clip's frames come from: a file, or a description that is rendered."""

    def read(self, frames: int, width: int, height: int) -> Video:
        """The first `frames` frames at this size."""
        ...

    def rate(self, frames: int) -> float | None:
        """Frames per second of what `read` returns for so many frames, if that is known; may look into the file."""
        ...

    def fingerprint(self) -> str:
        """A hexadecimal checksum of everything that `read` depends on except its arguments."""
        ...


@dataclass(frozen=True)
class VideoFile:
    """Footage from a video file or a folder of numbered images; all but `path` as in `read_video`."""

    path: str | Path
    start: int = 0
    stride: int = 1
    fit: Fit = "squeeze"
    fps: float | None = None
    timed: Path | None = None

    def __post_init__(self) -> None:
        check_cut(self.start, self.stride, self.fit, self.fps)

    def read(self, frames: int, width: int, height: int) -> Video:
        """The first `frames` frames of the cut; errors as in `read_video`."""
        return read_video(self.path, frames, width, height, self.start, self.stride, self.fit, self.fps, self.timed)

    def rate(self, frames: int) -> float | None:
        """Frames per second after striding; none of a folder."""
        rate = self.fps or stated_rate(Path(self.path))
        return rate and rate / self.stride

    def fingerprint(self) -> str:
        """SHA-256 of the content and the cut: two cuts of one file differ, a copy of the file does not."""
        cut = f"{self.start} {self.stride} {self.fit}"
        timed = self.timed if self.fps is not None else None
        return fingerprint_of(self.path, sha256_of_clip(self.path), cut, self.fit, self.fps, timed)


@dataclass(frozen=True)
class ControlMaps:
    """Footage of control maps, whose faults name `option`, the setting that it comes from, and not the clip's."""

    footage: Footage
    option: str

    def read(self, frames: int, width: int, height: int) -> Video:
        """As the footage's own."""
        with self._told():
            return self.footage.read(frames, width, height)

    def rate(self, frames: int) -> float | None:
        """As the footage's own."""
        with self._told():
            return self.footage.rate(frames)

    def fingerprint(self) -> str:
        """As the footage's own."""
        with self._told():
            return self.footage.fingerprint()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            raise InputError(f"control maps: {error}".replace("dataset.path=…", self.option)) from error


@dataclass(frozen=True)
class Clip:
    """A reference clip and what is to be made of it.

    `name` becomes a folder's name. `source_prompt` describes the clip itself; each of `prompts` is a target,
    generated once for each of `seeds`. `appearance_invariant_prompt` names the source's subject and motion without
    background and attributes (VMC, arXiv 2312.00845); methods that learn with it take `source_prompt` in its absence.
    `control_maps` shows, frame by frame, what a ControlNet is to follow, such as edges; without it, methods led
    by one find that in the footage.

    Raises:
        InputError: a name no folder can have, an unknown motion, an empty or repeated prompt or seed.
    """

    name: str
    footage: Footage
    motion: Motion
    source_prompt: str
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    appearance_invariant_prompt: str | None = None
    control_maps: Footage | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise InputError(f"{self.name!r} can't name a clip: accepted are {NAMES}; set dataset.name=my_clip")
        if self.motion not in get_args(Motion):
            accepted = ", ".join(get_args(Motion))
            raise InputError(
                f"clip {self.name}: unknown motion {self.motion!r}, accepted are {accepted}; set dataset.motion=object"
            )
        if not self.source_prompt.strip():
            raise InputError(f"clip {self.name} has no source prompt; set dataset.source_prompt='what the clip shows'")
        _check_list(self.name, "prompts", self.prompts, "['a tank in the desert']")
        _check_list(self.name, "seeds", self.seeds, "[0]")
        if not all(prompt.strip() for prompt in self.prompts):
            raise InputError(f"clip {self.name} has an empty prompt; give each words in dataset.prompts=[…]")
        if odd := next((text for text in (self.source_prompt, *self.prompts) if _CONTROL.search(text)), None):
            raise InputError(f"clip {self.name}: the prompt {odd[:80]!r} has a control character; write it without")
        if (count := len(self.prompts) * len(self.seeds)) > _MOST_SAMPLES:
            raise InputError(
                f"clip {self.name}: {len(self.prompts)} prompts and {len(self.seeds)} seeds make {count} samples, "
                f"accepted are {_MOST_SAMPLES}; set dataset.seeds=[0]"
            )


@runtime_checkable
class Dataset(Protocol):
    """A set of reference clips."""

    def clips(self) -> tuple[Clip, ...]:
        """Every clip of the set, in a fixed order."""
        ...


@dataclass(frozen=True)
class SingleClip:
    """Your own video as a set of one clip; named after the file unless `name` is given.

    Its target prompts are `prompts`, or the lines of `prompts_file`; without either, the source prompt.
    `control_maps` is a video, or a folder of images, of control maps, cut as the clip is. A leading `~` of paths is the
    user's folder.

    Raises:
        InputError: no path, or anything `Clip` and `VideoFile` refuse.
    """

    path: str | Path | None
    source_prompt: str
    motion: Motion
    prompts: Sequence[str] | None
    seeds: Sequence[int]
    name: str | None = None
    start: int = 0
    stride: int = 1
    fit: Fit = "squeeze"
    appearance_invariant_prompt: str | None = None
    control_maps: str | Path | None = None
    fps: float | None = None
    prompts_file: str | Path | None = None

    def __post_init__(self) -> None:
        if self.path is None or not str(self.path).strip():
            raise InputError("no video given; set dataset.path=my.mp4")
        if isinstance(self.prompts, str):
            raise InputError(f"prompts must be a list; set dataset.prompts=[{self.prompts!r}]")
        object.__setattr__(self, "prompts", None if self.prompts is None else tuple(self.prompts))
        object.__setattr__(self, "seeds", tuple(self.seeds))
        self.clips()

    def _targets(self) -> tuple[str, ...]:
        if self.prompts_file is None:
            return (self.source_prompt,) if self.prompts is None else tuple(self.prompts)
        if self.prompts is not None:
            raise InputError("dataset.prompts and dataset.prompts_file are both given; drop one of them")
        return read_prompts(self.prompts_file)

    def clips(self) -> tuple[Clip, ...]:
        """The one clip."""
        path = expanded(self.path or "")
        name = self.name or re.sub(r"[^\w.-]+", "_", path.stem).lstrip("-.")
        footage = VideoFile(path, self.start, self.stride, self.fit, self.fps)
        control_maps = None
        if self.control_maps is not None:
            maps = replace(footage, path=expanded(self.control_maps), timed=path if self.fps else None)
            control_maps = ControlMaps(maps, "dataset.control_maps=…")
        texts, seeds, invariant = self._targets(), tuple(self.seeds), self.appearance_invariant_prompt
        return (Clip(name, footage, self.motion, self.source_prompt, texts, seeds, invariant, control_maps),)


def sha256_of_clip(path: str | Path) -> str:
    """SHA-256 of a file's bytes, or of the images of a folder one after the other, in hexadecimal.

    Raises:
        InputError: nothing there, or it can't be read.
    """
    files = clip_files(Path(path))
    try:
        return sha256_of(*files)
    except OSError as error:
        raise InputError(f"can't read {error.filename or path}: {error.strerror}; set dataset.path=…") from error


def fingerprint_of(path: str | Path, content: str, cut: str, fit: Fit, fps: float | None, timed: Path | None) -> str:
    """The checksum of a cut of a file whose own is `content`.

    What came later than the first rules of reading is part of it only where it is at work: `fps`, the file that is
    `timed` by or counted, and what `reading` says. So what was made before is found again, unless from wrong pixels.
    """
    parts = [content, cut]
    if timed is not None:
        parts.append(sha256_of_clip(timed))
    if fps is not None:
        parts.append(f"at {float(fps)!r}")
    if read := reading(Path(path), fit):
        parts.append(read)
    return sha256(" ".join(parts).encode()).hexdigest()


def _check_list(name: str, key: str, values: Sequence[str] | Sequence[int], example: str) -> None:
    if not values:
        raise InputError(f"clip {name} has no {key}; set dataset.{key}={example}")
    value, count = Counter[str | int](values).most_common(1)[0]
    if count > 1:
        raise InputError(f"clip {name}: {key} repeats {value!r}; list each once in dataset.{key}=[…]")

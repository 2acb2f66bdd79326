"""Folders of numbered images: which files are a clip's, and whether they are all of it."""

import logging
import re
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from PIL import Image

from motion_inversion.data.location import ACCEPTED, located
from motion_inversion.data.moment import Moment
from motion_inversion.data.still import opened_image, reading, standard
from motion_inversion.error import InputError

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".tga", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)


def clip_files(path: Path) -> list[Path]:
    """The files a clip is read from: the video, or a folder's images by number, 9 before 10.

    Hidden files don't count.

    Raises:
        InputError: nothing there; no images, or images of several formats or series, which are not one clip.
    """
    path = located(path)
    if not path.is_dir():
        return [path]
    shown = [file for file in _listed(path) if not file.name.startswith(".")]
    files = [file for file in shown if file.suffix.lower() in IMAGE_SUFFIXES]
    suffixes = sorted({file.suffix.lower() for file in files})
    if not files:
        others = Counter(file.suffix.lower() for file in shown if file.suffix)
        found = f" but {others.most_common(1)[0][0]} files" if others else ""
        raise InputError(
            f"the folder {path} holds no images of a kind that is read ({', '.join(IMAGE_SUFFIXES)}){found}; "
            f"give {ACCEPTED} with dataset.path=…"
        )
    if len(suffixes) > 1:
        raise InputError(
            f"the folder {path} holds images of several kinds ({', '.join(suffixes)}); give {ACCEPTED} with "
            "dataset.path=…"
        )
    files = [located(file) for file in sorted(files, key=lambda file: (_natural(file.stem), file.name))]
    _require_one_series(path, files)
    return files


@dataclass(frozen=True)
class Folder:
    """A folder of images as a source of pictures; every method raises InputError as `clip_files` does."""

    path: Path

    @cached_property
    def files(self) -> Sequence[Path]:
        """Its images in their order."""
        return clip_files(self.path)

    def moments(self) -> Generator[Moment, None, None]:
        """Its images; which one is wanted has the size of those before it, or is refused."""
        size: tuple[int, int] | None = None

        def picture(file: Path) -> Image.Image:
            nonlocal size
            with opened_image(file) as image:
                made = standard(image, file)
            if size not in (None, made.size):
                found = " and ".join(f"{width}x{height}" for width, height in sorted([size, made.size]))
                raise InputError(
                    f"the images of {self.path} differ in size ({found}); give one clip with dataset.path=…"
                )
            size = made.size
            return made

        for file in self.files:
            yield Moment(None, partial(picture, file))

    def rate(self) -> float | None:
        """None: images carry no rate."""
        return None

    def reading(self, fit: str) -> str:
        """As in `Source`, of all images."""
        said: set[str] = set()
        for file in self.files:
            with opened_image(file) as image:
                said.add(reading(image, file))
        return " and ".join(sorted(filter(None, said)))

    def require_unbroken(self, first: int, last: int) -> None:
        """That the images between these two, counted from 0, follow one another in even steps.

        The log says where one number begins anew under another, as names of two cameras do, and some dates.

        Raises:
            InputError: some are missing, so that what moves would jump.
        """
        files = self.files[first : last + 1]
        place = _counting_place([_natural(file.stem) for file in self.files])
        if place is None:
            self._tell_new_beginnings(files)
        if place is None or len(files) < 3:
            return
        numbers = [int(_natural(file.stem)[place]) for file in files]
        steps = [after - before for before, after in zip(numbers, numbers[1:], strict=False)]
        index = next((index for index, step in enumerate(steps) if step > min(steps)), None)
        if index is not None:
            raise InputError(
                f"images are missing in {self.path}: {files[index].name} is followed by {files[index + 1].name}; add "
                f"them, renumber the images if they do belong together, or set dataset.start={first + index + 1}"
            )

    def _tell_new_beginnings(self, files: Sequence[Path]) -> None:
        for before, after in zip(files, files[1:], strict=False):
            pairs = zip(_natural(before.stem)[1::2], _natural(after.stem)[1::2], strict=True)
            signs = [int(late) - int(early) for early, late in pairs if late != early]
            if min(signs, default=0) < 0:
                log.warning(
                    "%s counts anew within the cut: %s is followed by %s; if these are two clips, put each into a "
                    "folder of its own",
                    *(self.path, before.name, after.name),
                )
                return


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise InputError(f"can't open {folder}: {error.strerror}; give {ACCEPTED} with dataset.path=…") from error


def _require_one_series(folder: Path, files: Sequence[Path]) -> None:
    """That names differ in their numbers alone, and no two are of one number."""
    parts = [_natural(file.stem) for file in files]
    for file, part in zip(files, parts, strict=True):
        if part[::2] != parts[0][::2]:
            raise InputError(
                f"the images of {folder} aren't one series: there are {files[0].name} and {file.name}, whose names "
                "differ in more than a number; put those of one clip, as without masks, into a folder of their own and "
                "set dataset.path=…"
            )
    for before, after in zip(range(len(files)), range(1, len(files)), strict=False):
        if parts[before] == parts[after]:
            raise InputError(
                f"the images of {folder} repeat a number: {files[before].name} and {files[after].name}; keep one, or "
                "set dataset.path=…"
            )


def _counting_place(parts: Sequence[Sequence[str | int]]) -> int | None:
    """Which part of the names counts the images, if exactly one differs among them."""
    places = [place for place in range(1, len(parts[0]), 2) if len({part[place] for part in parts}) > 1]
    return places[0] if len(places) == 1 else None


def _natural(stem: str) -> list[str | int]:
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"(\d+)", stem))]

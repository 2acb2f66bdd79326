"""A validation set as a list that people write: what a manifest says of each clip, and the dataset that reads one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path, PurePosixPath

from motion_inversion.core.strategy import Motion
from motion_inversion.data.clip import NAME, NAMES, Clip, ControlMaps
from motion_inversion.data.cut import Cut
from motion_inversion.data.location import expanded
from motion_inversion.data.manifest_file import read_records
from motion_inversion.data.selection import select
from motion_inversion.data.video import Fit, check_cut
from motion_inversion.error import InputError
from motion_inversion.reflection.structure import structure
from motion_inversion.storage.embedded import PREFIX

AUTHORED = "authored"
_NAMED = 4  # missing files that a message names


@dataclass(frozen=True)
class Prompt:
    """A prompt, and who published it: a paper or repository, or "authored" if it was written for the manifest."""

    text: str
    origin: str = AUTHORED


@dataclass(frozen=True)
class Source:
    """Where a clip's file can be had, and on what terms as far as they are known."""

    name: str
    address: str
    licence: str = "not stated"


@dataclass(frozen=True)
class Frames:
    """The cut of a file: `count` frames from `start`, every `stride`-th; all that there are if `count` is null.

    With `fps`, these are frames of the file as if it had so many per second, taken by their times.
    """

    start: int = 0
    stride: int = 1
    count: int | None = None
    fps: float | None = None


@dataclass(frozen=True)
class Entry:
    """One clip of a manifest; every field but the first five may be left out.

    Args:
        id: The clip's name.
        motion: What moves.
        file: The video, or the folder of numbered images, below the set's root.
        source_prompt: What the clip shows.
        prompts: What is to move like it.
        source: Where the file can be had.
        frames: The cut.
        seeds: One sample is made of each prompt with each of these.
        fit: How a picture of another aspect is brought to the model's, as in `read_video`.
        mask: A picture below the root that shows where the object is in the cut's first frame; fetched with the
            file, for measurements that look at the object alone.
        sha256: What `sha256_of_clip` must give for the file, if known.
        appearance_invariant_prompt: The source's class and motion alone, without background and attributes, for methods
            that learn with it (VMC, arXiv 2312.00845); the source prompt in its absence.
        control_maps: A video, or a folder of numbered images, of control maps below the root, cut as the file is.

    Raises:
        InputError: values that no clip can have.
    """

    id: str
    motion: Motion
    file: str
    source_prompt: Prompt
    prompts: Sequence[Prompt]
    source: Source | None = None
    frames: Frames = Frames()
    seeds: Sequence[int] = (0,)
    fit: Fit = "squeeze"
    mask: str | None = None
    sha256: str | None = None
    appearance_invariant_prompt: Prompt | None = None
    control_maps: str | None = None

    def __post_init__(self) -> None:
        check_cut(self.frames.start, self.frames.stride, self.fit, self.frames.fps)
        if not NAME.fullmatch(self.id):
            raise InputError(f"the id {self.id!r} can't name a clip: accepted are {NAMES}; set id: my_clip")
        texts = [prompt.text for prompt in self.prompts]
        if not texts or len(set(texts)) < len(texts):
            raise InputError("prompts must list one or more, each once")
        invariant = [self.appearance_invariant_prompt.text] if self.appearance_invariant_prompt else []
        if not all(text.strip() for text in (*texts, self.source_prompt.text, *invariant)):
            raise InputError("a prompt is empty; give it words")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"seeds={list(self.seeds)}: list one or more, each once, as in seeds: [0]")
        if self.frames.count is not None and self.frames.count < 2:
            raise InputError(f"frames.count={self.frames.count}: motion takes at least 2 frames; set count: 16")
        for path in filter(None, (self.file, self.mask, self.control_maps)):
            if not path.strip() or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise InputError(f"{path!r} isn't a path below the set's root, such as clips/bear.mp4")
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise InputError(f"sha256 {self.sha256!r} isn't 64 hexadecimal digits; correct it or leave it out")

    def clip(self, root: Path) -> Clip:
        """The clip, its file below `root`."""
        cut = self.frames
        footage = Cut(root / self.file, cut.start, cut.stride, cut.count, self.fit, self.sha256, fps=cut.fps)
        maps = (
            replace(footage, path=root / self.control_maps, sha256=None, counted=footage.path)
            if self.control_maps
            else None
        )
        control_maps = ControlMaps(maps, "'control_maps: …' in its manifest") if maps else None
        return Clip(
            name=self.id,
            footage=footage,
            motion=self.motion,
            source_prompt=self.source_prompt.text,
            prompts=tuple(prompt.text for prompt in self.prompts),
            seeds=tuple(self.seeds),
            appearance_invariant_prompt=self.appearance_invariant_prompt and self.appearance_invariant_prompt.text,
            control_maps=control_maps,
        )


@dataclass(frozen=True)
class ManifestSet:
    """The clips that a manifest lists; `only`, `seeds`, `shard` and `shards` as in `select`.

    Args:
        path: A .yaml list, a .jsonl list, or a .csv table in the columns of LOVEU-TGVE 2023; "embedded:object",
            "embedded:camera" and "embedded:hybrid" are the sets that ship with the package.
        root: The folder that the manifest's files are in.
        motion: Of the clips whose manifest doesn't say, as no .csv table does.

    Raises:
        InputError: no path.
    """

    path: str | Path | None
    root: Path
    motion: Motion | None = None
    only: Sequence[str] = ()
    seeds: Sequence[int] = ()
    shard: int = 0
    shards: int = 1

    def __post_init__(self) -> None:
        if self.path is None or not str(self.path).strip():
            raise InputError("no manifest given; set dataset.path=my.yaml")

    def clips(self) -> tuple[Clip, ...]:
        """The chosen clips in the manifest's order.

        Raises:
            InputError: no manifest there or one with faults, anything `select` refuses, or files that are missing.
        """
        entries = read_manifest(str(self.path), self.motion)
        root = expanded(self.root)
        everything = [entry.clip(root) for entry in entries]
        clips = select(everything, self.only, self.seeds, self.shard, self.shards)
        names = {clip.name for clip in clips}
        missing = [entry.file for entry in entries if entry.id in names and not (root / entry.file).exists()]
        if missing:
            named = ", ".join(missing[:_NAMED])
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            raise InputError(
                f"{len(missing)} of {len(clips)} clips of {self.path} are missing in {self.root}/: {named}{more}; "
                f"motion-inversion fetch {self.path} --into {self.root} says where to get them and puts them "
                "there, or set dataset.root=… or dataset.only=[…]"
            )
        return clips


def read_manifest(path: str, motion: Motion | None = None) -> tuple[Entry, ...]:
    """The entries of a manifest in their order; paths and `motion` as in `ManifestSet`.

    Raises:
        InputError: no file there, another format, no or two clips of one id, or an entry with faults.
    """
    entries: list[Entry] = []
    for where, record in read_records(locate(path)):
        given = {"motion": motion, **record} if motion else record
        try:
            if "motion" not in given:
                raise InputError("it doesn't say what moves; set dataset.motion=object, camera or hybrid")
            entry = structure(Entry, _spelt_out(given))
        except InputError as error:
            raise InputError(f"{path}, {where}: {error}") from error
        if entry.id in {other.id for other in entries}:
            raise InputError(f"{path}, {where}: the id {entry.id!r} was given before; give each clip its own")
        entries.append(entry)
    if not entries:
        raise InputError(f"{path} lists no clips; give a manifest with some with dataset.path=…")
    return tuple(entries)


def locate(path: str) -> Path:
    """The path itself, or where the package keeps the manifest named after "embedded:"."""
    if not path.startswith(PREFIX):
        return expanded(path)
    folder = Path(str(files("motion_inversion"))) / "data" / "validation"
    name = path.removeprefix(PREFIX)
    if not (folder / f"{name}.yaml").is_file():
        accepted = ", ".join(f"{PREFIX}{file.stem}" for file in sorted(folder.glob("*.yaml")))
        raise InputError(f"there is no manifest {path}; accepted are {accepted} and paths")
    return folder / f"{name}.yaml"


def _spelt_out(record: dict[str, object]) -> dict[str, object]:
    """The record with each prompt that is a plain string, short for an authored one, as a mapping."""

    def prompt(value: object) -> object:
        return {"text": value} if isinstance(value, str) else value

    spelt = dict(record)
    for key in ("source_prompt", "appearance_invariant_prompt"):
        if key in spelt:
            spelt[key] = prompt(spelt[key])
    if isinstance(prompts := spelt.get("prompts"), list):
        spelt["prompts"] = [prompt(value) for value in prompts]
    return spelt

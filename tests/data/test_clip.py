"""What makes a clip, what is refused, and what its fingerprint depends on."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
from PIL import Image

from motion_inversion.data.clip import Clip, ControlMaps, SingleClip, VideoFile, sha256_of_clip
from motion_inversion.data.video import Video, write_lossless
from motion_inversion.error import InputError

CAR = SingleClip(
    path="clips/car turn.mp4",
    source_prompt="a car turns in a street",
    motion="hybrid",
    prompts=("a tank turns in the desert", "a toy train turns in a garden"),
    seeds=(0, 7),
)


def test_a_single_clip_is_built_without_reading_and_named_after_its_file() -> None:
    (clip,) = CAR.clips()
    assert clip == Clip(
        name="car_turn",
        footage=VideoFile(Path("clips/car turn.mp4")),
        motion="hybrid",
        source_prompt="a car turns in a street",
        prompts=("a tank turns in the desert", "a toy train turns in a garden"),
        seeds=(0, 7),
    )
    assert replace(CAR, name="mine").clips()[0].name == "mine"
    assert replace(CAR, path="Bär.mp4").clips()[0].name == "Bär"
    footage = replace(CAR, start=3, stride=2, fit="crop").clips()[0].footage
    assert footage == VideoFile(Path("clips/car turn.mp4"), start=3, stride=2, fit="crop")


def test_control_maps_are_cut_as_the_clip_is() -> None:
    (clip,) = replace(CAR, start=3, stride=2, control_maps="clips/edges").clips()
    assert clip.control_maps == ControlMaps(VideoFile(Path("clips/edges"), start=3, stride=2), "dataset.control_maps=…")
    assert CAR.clips()[0].control_maps is None


@pytest.mark.parametrize(
    "act", [lambda maps: maps.read(4, 16, 16), lambda maps: maps.rate(4), lambda maps: maps.fingerprint()]
)
def test_missing_control_maps_are_told_of_their_own_option(act: Callable[[ControlMaps], object]) -> None:
    maps = replace(CAR, control_maps="nowhere.mp4").clips()[0].control_maps
    assert isinstance(maps, ControlMaps)
    with pytest.raises(
        InputError, match=r"^control maps: no such file or folder: nowhere\.mp4; .* dataset\.control_maps=…$"
    ):
        act(maps)


def test_control_maps_are_footage_and_too_few_of_them_are_told_of_their_own_option(tmp_path: Path) -> None:
    write_lossless(tmp_path / "maps.mkv", np.zeros((3, 16, 16, 3), np.uint8), 8.0)
    maps = replace(CAR, control_maps=tmp_path / "maps.mkv").clips()[0].control_maps
    assert isinstance(maps, ControlMaps)
    assert (maps.rate(4), maps.fingerprint()) == (8.0, VideoFile(tmp_path / "maps.mkv").fingerprint())
    assert maps.read(3, 8, 16).shape == (3, 16, 8, 3)
    with pytest.raises(
        InputError, match=r"has 3 frames .*; set model\.frames=3 or give .* with dataset\.control_maps=…$"
    ):
        maps.read(4, 16, 16)


def test_lists_become_tuples() -> None:
    # A configuration file gives lists; as tuples they can't change, and the set can be hashed.
    made = replace(CAR, prompts=["a tank"], seeds=[1, 2])
    assert (made.prompts, made.seeds) == (("a tank",), (1, 2))
    assert hash(made) == hash(replace(CAR, prompts=("a tank",), seeds=(1, 2)))


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"path": None}, r"no video given; set dataset\.path=my\.mp4"),
        ({"path": " "}, r"no video given; set dataset\.path=my\.mp4"),
        ({"source_prompt": " \t"}, r"no source prompt; set dataset\.source_prompt="),
        ({"prompts": ()}, r"no prompts; set dataset\.prompts=\["),
        ({"prompts": ("a tank\0",)}, r"the prompt 'a tank\\x00' has a control character"),
        (
            {"seeds": tuple(range(200_000))},
            r"2 prompts and 200000 seeds make 400000 samples, accepted are 10000",
        ),
        ({"prompts": ("a tank", "  ")}, r"an empty prompt; .*dataset\.prompts=\["),
        ({"prompts": ("a tank", "a car", "a tank")}, r"repeats 'a tank'; .*dataset\.prompts=\["),
        ({"prompts": "a tank"}, r"must be a list; set dataset\.prompts=\['a tank'\]"),
        ({"seeds": ()}, r"no seeds; set dataset\.seeds=\[0\]"),
        ({"seeds": (3, 3)}, r"repeats 3; .*dataset\.seeds=\["),
        (
            {"motion": "dance"},
            r"unknown motion 'dance', accepted are object, camera, hybrid; set dataset\.motion=",
        ),
        ({"name": "a/b"}, r"'a/b' can't name a clip: .*dataset\.name=my_clip"),
        ({"name": ".."}, r"'\.\.' can't name a clip"),
        ({"name": "x" * 101}, r"can't name a clip: accepted are up to 100"),
        ({"path": "---.mp4"}, r"'' can't name a clip"),
        ({"start": -1}, r"dataset\.start=0"),
        ({"stride": 0}, r"dataset\.stride=1"),
        ({"fit": "stretch"}, r"unknown fit 'stretch'; set dataset\.fit=squeeze or dataset\.fit=crop"),
    ],
)
def test_what_is_refused_names_the_override(
    changed: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As outside of tests: the checks of types would be first to refuse an unknown motion or fit.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InputError, match=fault) as caught:
        replace(CAR, **changed)
    assert "\n" not in str(caught.value)


def test_footage_reads_its_cut_at_the_rate_that_is_left(ten: Path) -> None:
    footage = VideoFile(ten, start=1, stride=3)
    assert footage.read(3, 16, 8)[:, 0, 0, 0].tolist() == [10, 40, 70]
    assert footage.rate(3) == pytest.approx(5 / 3)


def test_the_checksum_is_that_of_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The digest of "abc" is the example of FIPS 180-4.
    (tmp_path / "abc.mp4").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of_clip(tmp_path / "abc.mp4") == known
    monkeypatch.setattr("motion_inversion.storage.file._BLOCK", 2)
    assert sha256_of_clip(tmp_path / "abc.mp4") == known
    with pytest.raises(InputError, match=r"no such file .*dataset\.path=…"):
        sha256_of_clip(tmp_path / "missing.mp4")


def test_the_checksum_of_a_folder_follows_the_order_of_its_images(tmp_path: Path) -> None:
    for number in (2, 10):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    joined = (tmp_path / "2.png").read_bytes() + (tmp_path / "10.png").read_bytes()
    assert sha256_of_clip(tmp_path) == sha256(joined).hexdigest()


def test_the_fingerprint_follows_content_and_cut_but_not_the_place(tmp_path: Path, grey: Callable[..., Video]) -> None:
    write_lossless(tmp_path / "a.mkv", grey(4), fps=8.0)
    write_lossless(tmp_path / "copy.mkv", grey(4), fps=8.0)
    write_lossless(tmp_path / "other.mkv", np.flip(grey(4), axis=0).copy(), fps=8.0)
    footage = VideoFile(tmp_path / "a.mkv")
    assert VideoFile(str(tmp_path / "copy.mkv")).fingerprint() == footage.fingerprint()
    others = [
        VideoFile(tmp_path / "other.mkv"),
        replace(footage, start=1),
        replace(footage, stride=2),
        replace(footage, fit="crop"),
    ]
    assert len({footage.fingerprint(), *(other.fingerprint() for other in others)}) == 5

"""Manifests: what one says, the sets that ship, and what is refused."""

import os
import re
from pathlib import Path

import pytest

from motion_inversion.data.clip import Clip, ControlMaps, sha256_of_clip
from motion_inversion.data.cut import Cut
from motion_inversion.data.manifest import AUTHORED, Entry, ManifestSet, Prompt, read_manifest
from motion_inversion.error import InputError

CLIPS = Path(os.environ.get("MOTION_INVERSION_CLIPS", Path(__file__).parents[3] / "shared" / "clips"))
DOCUMENT = Path(__file__).parents[2] / "docs" / "validation_sets.md"
SIZES = {"object": 8, "camera": 8, "hybrid": 6}  # of the paper's sets: 22 clips, 66 pairs with three prompts each
TWO = """
- id: car
  motion: hybrid
  file: clips/car.mp4
  source: {name: mine, address: nowhere}
  frames: {start: 2, stride: 3, count: 12}
  source_prompt: a car turns
  prompts: [a tank turns, {text: a ship turns, origin: VMC}]
  seeds: [4, 5]
  fit: crop
- {id: cat, motion: object, file: cat, source_prompt: a cat, prompts: [a dog]}
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A manifest of two clips whose files are there."""
    (tmp_path / "data" / "clips").mkdir(parents=True)
    (tmp_path / "data" / "clips" / "car.mp4").touch()
    (tmp_path / "data" / "cat").mkdir()
    path = tmp_path / "two.yaml"
    path.write_text(TWO)
    return path


def entries() -> list[Entry]:
    return [entry for name in SIZES for entry in read_manifest(f"embedded:{name}")]


def test_a_manifest_gives_its_clips(two: Path, tmp_path: Path) -> None:
    car, cat = ManifestSet(two, tmp_path / "data").clips()
    cut = Cut(tmp_path / "data" / "clips" / "car.mp4", 2, 3, 12, "crop")
    assert car == Clip("car", cut, "hybrid", "a car turns", ("a tank turns", "a ship turns"), (4, 5))
    assert cat == Clip("cat", Cut(tmp_path / "data" / "cat"), "object", "a cat", ("a dog",), (0,))
    assert read_manifest(str(two))[0].prompts == (Prompt("a tank turns", AUTHORED), Prompt("a ship turns", "VMC"))


def test_control_maps_are_cut_as_the_clip_is(two: Path, tmp_path: Path) -> None:
    two.write_text(TWO.replace("  fit: crop\n", f"  fit: crop\n  control_maps: maps/car.mp4\n  sha256: {'a' * 64}\n"))
    car, cat = ManifestSet(two, tmp_path / "data").clips()
    data = tmp_path / "data"
    maps = Cut(data / "maps/car.mp4", 2, 3, 12, "crop", counted=data / "clips/car.mp4")
    assert isinstance(car.control_maps, ControlMaps) and car.control_maps.footage == maps
    with pytest.raises(
        InputError, match=r"control maps: no such .*maps/car\.mp4; .* with 'control_maps: …' in its manifest"
    ):
        car.control_maps.fingerprint()
    assert cat.control_maps is None


def test_clips_seeds_and_shards_are_chosen_as_in_any_set(two: Path, tmp_path: Path) -> None:
    (cat,) = ManifestSet(two, tmp_path / "data", only=["cat"], seeds=[7]).clips()
    assert (cat.name, cat.seeds) == ("cat", (7,))
    assert [clip.name for clip in ManifestSet(two, tmp_path / "data", shard=1, shards=2).clips()] == ["cat"]


def test_missing_files_are_named_but_only_those_of_the_chosen_clips(two: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "clips" / "car.mp4").unlink()
    with pytest.raises(InputError) as caught:
        ManifestSet(two, tmp_path / "data").clips()
    assert str(caught.value).startswith(f"1 of 2 clips of {two} are missing in {tmp_path}/data/: clips/car.mp4; ")
    assert f"motion-inversion fetch {two} --into {tmp_path}/data" in str(caught.value)
    assert ManifestSet(two, tmp_path / "data", only=["cat"]).clips()


def test_a_motion_is_given_to_clips_whose_list_says_none(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Video name,Our GT caption,Object Change Caption\ncar,a car,a tank\n")
    (tmp_path / "car.mp4").touch()
    (clip,) = ManifestSet(path, tmp_path, motion="camera").clips()
    assert (clip.motion, clip.prompts) == ("camera", ("a tank",))
    with pytest.raises(InputError, match=r"a\.csv, line 2: it doesn't say what moves; set dataset\.motion=object"):
        ManifestSet(path, tmp_path).clips()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("motion: object", "motion: dance", r"clip cat: motion='dance' is not a 'object' | 'camera'"),
        ("id: cat", "id: car", r"clip car: the id 'car' was given before"),
        ("id: cat", "id: 'a/b'", r"the id 'a/b' can't name a clip: accepted are up to 100 .*; set id: my_clip"),
        ("file: cat", "file: ../cat", r"clip cat: '\.\./cat' isn't a path below the set's root"),
        ("file: cat", "file: /cat", r"clip cat: '/cat' isn't a path below the set's root"),
        ("fit: crop", "control_maps: ../maps", r"clip car: '\.\./maps' isn't a path below the set's root"),
        ("file: cat, ", "", r"clip cat: file must be given; add it"),
        ("[a dog]", "[]", r"clip cat: prompts must list one or more"),
        ("[a dog]", "[a dog, a dog]", r"clip cat: prompts must list one or more, each once"),
        ("[a dog]", "[' ']", r"clip cat: a prompt is empty"),
        ("[a dog]", "a dog", r"clip cat: prompts='a dog' is not a Sequence\[Prompt\]"),
        ("seeds: [4, 5]", "seeds: []", r"clip car: seeds=\[\]: list one or more"),
        ("seeds:", "seed:", r"clip car: seed is no key \(did you mean seeds\?\); accepted are id, motion, file"),
        ("count: 12", "count: 1", r"clip car: frames\.count=1: motion takes at least 2 frames"),
        ("stride: 3", "stride: 0", r"clip car: stride is 0 but must be at least 1"),
        ("fit: crop", "sha256: abc", r"clip car: sha256 'abc' isn't 64 hexadecimal digits"),
        (TWO, "[]", r"lists no clips"),
    ],
)
def test_a_fault_is_told_with_its_clip(two: Path, old: str, new: str, fault: str) -> None:
    assert old in TWO
    two.write_text(TWO.replace(old, new))
    with pytest.raises(InputError, match=fault) as caught:
        read_manifest(str(two))
    assert str(caught.value).startswith(str(two))


@pytest.mark.parametrize("path", [None, " "])
def test_a_set_without_a_manifest_is_refused(path: str | None) -> None:
    with pytest.raises(InputError, match=r"no manifest given; set dataset\.path=my\.yaml"):
        ManifestSet(path, Path("data"))


def test_an_unknown_shipped_set_is_refused() -> None:
    with pytest.raises(InputError, match="no manifest embedded:objects; accepted are embedded:camera, embedded:hybrid"):
        read_manifest("embedded:objects")


@pytest.mark.parametrize("name", SIZES)
def test_a_shipped_set_has_the_papers_number_of_clips_of_its_motion(name: str) -> None:
    found = read_manifest(f"embedded:{name}")
    assert len(found) == SIZES[name]
    assert {entry.motion for entry in found} == {name}
    assert {len(entry.prompts) for entry in found} == {3}


def test_the_shipped_sets_name_where_everything_is_from_and_share_nothing() -> None:
    everything = entries()
    assert len({entry.id for entry in everything}) == len({entry.file for entry in everything}) == 22
    pairs = {(entry.id, prompt.text) for entry in everything for prompt in entry.prompts}
    assert len(pairs) == 66
    for entry in everything:
        assert entry.source is not None and entry.source.address.startswith("https://")
        assert entry.frames.count is None or entry.frames.count >= 16  # what the models take
        assert entry.source_prompt.text not in {prompt.text for prompt in entry.prompts}


def test_the_document_lists_every_pair_and_marks_the_authored_ones() -> None:
    text = DOCUMENT.read_text()
    for entry in entries():
        for prompt in entry.prompts:
            mark = "authored" if prompt.origin == AUTHORED else re.escape(prompt.origin)
            assert re.search(rf"^\| .*{re.escape(prompt.text)} \| {mark} \|$", text, re.MULTILINE), prompt


def test_the_documents_example_is_read(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(# my\.yaml\n.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (tmp_path / "my.yaml").write_text(example)
    [entry] = read_manifest(str(tmp_path / "my.yaml"))
    assert (entry.id, entry.motion, entry.seeds) == ("car-turn", "hybrid", (0, 1))
    assert entry.appearance_invariant_prompt == Prompt("a car is turning", AUTHORED)
    assert entry.prompts[1] == Prompt("a ship turns in a harbour", "VMC")


def test_every_shipped_clip_has_a_prompt_of_its_motion_alone() -> None:
    text = DOCUMENT.read_text()
    for entry in entries():
        prompt = entry.appearance_invariant_prompt
        assert prompt is not None
        assert f"| | | *motion alone:* {prompt.text} | {prompt.origin} |" in text
        assert len(prompt.text) <= len(entry.source_prompt.text)  # it says less, never more


def test_a_prompt_of_the_motion_alone_may_be_left_out(two: Path, tmp_path: Path) -> None:
    given = "  appearance_invariant_prompt: {text: a car is turning, origin: VMC}\n"
    two.write_text(TWO.replace("  seeds: [4, 5]\n", f"  seeds: [4, 5]\n{given}"))
    car, cat = ManifestSet(two, tmp_path / "data").clips()
    assert (car.appearance_invariant_prompt, cat.appearance_invariant_prompt) == ("a car is turning", None)
    two.write_text(two.read_text().replace("a car is turning", "' '"))
    with pytest.raises(InputError, match="a prompt is empty"):
        ManifestSet(two, tmp_path / "data").clips()


@pytest.mark.parametrize("entry", [entry for entry in entries() if entry.sha256], ids=lambda entry: entry.id)
def test_files_at_hand_have_the_checksum_and_hold_the_cut(entry: Entry) -> None:
    path = CLIPS / Path(entry.file).name
    if not path.exists():
        pytest.skip(f"no {path}: set MOTION_INVERSION_CLIPS to the folder that holds it")
    assert sha256_of_clip(path) == entry.sha256
    assert Cut(path, entry.frames.start, entry.frames.stride).available() >= (entry.frames.count or 16)

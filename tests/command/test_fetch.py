"""Building the data folder: from folders, archives and single files, with faults, and again."""

import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

import motion_inversion.__main__ as command
from motion_inversion.data.clip import sha256_of_clip
from motion_inversion.data.fetching.supply import Stored, Supply
from motion_inversion.data.manifest import ManifestSet
from motion_inversion.data.video import write_gif, write_video
from motion_inversion.error import InputError

FRAMES = 6
LIST = """
- {{id: boat, motion: object, file: DAVIS/JPEGImages/480p/boat, mask: DAVIS/Annotations/480p/boat/00000.png,
   source: {{name: DAVIS, address: "https://davis.example", licence: free}}, frames: {{count: 6}},
   source_prompt: a boat, prompts: [a duck]}}
- {{id: car, motion: object, file: Repository/data/car.mp4, sha256: {sha256}, frames: {{count: 6}},
   source: {{name: Repository, address: "https://repository.example"}}, source_prompt: a car, prompts: [a tank]}}
- {{id: zoom, motion: camera, file: zoom.gif, source_prompt: a cup, prompts: [a lion]}}
"""

Fetch = Callable[..., tuple[int, list[str]]]


def draw_folder(folder: Path, suffix: str, count: int = FRAMES) -> None:
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", (16, 8), (40 * index, 0, 0)).save(folder / f"{index:05}{suffix}")


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """DAVIS as extracted, a cloned repository, and a gif on its own."""
    root = tmp_path / "downloads"
    draw_folder(root / "DAVIS" / "JPEGImages" / "480p" / "boat", ".jpg")
    draw_folder(root / "DAVIS" / "JPEGImages" / "Full-Resolution" / "boat", ".jpg", 2)
    draw_folder(root / "DAVIS" / "Annotations" / "480p" / "boat", ".png")
    video = np.random.default_rng(0).integers(0, 256, (FRAMES, 16, 16, 3), dtype=np.uint8)
    (root / "Repository-main" / "data").mkdir(parents=True)
    write_video(root / "Repository-main" / "data" / "car.mp4", video, 8.0, 1)
    write_gif(root / "zoom.gif", video, 8.0, 1)
    return root


@pytest.fixture
def fetch(
    downloads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Fetch:
    """(*words) → the exit code and the lines that are printed, of a list of three clips with four files."""
    path = tmp_path / "list.yaml"
    path.write_text(LIST.format(sha256=sha256_of_clip(downloads / "Repository-main" / "data" / "car.mp4")))

    def fetch(*words: str | Path) -> tuple[int, list[str]]:
        line = ["motion-inversion", "fetch", str(path), "--into", str(tmp_path / "data"), *map(str, words)]
        monkeypatch.setattr(sys, "argv", line)
        code = command.main()
        out, err = capsys.readouterr()
        return code, (out + err).splitlines()

    return fetch


def test_nothing_given_says_what_is_missing_and_where_it_is_from(fetch: Fetch, tmp_path: Path) -> None:
    code, lines = fetch()
    assert code == 1
    assert lines[0] == "[1/4] boat: DAVIS/JPEGImages/480p/boat is MISSING"
    davis = "DAVIS/JPEGImages/480p/boat, DAVIS/Annotations/480p/boat/00000.png"
    assert f"MISSING, from DAVIS, https://davis.example (licence: free): {davis}" in lines
    assert "MISSING, from a source not named: zoom.gif" in lines
    assert lines[-1] == f"0 of 4 files are in {tmp_path}/data/"


@pytest.mark.parametrize("packed", [False, True], ids=["folders", "archives"])
def test_everything_is_found_copied_and_read_by_the_set(
    fetch: Fetch, downloads: Path, tmp_path: Path, packed: bool
) -> None:
    if packed:
        for name in ("DAVIS", "Repository-main"):
            shutil.make_archive(str(downloads / name), "zip", downloads, name)
            shutil.rmtree(downloads / name)
    code, lines = fetch("--from", downloads)
    assert (code, lines[-1]) == (0, f"4 of 4 files are in {tmp_path}/data/")
    clips = ManifestSet(tmp_path / "list.yaml", tmp_path / "data").clips()
    assert [clip.footage.read(FRAMES, 16, 8).shape for clip in clips] == [(FRAMES, 8, 16, 3)] * 3
    # Of the 480p frames, not of the masks or the full resolution: their red grows by 40 a frame.
    reds = clips[0].footage.read(FRAMES, 16, 8)[:, 0, 0, 0].astype(int)
    np.testing.assert_allclose(reds, 40 * np.arange(FRAMES), atol=3)
    assert (tmp_path / "data" / "DAVIS" / "Annotations" / "480p" / "boat" / "00000.png").is_file()


def test_a_second_run_keeps_what_is_there_and_needs_nothing(fetch: Fetch, downloads: Path, tmp_path: Path) -> None:
    fetch("--from", downloads)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.*") if path.suffix != ".lock"}
    code, lines = fetch()
    assert code == 0
    assert [line.endswith("is there") for line in lines] == [True] * 4 + [False]
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_single_files_and_a_folder_of_frames_are_enough(fetch: Fetch, downloads: Path) -> None:
    given = [downloads / "zoom.gif", downloads / "Repository-main" / "data" / "car.mp4"]
    code, lines = fetch("--from", *given, downloads / "DAVIS" / "JPEGImages" / "480p" / "boat")
    assert code == 1
    assert [line.split(":")[0] for line in lines if "MISSING" in line] == ["[2/4] boat", "MISSING, from DAVIS, https"]


def test_an_archive_of_frames_alone_counts_as_their_folder(fetch: Fetch, downloads: Path, tmp_path: Path) -> None:
    made = shutil.make_archive(str(tmp_path / "boat"), "zip", downloads / "DAVIS" / "JPEGImages" / "480p" / "boat")
    _, lines = fetch("--from", made)
    assert lines[0] == f"[1/4] boat: DAVIS/JPEGImages/480p/boat copied from . in {made}"


def test_masks_are_never_taken_for_frames(fetch: Fetch, downloads: Path) -> None:
    code, lines = fetch("--from", downloads / "DAVIS" / "Annotations")
    assert lines[0] == "[1/4] boat: DAVIS/JPEGImages/480p/boat is MISSING"
    assert lines[1].startswith("[2/4] boat: DAVIS/Annotations/480p/boat/00000.png copied from ")
    assert code == 1


def test_another_clips_first_frame_is_no_mask(fetch: Fetch, tmp_path: Path) -> None:
    draw_folder(tmp_path / "other" / "locomotive", ".png")
    _, lines = fetch("--from", tmp_path / "other")
    assert lines[1].endswith("00000.png is MISSING")


def test_only_names_the_clips_to_fetch(fetch: Fetch, downloads: Path) -> None:
    code, lines = fetch("--from", downloads, "--only", "zoom")
    assert (code, len(lines)) == (0, 2)
    code, lines = fetch("--only", "boot")
    assert (code, lines) == (
        2,
        ["motion-inversion: error: --only boot: there is no such clip; accepted are boat, car, zoom"],
    )


def test_what_is_offered_but_is_not_meant_is_refused(fetch: Fetch, downloads: Path, tmp_path: Path) -> None:
    shutil.copy(downloads / "zoom.gif", downloads / "Repository-main" / "data" / "car.mp4")
    (downloads / "DAVIS" / "JPEGImages" / "480p" / "boat" / "00005.jpg").unlink()
    code, lines = fetch("--from", downloads)
    assert code == 1
    assert "it has 5 frames that can be decoded, 6 are needed" in lines[0]
    assert "WRONG" in lines[2] and "its SHA-256 is " in lines[2]
    assert lines[-1].startswith("2 of 4 files are in ")
    assert not (tmp_path / "data" / "DAVIS" / "JPEGImages" / "480p" / "boat").exists()
    assert list((tmp_path / "data").rglob("*.part")) == []


def test_of_several_of_one_name_the_checksum_decides(fetch: Fetch, downloads: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "car.mp4").write_bytes(b"another car")
    shutil.copy(downloads / "Repository-main" / "data" / "car.mp4", tmp_path / "b")
    assert fetch("--only", "car", "--from", tmp_path / "a", tmp_path / "b")[0] == 0
    for name in ("a", "b"):
        shutil.copy(downloads / "zoom.gif", tmp_path / name)
    code, lines = fetch("--only", "zoom", "--from", tmp_path / "a", tmp_path / "b")
    assert code == 1
    assert f"zoom.gif may be {tmp_path}/a/zoom.gif or {tmp_path}/b/zoom.gif; give one of them" in lines[0]


def test_a_file_of_the_users_own_is_reported_but_never_touched(fetch: Fetch, downloads: Path, tmp_path: Path) -> None:
    own = tmp_path / "data" / "Repository" / "data" / "car.mp4"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    code, lines = fetch("--from", downloads)
    assert code == 1
    assert f"WRONG: {own}: its SHA-256 is " in lines[2] and "delete it and repeat" in lines[2]
    assert own.read_bytes() == b"mine"


def test_archives_that_are_damaged_are_named_and_the_rest_is_fetched(fetch: Fetch, downloads: Path) -> None:
    shutil.make_archive(str(downloads / "DAVIS"), "zip", downloads, "DAVIS")
    shutil.rmtree(downloads / "DAVIS")
    content = bytearray((downloads / "DAVIS.zip").read_bytes())
    with zipfile.ZipFile(downloads / "DAVIS.zip") as archive:
        start = archive.getinfo("DAVIS/JPEGImages/480p/boat/00003.jpg").header_offset + 60
    content[start : start + 40] = bytes(40)
    (downloads / "DAVIS.zip").write_bytes(content)
    (downloads / "cut.zip").write_bytes(content[: len(content) // 2])
    code, lines = fetch("--from", downloads)
    assert code == 1
    assert "WRONG: 00003.jpg in " in lines[0] and "DAVIS.zip is damaged (" in lines[0]
    assert any(line.startswith(f"WRONG: {downloads}/cut.zip is no zip archive, or is cut off") for line in lines)
    assert lines[-1].startswith("3 of 4 files are in ")


def test_a_member_that_unpacks_to_far_more_is_refused(fetch: Fetch, downloads: Path, tmp_path: Path) -> None:
    (downloads / "Repository-main/data/car.mp4").unlink()
    with zipfile.ZipFile(downloads / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Repository-main/data/car.mp4", bytes(70 << 20))
    code, lines = fetch("--from", downloads)
    assert code == 1
    assert any("car.mp4 in " in line and "would unpack 71" in line and "no video does that" in line for line in lines)
    assert not (tmp_path / "data/Repository/data/car.mp4").exists()


def test_an_interrupted_copy_leaves_nothing_and_a_killed_one_is_swept(
    fetch: Fetch, downloads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Stored.copy

    def interrupted(stored: Stored, target: Path) -> None:
        if stored.parts[-1] == "00002.jpg":
            raise KeyboardInterrupt
        copy(stored, target)

    folder = tmp_path / "data" / "DAVIS" / "JPEGImages" / "480p"
    with monkeypatch.context() as patched:
        patched.setattr(Stored, "copy", interrupted)
        code, lines = fetch("--from", downloads)
    assert (code, lines[-1]) == (130, "motion-inversion: stopped by SIGINT; repeat the command to resume")
    assert list(folder.iterdir()) == []
    draw_folder(folder / ".boat.0123abcd.part", ".jpg", 2)  # as a killed run leaves it
    assert fetch("--from", downloads)[0] == 0
    assert [path.name for path in folder.iterdir()] == ["boat"]


def test_two_fetches_at_once_and_missing_downloads_are_refused(fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with FileLock(tmp_path / "data" / ".fetch.lock"):
        code, lines = fetch()
    assert (code, lines) == (
        2,
        [f"motion-inversion: error: another fetch fills {tmp_path}/data/ at this moment; wait for it"],
    )
    with pytest.raises(InputError, match="--from /nowhere: there is no such file or folder"):
        Supply([Path("/nowhere")])
    assert fetch("--from", "/nowhere")[0] == 2


def test_a_folder_that_cannot_be_written_is_one_line(fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in the way")
    code, (line,) = fetch()
    assert code == 2
    assert line.startswith(f"motion-inversion: error: can't write to {tmp_path}/data/: ")


def test_the_sets_that_ship_are_asked_for_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["motion-inversion", "fetch"])
    assert command.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "0 of 25 files are in data/"  # 22 clips and three masks

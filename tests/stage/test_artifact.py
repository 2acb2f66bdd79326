"""Results on disk: complete or absent, and what they say they are."""

import errno
import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest

from dying import dies_at, files
from motion_inversion.error import InputError
from motion_inversion.stage.artifact import Artifact, making_together
from motion_inversion.stage.cache import Cache
from motion_inversion.storage import checksum
from motion_inversion.storage.file import replacing, sha256_of
from motion_inversion.storage.names import MANIFEST, TOGETHER


def make(folder: Path, identity: object = 1, text: str = "a") -> Artifact:
    artifact = Artifact(folder, "thing", {"seed": identity})
    with artifact.making("a.txt", "half.txt") as work:
        assert work
        (work / "a.txt").write_text(text)
    return artifact


def test_it_exists_once_it_is_made(tmp_path: Path):
    artifact = Artifact(tmp_path / "stage", "thing", {"seed": 1})
    assert not artifact.exists()
    with artifact.making("a.txt", "half.txt") as work:
        assert work
        (work / "a.txt").write_text("a")
        assert not artifact.exists()
    assert artifact.exists()
    assert {path.name for path in artifact.folder.iterdir()} == {"a.txt", MANIFEST}
    assert artifact.folder.name == f"thing-{artifact.digest}"
    assert [path.name for path in (tmp_path / "stage").iterdir()] == [artifact.folder.name]


def test_the_manifest_says_what_it_was_made_from(tmp_path: Path):
    manifest = json.loads((make(tmp_path).folder / MANIFEST).read_text())
    # The SHA-256 of the letter a, as published with the algorithm's test vectors.
    letter = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert manifest == {"identity": {"seed": 1}, "files": {"a.txt": letter}}


def test_the_label_is_no_part_of_the_identity(tmp_path: Path):
    assert Artifact(tmp_path, "one", {"a": 1}).digest == Artifact(tmp_path, "two", {"a": 1}).digest
    assert Artifact(tmp_path, "one", {"a": 1}).digest != Artifact(tmp_path, "one", {"a": 2}).digest


@pytest.mark.parametrize(
    ("theirs", "ours", "message"),
    [
        ({"seed": 1}, {"seed": 2}, "seed is 1 there and 2 here"),
        ({"a": {"b": {"c": "x"}}}, {"a": {"b": {"c": "y"}}}, 'a.b.c is "x" there and "y" here'),
        ({"a": {"beta": 0.5}}, {"a": {}}, "a.beta is 0.5 there and null here"),
        ({"a": [1, 2]}, {"a": [1, 3]}, r"a is \[1, 2\] there and \[1, 3\] here"),
    ],
)
def test_what_another_configuration_made_is_refused_with_both_sides(
    tmp_path: Path, theirs: dict[str, object], ours: dict[str, object], message: str
):
    other, own = Artifact(tmp_path, "a", theirs), Artifact(tmp_path, "a", ours)
    with other.making("a.txt", "half.txt") as work:
        assert work
        (work / "a.txt").touch()
    shutil.copytree(other.folder, own.folder)
    with pytest.raises(InputError, match=message):
        own.exists()


def test_an_altered_file_is_refused(tmp_path: Path):
    artifact = make(tmp_path)
    (artifact.folder / "a.txt").write_text("b")
    with pytest.raises(InputError, match=r"a\.txt was changed after it was made .*delete .*thing"):
        artifact.exists()


def test_a_missing_file_is_refused(tmp_path: Path):
    artifact = make(tmp_path)
    (artifact.folder / "a.txt").unlink()
    with pytest.raises(InputError, match=r"a\.txt was changed"):
        artifact.exists()


def test_files_are_read_for_their_checksums_once_unless_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = make(tmp_path)
    read: list[str] = []

    def counted(*paths: Path) -> str:
        read.extend(path.name for path in paths)
        return sha256_of(*paths)

    monkeypatch.setattr(checksum, "sha256_of", counted)
    monkeypatch.setattr(checksum, "_SETTLED", -1)  # as if it had been made seconds ago
    for another in [Artifact(made.parent, made.label, made.identity) for _ in range(3)]:
        assert another.exists() and another.checksum("a.txt") == sha256_of(made.folder / "a.txt")
    assert read == ["a.txt"]
    (made.folder / "a.txt").write_text("b")  # as long as before
    with pytest.raises(InputError, match=r"a\.txt was changed"):
        made.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"identity": 1}', "\x00"])
def test_a_broken_manifest_is_refused(tmp_path: Path, content: str):
    artifact = make(tmp_path)
    (artifact.folder / MANIFEST).write_text(content)
    with pytest.raises(InputError, match="can't be read .*delete"):
        artifact.exists()


def test_what_is_made_together_is_never_made_without_the_others(tmp_path: Path):
    artifacts = [Artifact(tmp_path, "thing", {"seed": seed}) for seed in range(3)]

    def work() -> None:
        missing = [artifact for artifact in artifacts if not artifact.settled("a.txt")]
        with making_together(missing, "a.txt") as folders:
            for folder in folders:
                assert folder
                (folder / "a.txt").write_text(f"one of {len(missing)}")

    deaths = 0
    while dies_at(deaths, tmp_path, work):
        deaths += 1
        if any(not artifact.settled("a.txt") for artifact in artifacts):
            work()
        for artifact in artifacts:
            assert artifact.exists()
            assert {path.name for path in artifact.folder.iterdir()} == {"a.txt", MANIFEST, TOGETHER}
            assert artifact.made_with == [each.name for each in artifacts]
            assert (artifact.folder / "a.txt").read_text() == "one of 3"
        assert len([*tmp_path.iterdir()]) == 3
        for artifact in artifacts:
            shutil.rmtree(artifact.folder)
    assert deaths >= 20


def test_a_clock_that_was_put_back_loses_nothing(tmp_path: Path):
    cache = Cache(tmp_path / "cache")
    artifact = Artifact(tmp_path / "one/prepare", "thing", {"seed": 1}, cache)
    with artifact.making("a.txt") as work:
        assert work
        (work / "a.txt").write_text("a")
    half = Artifact(tmp_path / "one/prepare", "thing", {"seed": 2})
    with pytest.raises(RuntimeError, match="stop"), half.making("a.txt", beside=["step*"]) as work:
        assert work
        (work / "step1").write_text("half")
        raise RuntimeError("stop")
    for path in tmp_path.rglob("*"):
        os.utime(path, (time.time() + 1e8, time.time() + 1e8))
    assert artifact.exists()
    with half.making("a.txt", beside=["step*"]) as work:
        assert work and (work / "step1").read_text() == "half"
    assert cache.prune(1.0) == []
    with Artifact(tmp_path / "two/prepare", "thing", {"seed": 1}, cache).making("a.txt") as work:
        assert work is None
    (artifact.folder / "a.txt").write_text("b")
    with pytest.raises(InputError, match=r"a\.txt was changed"):
        artifact.exists()


def test_what_is_added_later_does_no_harm(tmp_path: Path):
    artifact = make(tmp_path)
    (artifact.folder / "video.gif").touch()
    assert artifact.exists()


def test_a_failure_leaves_the_workplace_to_go_on_with(tmp_path: Path):
    artifact = Artifact(tmp_path, "thing", {"seed": 1})
    with pytest.raises(RuntimeError, match="stop"), artifact.making("a.txt", beside=["step*"]) as work:
        assert work
        for name in ("a.txt", "step1"):
            (work / name).write_text("half")
        raise RuntimeError("stop")
    assert not artifact.exists() and not artifact.folder.exists()
    with artifact.making("a.txt", beside=["step*"]) as work:
        assert work
        assert (work / "step1").read_text() == "half"
        assert not (work / "a.txt").exists()  # which is made whole, or is none
    assert artifact.exists()
    assert not artifact.workplace.folder.exists()


def test_what_is_made_is_not_made_again(tmp_path: Path):
    artifact = make(tmp_path, text="a")
    with artifact.making("a.txt", "half.txt") as work:
        assert work is None
    assert (artifact.folder / "a.txt").read_text() == "a"


def test_a_folder_without_a_manifest_is_made_anew(tmp_path: Path):
    artifact = make(tmp_path)
    (artifact.folder / MANIFEST).unlink()
    (artifact.folder / "left.txt").touch()
    assert not artifact.exists()
    make(tmp_path)
    assert artifact.exists() and not (artifact.folder / "left.txt").exists()


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    artifact = Artifact(tmp_path / "file" / "stage", "thing", 1)
    with pytest.raises(InputError, match="can't write .*set output="), artifact.making("a.txt"):
        pass


def test_results_point_to_each_other_so_that_they_can_move_together(tmp_path: Path):
    artifact = Artifact(tmp_path / "clip/generate", "a", 1)
    seen = artifact.relative_to(tmp_path / "clip/evaluate/b-1")
    assert seen == f"../../generate/a-{artifact.digest}"


def test_the_checksum_of_a_missing_file_is_that_of_nothing(tmp_path: Path):
    artifact = Artifact(tmp_path, "thing", 1)
    artifact.folder.mkdir()
    (artifact.folder / "empty").touch()
    assert artifact.checksum("empty") == artifact.checksum("missing")


def _make_slowly(folder: Path, log: Path) -> None:
    with Artifact(folder, "thing", {"seed": 1}).making("a.txt", "half.txt") as work:
        with log.open("a") as stream:
            stream.write("made\n" if work else "found\n")
        if work:
            time.sleep(0.3)
            (work / "a.txt").write_text("a")


def test_of_processes_that_want_the_same_one_makes_it_and_the_others_wait(tmp_path: Path):
    folder, report = tmp_path / "stage", tmp_path / "report"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_make_slowly, args=(folder, report)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert sorted(report.read_text().split()) == ["found", "found", "found", "made"]
    assert [path.name for path in folder.iterdir()] == [Artifact(folder, "thing", {"seed": 1}).folder.name]
    assert {path.name for path in next(folder.iterdir()).iterdir()} == {"a.txt", MANIFEST}


def test_a_failure_that_wrote_nothing_leaves_nothing(tmp_path: Path):
    with pytest.raises(RuntimeError, match="stop"), Artifact(tmp_path / "stage", "thing", {}).making("a.txt"):
        raise RuntimeError("stop")
    assert not list((tmp_path / "stage").iterdir())


def test_what_a_killed_process_left_half_written_is_no_part_of_it(tmp_path: Path):
    artifact = Artifact(tmp_path, "thing", {"seed": 1})
    artifact.workplace.folder.mkdir(parents=True)
    (artifact.workplace.folder / ".strip.png.0123abcd.part").write_text("ha")
    with artifact.making("a.txt", "half.txt") as folder:
        assert folder
        (folder / "a.txt").write_text("a")
    assert {path.name for path in artifact.folder.iterdir()} == {"a.txt", "manifest.json"}


def _make_two(folder: Path) -> None:
    with Artifact(folder / "stage", "thing", {"seed": 1}).making("a.txt", "b.txt", beside=("*.ckpt",)) as work:
        if work:
            (work / "half").mkdir(exist_ok=True)  # of no use to the artifact
            (work / "half/c.txt").write_text("c")
            (work / "step.ckpt").write_text("d")
            for name in ("a.txt", "b.txt"):
                with replacing(work / name) as part:
                    part.write_text(name)


@pytest.mark.parametrize("before", ["nothing", "a folder without a manifest"])
def test_a_death_at_any_file_operation_changes_nothing(tmp_path: Path, before: str):
    _make_two(tmp_path / "whole")
    expected, number, died = files(tmp_path / "whole"), 0, True
    assert set(expected) == {
        f"stage/{path.name}/{name}"
        for path in (tmp_path / "whole/stage").iterdir()
        for name in ("a.txt", "b.txt", "step.ckpt", MANIFEST)
    }
    while died:
        folder = tmp_path / str(number)
        if before != "nothing":
            Artifact(folder / "stage", "thing", {"seed": 1}).folder.mkdir(parents=True)
            (Artifact(folder / "stage", "thing", {"seed": 1}).folder / "old.txt").touch()
        died = dies_at(number, folder, lambda folder=folder: _make_two(folder))
        _make_two(folder)
        assert files(folder) == expected, number
        assert [path.is_dir() for path in (folder / "stage").iterdir()] == [True]
        number += 1
    assert number > 20


def test_what_is_sealed_but_not_renamed_is_not_made_again(tmp_path: Path):
    artifact = make(tmp_path)
    artifact.folder.rename(artifact.workplace.folder)
    (artifact.workplace.folder / "stranger.txt").touch()
    with artifact.making("a.txt") as work:
        assert work is None
    assert {path.name for path in artifact.folder.iterdir()} == {"a.txt", MANIFEST}


def test_an_old_manifest_is_no_part_of_what_is_made_anew(tmp_path: Path):
    artifact = make(tmp_path)
    artifact.folder.rename(artifact.workplace.folder)
    (artifact.workplace.folder / "a.txt").write_text("half")
    make(tmp_path)
    assert artifact.exists()
    assert list(json.loads((artifact.folder / MANIFEST).read_text())["files"]) == ["a.txt"]


def test_strangers_are_never_sealed(tmp_path: Path):
    artifact = Artifact(tmp_path, "thing", {"seed": 1})
    (artifact.workplace.folder / "lightning_logs").mkdir(parents=True)
    (artifact.workplace.folder / "hpc_ckpt_1.ckpt").touch()
    with artifact.making("a.txt", beside=("preview",)) as work:
        assert work
        (work / "a.txt").write_text("a")
        (work / ".nfs0001").touch()
        (work / "preview").mkdir()
    assert {path.name for path in artifact.folder.iterdir()} == {"a.txt", "preview", MANIFEST}
    assert list(json.loads((artifact.folder / MANIFEST).read_text())["files"]) == ["a.txt"]


def test_a_full_disk_is_one_line(tmp_path: Path):
    artifact = Artifact(tmp_path, "thing", {"seed": 1})
    with (
        pytest.raises(InputError, match="^can't write .*: No space left on device; set output="),
        artifact.making("a.txt"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), artifact.making("a.txt"):  # of a file that is only read
        raise PermissionError(errno.EACCES, "Permission denied")

"""Checksums are of the content that a file has, whoever read it before."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from motion_inversion.storage import checksum
from motion_inversion.storage.checksum import known_sha256, noted_sha256
from motion_inversion.storage.file import sha256_of

Read = Callable[[], list[Path]]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large and as left alone; notes go to a folder of the test's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(checksum, "_LARGE", 1)
    monkeypatch.setattr(checksum, "_SETTLED", -1)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"one")
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """The files read since it was last asked, as a process that begins anew would read them."""
    files: list[Path] = []

    def noting(*paths: Path) -> str:
        files.extend(paths)
        return sha256_of(*paths)

    def taken() -> list[Path]:
        checksum._read.cache_clear()
        found = [*files]
        files.clear()
        return found

    monkeypatch.setattr(checksum, "sha256_of", noting)
    taken()
    return taken


def note_of(path: Path) -> Path:
    [note] = (path.parent / "cache" / "motion-inversion" / "sha256").iterdir()
    return note


def test_a_known_checksum_follows_the_content(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    for content in (b"one", b"other", b"third"):  # the last has the length of the one before
        path.write_bytes(content)
        assert known_sha256(path) == known_sha256(path) == sha256(content).hexdigest()


def test_a_file_that_is_left_alone_is_read_once_and_a_fresh_one_each_time(
    weights: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert known_sha256(weights) == known_sha256(weights)
    assert read() == [weights]
    monkeypatch.setattr(checksum, "_SETTLED", 3600 * 10**9)
    assert known_sha256(weights) == known_sha256(weights)
    assert read() == [weights, weights]


def test_the_next_process_reads_the_note_alone(weights: Path, read: Read) -> None:
    assert noted_sha256(weights) == sha256(b"one").hexdigest()
    assert read() == [weights]
    assert noted_sha256(weights) == sha256(b"one").hexdigest()
    assert read() == []


def test_small_and_fresh_files_leave_no_note(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksum, "_LARGE", 4)
    noted_sha256(weights)
    monkeypatch.setattr(checksum, "_LARGE", 1)
    monkeypatch.setattr(checksum, "_SETTLED", 3600 * 10**9)
    noted_sha256(weights)
    assert not (weights.parent / "cache").exists()


def test_another_content_of_the_same_size_and_time_is_read(weights: Path, read: Read) -> None:
    noted_sha256(weights)
    before = weights.stat()
    time.sleep(0.02)  # a file system's clock has ticks
    weights.write_bytes(b"two")
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert noted_sha256(weights) == sha256(b"two").hexdigest()
    other = weights.with_name("other")
    other.write_bytes(b"six")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(weights)
    assert noted_sha256(weights) == sha256(b"six").hexdigest()
    assert read().count(weights) == 3


@pytest.mark.parametrize("key", ["path", "size", "inode", "modified", "changed", "sha256"])
def test_a_note_of_another_state_is_not_trusted(weights: Path, read: Read, key: str) -> None:
    noted_sha256(weights)
    note = json.loads(note_of(weights).read_text())
    note[key] = "0" * 63 if key == "sha256" else 1
    note_of(weights).write_text(json.dumps(note))
    read()
    assert noted_sha256(weights) == sha256(b"one").hexdigest()
    assert read() == [weights]
    assert json.loads(note_of(weights).read_text())["sha256"] == sha256(b"one").hexdigest()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"sha256": 1}', "\udcff"])
def test_a_note_that_says_nothing_is_written_anew(weights: Path, text: str) -> None:
    noted_sha256(weights)
    note_of(weights).write_bytes(os.fsencode(text))
    assert noted_sha256(weights) == sha256(b"one").hexdigest()
    assert json.loads(note_of(weights).read_text())["sha256"] == sha256(b"one").hexdigest()


def test_a_file_that_changes_while_it_is_read_leaves_no_note(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changing(path: Path) -> str:
        path.write_bytes(b"longer")
        return "0" * 64

    monkeypatch.setattr(checksum, "sha256_of", changing)
    noted_sha256(weights)
    assert not (weights.parent / "cache").exists()


def test_a_folder_that_cannot_be_written_costs_time_alone(
    weights: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(weights))
    for _ in range(2):
        assert noted_sha256(weights) == sha256(b"one").hexdigest()
        assert read() == [weights]


def test_many_may_write_at_once(weights: Path, read: Read) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert {*pool.map(noted_sha256, [weights] * 32)} == {sha256(b"one").hexdigest()}
    read()
    assert noted_sha256(weights) == sha256(b"one").hexdigest()
    assert read() == []
    assert note_of(weights).suffix == ".json"

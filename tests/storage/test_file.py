"""A file is written whole or not at all."""

from pathlib import Path

import pytest

from motion_inversion.error import InputError
from motion_inversion.storage.file import replacing


def test_the_file_appears_only_when_the_block_ends_and_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    with replacing(path) as part:
        part.write_text("whole")
        assert part.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def interrupted(part: Path) -> None:
    part.write_text("ha")
    raise KeyboardInterrupt


def test_a_failing_block_keeps_the_old_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as part:
        interrupted(part)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named_with_its_override(tmp_path: Path) -> None:
    # A file where a folder is needed stands for every refusal: permissions don't stop root.
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/a\.txt: .*output=…"), replacing(tmp_path / "file" / "a.txt"):
        pytest.fail("nothing can be written there")
    with pytest.raises(InputError, match="output=…"), replacing(tmp_path) as part:
        part.write_text("a folder can't be replaced by a file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

"""JSON and YAML of others: what is too deep, too much or no file that ends is refused."""

import os
from pathlib import Path

import pytest

from motion_inversion.error import InputError
from motion_inversion.storage.document import parse_json, parse_yaml, read_text


def bomb(levels: int) -> str:
    """YAML of a few lines whose aliases stand for ten to the power of `levels` values."""
    rows = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    rows += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, levels)]
    return "\n".join(rows)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_what_is_plain_is_read(parse) -> None:
    assert parse('{"a": [1, 2.5, null, true, "b"]}') == {"a": [1, 2.5, None, True, "b"]}


@pytest.mark.parametrize("depth", [100, 10_000])
@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_what_is_too_deep_is_refused(parse, depth: int) -> None:
    with pytest.raises(ValueError, match="nested too deeply or holds too much; accepted are 64 levels"):
        parse("[" * depth + "]" * depth)


def test_aliases_of_aliases_are_refused() -> None:
    assert len(parse_yaml(bomb(2))["a1"]) == 10
    with pytest.raises(ValueError, match="holds too much"):
        parse_yaml(bomb(9))


@pytest.mark.parametrize("text", ["a: 2020-01-01", "a: !!set {b}", "a: !!binary aGk="])
def test_what_only_yaml_knows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="which is no text, number, list or mapping; put it in quotes"):
        parse_yaml(text)


def test_a_text_is_read_whatever_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa")
    assert read_text(tmp_path / "a", "give another") == "a"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("missing", "can't read .*missing: No such file or directory; give another"),
        ("folder", "folder is no regular file; give another"),
        ("pipe", "pipe is no regular file; give another"),
        ("/dev/zero", "/dev/zero is no regular file; give another"),
        ("long", "long has 65 MiB, accepted are 64; give another"),
        ("picture", r"picture isn't text in UTF-8 \(invalid start byte\); give another"),
    ],
)
def test_what_is_no_text_is_refused_without_waiting(tmp_path: Path, name: str, fault: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "picture").write_bytes(b"\x89PNG")
    with (tmp_path / "long").open("wb") as stream:
        stream.truncate(65 << 20)
    with pytest.raises(InputError, match=fault):
        read_text(tmp_path / name, "give another")

"""Prompts from a text file."""

from pathlib import Path
from typing import Any

import pytest

from motion_inversion.data.clip import SingleClip
from motion_inversion.error import InputError


def clip(**given: Any) -> SingleClip:
    return SingleClip("a.mp4", "a cat, running", "object", given.pop("prompts", None), [0], **given)


def test_lines_are_prompts_less_blank_ones_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes('\ufeff# mine\r\na dog, running\r\n\n  it\'s "un café" [1] \n#no\n'.encode())
    assert clip(prompts_file=path).clips()[0].prompts == ("a dog, running", 'it\'s "un café" [1]')


def test_a_list_or_the_source_prompt_otherwise() -> None:
    assert clip(prompts=["a", "b"]).clips()[0].prompts == ("a", "b")
    assert clip().clips()[0].prompts == ("a cat, running",)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, ": can't read "), (b"# nothing\n\n", " has no prompts"), (b"\xff\xfe\x00", ": .* isn't text in UTF-8")],
)
def test_a_file_without_prompts_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "p.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"dataset\.prompts_file=.*p\.txt{message}"):
        clip(prompts_file=path)


def test_both_ways_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="both given; drop one"):
        clip(prompts=["a"], prompts_file=tmp_path / "p.txt")


def test_a_path_may_begin_at_home() -> None:
    (single,) = SingleClip("~/a (1).mp4", "a", "object", None, [0]).clips()
    assert str(getattr(single.footage, "path", "")) == str(Path.home() / "a (1).mp4")

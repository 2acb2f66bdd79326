"""Paths are taken as a shell's user writes them, and what never ends is refused."""

import os
import socket
from pathlib import Path

import pytest

from motion_inversion.data.clip import SingleClip, VideoFile
from motion_inversion.data.location import expanded, located
from motion_inversion.data.manifest import ManifestSet
from motion_inversion.error import InputError


def test_a_tilde_is_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.mp4").write_bytes(b"")
    assert located("~/x.mp4") == tmp_path / "x.mp4"
    clip = SingleClip("~/x.mp4", "a car", "object", ["a tank"], [0]).clips()[0]
    assert clip.name == "x" and isinstance(clip.footage, VideoFile) and clip.footage.path == tmp_path / "x.mp4"
    with pytest.raises(InputError, match="no such user"):
        expanded("~nobody_of_this_name/x.mp4")


def test_a_tilde_in_the_root_of_a_manifest_is_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.mp4").write_bytes(b"")
    (tmp_path / "my.yaml").write_text("[{id: x, motion: object, file: x.mp4, source_prompt: a car, prompts: [a tank]}]")
    assert [clip.name for clip in ManifestSet("~/my.yaml", Path("~")).clips()] == ["x"]


@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a socket"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero") if kind == "a device" else tmp_path / "x"
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))
    for act in (lambda: VideoFile(path).read(2, 8, 8), lambda: VideoFile(path).fingerprint()):
        with pytest.raises(InputError, match=rf"is no regular file but {kind}; .*dataset\.path=…"):
            act()


def test_a_manifest_that_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "my.yaml")
    with pytest.raises(InputError, match=r"is no regular file; set dataset\.path=… to a list"):
        ManifestSet(tmp_path / "my.yaml", tmp_path).clips()


@pytest.mark.parametrize("name", ["missing", "a" * 300, "x.mp4/y"])
def test_what_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"dataset\.path=…"):
        located(tmp_path / name)

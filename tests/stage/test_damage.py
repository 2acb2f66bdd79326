"""Unfinished results, checkpoints and the cache under every kind of damage: what comes of them is right, or refused."""

import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from damage import KINDS, leave, obeying_permissions
from motion_inversion.error import InputError
from motion_inversion.method.training.checkpoint import latest
from motion_inversion.stage.artifact import Artifact
from motion_inversion.stage.cache import Cache
from motion_inversion.storage.names import LOCK, MANIFEST

CONTENT = {"a.txt": b"right", "b.bin": b"right as well"}
CHECKPOINT = f"step000003-{hashlib.sha256(b'checkpoint').hexdigest()[:16]}.ckpt"
SHUT = {"a folder without permission", "a file without permission"}


@pytest.fixture(autouse=True)
def _obedient(tmp_path: Path) -> Iterator[None]:
    with obeying_permissions():
        yield
        leave(tmp_path)


def make(folder: Path, seed: int = 1, cache: Cache | None = None) -> Artifact:
    """An artifact, made if need be, which begins by looking for a checkpoint to go on from."""
    artifact = Artifact(folder, "thing", {"seed": seed}, cache)
    with artifact.making(*CONTENT, beside=("step*.ckpt",)) as work:
        if work:
            latest(work)
            for name, content in CONTENT.items():
                (work / name).write_bytes(content if seed == 1 else b"another's")
    return artifact


def assert_right(artifact: Artifact) -> None:
    assert artifact.exists() and not artifact.workplace.folder.exists()
    found = {path.name: path.read_bytes() for path in artifact.folder.iterdir() if path.name != CHECKPOINT}
    assert found.keys() == {*CONTENT, MANIFEST}
    assert {name: found[name] for name in CONTENT} == CONTENT


def unfinished(folder: Path, sealed: bool) -> Artifact:
    """What a death leaves ahead of the manifest or, `sealed`, ahead of the renaming; another one is beside it."""
    make(folder, seed=2)
    artifact = make(folder)
    artifact.folder.rename(artifact.workplace.folder)
    if not sealed:
        (artifact.workplace.folder / MANIFEST).unlink()
    (artifact.workplace.folder / LOCK).touch()
    (artifact.workplace.folder / CHECKPOINT).write_bytes(b"checkpoint")
    return artifact


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sealed", [False, True], ids=["", "sealed"])
@pytest.mark.parametrize("name", [*CONTENT, CHECKPOINT, LOCK, MANIFEST])
def test_an_unfinished_artifact_is_made_all_the_same(tmp_path: Path, kind: str, name: str, sealed: bool):
    artifact = unfinished(tmp_path, sealed)
    if name == MANIFEST and not sealed:
        (artifact.workplace.folder / MANIFEST).write_text("{}")
    KINDS[kind](artifact.workplace.folder / name, random.Random(0))
    if kind == "a folder without permission" or (name == LOCK and kind in SHUT):
        with pytest.raises(
            InputError, match=r"^can't write .*: Permission denied; delete .*thing.*\.part to make it an"
        ):
            make(tmp_path)
        artifact.workplace.folder.chmod(0o755)
        shutil.rmtree(artifact.workplace.folder)
    assert_right(make(tmp_path))
    kept = latest(artifact.folder)
    assert kept is None or kept.read_bytes() == b"checkpoint"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*CONTENT, MANIFEST])
def test_an_entry_of_the_cache_is_made_anew(tmp_path: Path, kind: str, name: str):
    cache = Cache(tmp_path / "cache")
    make(tmp_path / "first/prepare", seed=2, cache=cache)
    shutil.rmtree(make(tmp_path / "first/prepare", cache=cache).folder)
    [entry] = [path for path in cache.folder.glob("*/*/[!.]*") if '"seed": 1' in (path / MANIFEST).read_text()]
    KINDS[kind](entry / name, random.Random(0))
    assert Artifact(tmp_path / "second/prepare", "thing", {"seed": 1}, cache).cached in (True, False)  # and no failure
    for folder in ("second", "third"):
        assert_right(make(tmp_path / folder / "prepare", cache=cache))
    if kind not in {*SHUT, "a file more"}:  # which results take no notice of
        assert_right(Artifact(entry.parent, "thing", {"seed": 1}))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("a file more", "a file in a folder's place")])
@pytest.mark.parametrize("name", [*CONTENT, MANIFEST])
def test_a_finished_artifact_is_refused_with_the_folder_to_delete(tmp_path: Path, kind: str, name: str):
    make(tmp_path, seed=2)
    artifact = make(tmp_path)
    KINDS[kind](artifact.folder / name, random.Random(0))
    if name == MANIFEST and kind in ("a deleted file", "a dead link in a file's place"):  # then nothing is finished
        assert_right(make(tmp_path))
        return
    assert artifact.there in (True, False)  # and no failure
    with pytest.raises(InputError, match=f"delete .*{artifact.name}|delete the folder"):
        make(tmp_path)
    artifact.folder.chmod(0o755)
    shutil.rmtree(artifact.folder)
    assert_right(make(tmp_path))


def test_nothing_is_written_through_a_link_that_lies_in_an_unfinished_artifact(tmp_path: Path):
    artifact = unfinished(tmp_path / "stage", sealed=False)
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("theirs")
    (artifact.workplace.folder / "a.txt").unlink()
    (artifact.workplace.folder / "a.txt").symlink_to(theirs)
    assert_right(make(tmp_path / "stage"))
    assert theirs.read_text() == "theirs"

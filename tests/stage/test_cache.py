"""What experiments of all names share: made once, never trusted blindly, and no result depends on its being there."""

import logging
import multiprocessing
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dying import dies_at, files
from motion_inversion.backbone.model import Backbone
from motion_inversion.command.cache import main
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.stage.artifact import Artifact
from motion_inversion.stage.cache import Cache
from motion_inversion.storage.names import MANIFEST, UNFINISHED

DAY = 86400.0


def artifact(folder: Path, name: str, cache: Path) -> Artifact:
    return Artifact(folder / name / "prepare", "reference", {"seed": 1}, Cache(cache))


def make(folder: Path, name: str, cache: Path, text: str = "a") -> bool:
    """Makes an artifact of an experiment called `name`; whether that took work."""
    with artifact(folder, name, cache).making("a.txt", "b.txt") as work:
        if work:
            (work / "a.txt").write_text(text)
            (work / "b.txt").write_text("b")
        return bool(work)


def entry_of(cache: Path) -> Path:
    [entry] = Cache(cache).entries()
    return entry.folder


def shifted(seconds: float) -> tuple[float, float]:
    """Times of access and of change, so far from now."""
    return time.time() + seconds, time.time() + seconds


def rewritten(path: Path, text: str) -> None:
    """Other bytes in a file of its own, not in what results share with it."""
    path.unlink()
    path.write_text(text)


def test_another_name_gets_what_the_first_made(tmp_path: Path) -> None:
    assert make(tmp_path, "one", tmp_path / "cache")
    assert not make(tmp_path, "two", tmp_path / "cache")
    one, two = (artifact(tmp_path, name, tmp_path / "cache") for name in ("one", "two"))
    assert one.exists() and two.exists()
    assert files(one.folder) == files(two.folder) and set(files(one.folder)) == {"a.txt", "b.txt", MANIFEST}
    assert one.folder.joinpath("a.txt").samefile(two.folder / "a.txt")  # it takes no room of its own


def test_without_hard_links_there_are_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert make(tmp_path, "one", tmp_path / "cache") and not make(tmp_path, "two", tmp_path / "cache")
    one, two = (artifact(tmp_path, name, tmp_path / "cache").folder for name in ("one", "two"))
    assert files(one) == files(two) and not one.joinpath("a.txt").samefile(two / "a.txt")


@pytest.mark.parametrize("name", ["a.txt", "b.txt", MANIFEST])
@pytest.mark.parametrize("damage", ["bytes", "cut", "missing", "a folder", "a link that leads out"])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = tmp_path / "cache"
    make(tmp_path, "one", cache)
    path = entry_of(cache) / name
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage == "a link that leads out":
        (tmp_path / "outside").write_bytes((artifact(tmp_path, "one", cache).folder / name).read_bytes())
        path.symlink_to(tmp_path / "outside")
    elif damage != "missing":
        path.write_text("x" if damage == "bytes" else "")
    with caplog.at_level(logging.WARNING):
        made = make(tmp_path, "two", cache)
    one, two = (artifact(tmp_path, each, cache) for each in ("one", "two"))
    assert one.exists() and two.exists() and files(one.folder) == files(two.folder)
    assert made and "that is done now" in caplog.text
    assert not make(tmp_path, "three", cache)


def test_a_manifest_that_names_files_elsewhere_is_refused(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    make(tmp_path, "one", cache)
    manifest = entry_of(cache) / MANIFEST
    (entry_of(cache).parent / "a.txt").write_text("a")
    rewritten(manifest, manifest.read_text().replace('"a.txt"', '"../a.txt"'))
    assert make(tmp_path, "two", cache)
    assert not (tmp_path / "two/a.txt").exists() and not (tmp_path / "two/prepare/a.txt").exists()


def test_what_another_version_made_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "one", tmp_path / "cache")
    monkeypatch.setattr("motion_inversion.stage.artifact.preparation", lambda: "0badc0de")
    assert make(tmp_path, "two", tmp_path / "cache")
    assert len(Cache(tmp_path / "cache").entries()) == 2


def test_a_cache_that_cannot_be_written_is_said_and_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").touch()  # a file: nobody can write below it, not even root
    assert make(tmp_path, "one", tmp_path / "cache") and make(tmp_path, "two", tmp_path / "cache")
    assert "what is made isn't shared: can't write" in caplog.text and "set cache=… or cache=null" in caplog.text


def test_an_entry_that_may_not_be_read_is_made_for_the_results_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    make(tmp_path, "one", cache)

    def refuse(source: Path, target: Path) -> None:
        if cache in source.parents:
            raise PermissionError(13, "Permission denied")
        link(source, target)

    link = os.link
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        patch.setattr(shutil, "copy2", refuse)
        assert make(tmp_path, "two", cache)
    assert "can't be read (Permission denied): it is made anew, for these results alone" in caplog.text
    assert not make(tmp_path, "three", cache)


def test_an_entry_is_free_again_after_it_was_held(tmp_path: Path) -> None:
    make(tmp_path, "one", tmp_path / "cache")
    name = entry_of(tmp_path / "cache").relative_to(tmp_path / "cache").as_posix()
    holding = Cache(tmp_path / "cache").held(name)
    with holding:
        pass
    assert len(Cache(tmp_path / "cache").prune(0.0)) == 1  # though the lock's object lives on


def _make_slowly(folder: Path, name: str) -> None:
    with artifact(folder, name, folder / "cache").making("a.txt", "b.txt") as work, (folder / "log").open("a") as log:
        log.write("made\n" if work else "found\n")
        log.flush()
        if work:
            time.sleep(0.3)
            (work / "a.txt").write_text("a")


def test_of_experiments_that_want_the_same_one_makes_it_and_the_others_wait(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_make_slowly, args=(tmp_path, name)) for name in "abcd"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert sorted((tmp_path / "log").read_text().split()) == ["found", "found", "found", "made"]


def test_a_death_at_any_file_operation_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path / "whole", "one", tmp_path / "whole/cache")
    expected, number, died = files(tmp_path / "whole/one"), 0, True
    while died:
        folder = tmp_path / str(number)

        def work(folder: Path = folder) -> None:
            make(folder, "one", folder / "cache")
            make(folder, "two", folder / "cache")

        died = dies_at(number, folder, work)
        work()
        assert files(folder / "one") == files(folder / "two") == expected, number
        assert not make(folder, "three", folder / "cache"), number
        Cache(folder / "cache").prune(0.0)
        assert files(folder / "one") == expected, number
        number += 1
    assert number > 30


def test_pruning_removes_what_was_not_used_and_no_result(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    make(tmp_path, "one", cache.folder)
    assert cache.prune(1 * DAY) == []
    old = entry_of(cache.folder)
    os.utime(old, shifted(-2 * DAY))
    make(tmp_path, "two", cache.folder)  # which takes it, and so uses it
    assert cache.prune(1 * DAY) == []
    os.utime(old, shifted(-2 * DAY))
    assert [entry.folder for entry in cache.prune(1 * DAY)] == [old]
    assert cache.entries() == [] and list(old.parent.iterdir()) == []
    assert artifact(tmp_path, "one", cache.folder).exists() and artifact(tmp_path, "two", cache.folder).exists()


def test_what_is_being_made_is_not_pruned(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    make(tmp_path, "one", cache.folder)
    entry = entry_of(cache.folder)
    with cache.held(entry.relative_to(cache.folder).as_posix()):
        assert cache.prune(0.0) == []
    assert len(cache.prune(0.0)) == 1


def test_a_clock_that_was_put_back_makes_nothing_old(tmp_path: Path) -> None:
    make(tmp_path, "one", tmp_path / "cache")
    os.utime(entry_of(tmp_path / "cache"), shifted(+5 * DAY))
    [entry] = Cache(tmp_path / "cache").entries()
    assert entry.unused == 0


def test_the_command_says_what_there_is_and_prunes(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    make(tmp_path, "one", cache)
    size = sum(path.stat().st_size for path in entry_of(cache).iterdir())
    assert main([str(cache)]).splitlines()[0].split() == [
        *("reference", "1", "entry", str(size), "bytes,", "0", "bytes", "of", "it", "in", "no", "results;"),
        *("unused", "for", "up", "to", "0", "days"),
    ]
    shutil.rmtree(tmp_path / "one")
    assert main([str(cache), "--prune", "0"]).startswith(f"removed: 1, {size} bytes freed\nall")
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'nowhere'} is no folder; give that of cache=…")):
        main([str(tmp_path / "nowhere")])


def result(folder: Path, text: str = "precious") -> Path:
    """A folder that looks finished."""
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("results", "strange"),
    [
        (["clip/train/unified-0123456789", "clip/prepare/reference-0123456789", "text/a-0123456789"], "clip"),
        (["0badc0de/prepare/reference-0123456789", "text/star/a-0123456789"], "text"),  # a clip that is called so
        (["0badc0de/prepare/reference-0123456789", "0badc0de/train/unified-0123456789"], "0badc0de/train"),
        (["20261004/text/a-0123456789", "20261004/clip/train/unified-0123456789"], "20261004/clip"),  # an experiment
        (["0badc0de/prepare/reference-0123456789", "photos/2026/beach-0123456789"], "photos"),
        (["0BADC0DE/prepare/reference-0123456789"], "0BADC0DE"),
    ],
)
@pytest.mark.parametrize("words", [[], ["--prune", "0"]])
def test_a_folder_that_is_no_cache_is_refused_and_left_alone(
    tmp_path: Path, results: list[str], strange: str, words: list[str]
) -> None:
    folders = [result(tmp_path / "demo" / each) for each in results]
    before = sorted(tmp_path.rglob("*"))
    told = f"{tmp_path / 'demo'} is no cache: it holds '{strange}', and a cache only folders such as 1a2b3c4d/prepare; "
    with pytest.raises(InputError, match=re.escape(told) + r"give that of cache=…, by default \.cache in output$"):
        main([str(tmp_path / "demo"), *words])
    assert sorted(tmp_path.rglob("*")) == before and all((each / MANIFEST).read_text() for each in folders)


def test_pruning_leaves_what_is_not_called_as_an_entry(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    make(tmp_path, "one", cache.folder)
    beside = entry_of(cache.folder).parent
    names = ["notes", "unified-12", "reference-0123456789x", ".hidden-0123456789", ".notes.part", ".-0123456789.part"]
    others = [result(beside / name) for name in names]
    (cache.folder / "README").write_text("ours")
    others += [result(cache.folder / ".trash/prepare/reference-0123456789")]
    dead = result(beside / f".reference-0123456789.0badc0de{UNFINISHED}")
    for path in (*others, dead):
        os.utime(path, shifted(-2 * DAY))
    assert len(cache.prune(0.0)) == 1 and cache.entries() == []
    assert all((each / MANIFEST).is_file() for each in others) and not dead.exists()


@pytest.mark.parametrize("place", ["0badc0de", "0badc0de/prepare", "0badc0de/prepare/reference-0123456789", "precious"])
def test_no_link_is_followed_or_listed_or_removed(tmp_path: Path, place: str) -> None:
    cache = Cache(tmp_path / "cache")
    make(tmp_path, "one", cache.folder)
    precious = tmp_path / "precious"
    whole = result(precious / "0badc0de/prepare/reference-0123456789")
    part = result(whole.with_name(f".reference-0123456789.0badc0de{UNFINISHED}"))
    link, target = cache.folder / place, precious / place if place != precious.name else precious / "0badc0de"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    for path in (whole, part):
        os.utime(path, shifted(-2 * DAY))
    assert main([str(cache.folder), "--prune", "0"]).startswith("removed: 1, ")
    assert link.is_symlink() and link.readlink() == target and cache.entries() == []
    assert (whole / MANIFEST).is_file() and (part / MANIFEST).is_file()
    assert [path for path in link.parent.iterdir() if path.name.startswith(".") or path.suffix == UNFINISHED] == []


def test_an_entry_with_a_link_in_it_is_listed_and_removed_without_what_it_leads_to(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    make(tmp_path, "one", cache)
    precious = result(tmp_path / "precious")
    (entry_of(cache) / "folder").symlink_to(precious)
    (entry_of(cache) / "dead").symlink_to(tmp_path / "nowhere")
    assert main([str(cache), "--prune", "0"]).startswith("removed: 1, ")
    assert (precious / MANIFEST).is_file()


def test_a_link_to_damaged_files_in_place_of_an_entry_is_removed_alone(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    make(tmp_path, "one", cache)
    entry = entry_of(cache)
    entry.rename(tmp_path / "precious")
    entry.symlink_to(tmp_path / "precious")
    rewritten(tmp_path / "precious/a.txt", "precious")
    assert make(tmp_path, "two", cache) and entry_of(cache) == entry
    assert (tmp_path / "precious/a.txt").read_text() == "precious"


def test_a_cache_may_be_a_link_and_empty(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    cache = tmp_path / "cache"
    cache.symlink_to(tmp_path / "disk")
    assert main([str(cache)]).split()[:3] == ["all", "0", "entries"]
    make(tmp_path, "one", cache)
    assert main([str(cache), "--prune", "0"]).startswith("removed: 1, ")


@pytest.mark.parametrize("folder", ["", " "])
def test_a_folder_that_is_not_named_is_refused(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"^'{folder}' is no folder; give that of cache=…, by default \.cache"):
        main([folder])


@pytest.mark.parametrize("days", ["x", "-1", "nan", "inf"])
def test_days_that_are_none_are_refused(tmp_path: Path, days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path), f"--prune={days}"])
    assert stop.value.code == 2
    assert f"{days!r} is no number of days; accepted are 0 or more, as in --prune 30" in capsys.readouterr().err


def test_a_run_of_another_name_prepares_nothing_and_makes_the_same_bytes(
    compose: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, apart = f"cache={tmp_path / 'cache'}", ("cost.json", "score.json", "run-*.json", "*.html")
    compose(tmp_path / "alone", "stages=[prepare,train,generate]", "name=b").run()
    compose(tmp_path / "shared", "stages=[prepare]", "name=a", cache).run()

    def refuse(*_: object) -> None:
        raise AssertionError("it was prepared again")

    for name in ("encode", "embed", "invert"):
        monkeypatch.setattr(Backbone, name, refuse)
    second = compose(tmp_path / "shared", "stages=[prepare,train,generate]", "name=b", cache)
    results = [result for result in second.outlook() if result.stage == "prepare"]
    assert results and all(result.cached and not result.there for result in results)
    second.run()
    assert files(tmp_path / "shared/b", *apart) == files(tmp_path / "alone/b", *apart)


def test_a_cache_that_would_hold_results_is_refused(compose: Callable[..., Experiment], tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "a"):
        with pytest.raises(InputError, match=r"cache=.* would hold the results of name=a as well; set cache=…"):
            compose(tmp_path, "name=a", f"cache={place}")

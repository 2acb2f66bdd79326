"""What an experiment may be called."""

import re
from pathlib import Path

import pytest

from motion_inversion.error import InputError
from motion_inversion.storage.names import check_links, check_name, check_output


@pytest.mark.parametrize("name", ["sweep", "sweep/x", "Sweep", ".cache", ".cache/x"])
def test_folders_that_are_taken(name: str) -> None:
    with pytest.raises(InputError, match=r"^name=.* set name=my_sweep$"):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["sweeps", "a/sweep", "a", "table1", "a/b", "my study (2)", "实验", "…a", "v1.2", "a~b"]
)
def test_a_folder_below_output(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "../x", "a/../../x", "/abs", "~", "~/x", "~root/x", "a//b", "a/", ".", "..", "a/.", "a/..", "a\0b",
     "a\nb", " a", "a ", "x" * 101, "é" * 51, "a/" + "x" * 200, "...", "\x7f"],
)  # fmt: skip
def test_what_leaves_it_or_is_no_name(name: str) -> None:
    with pytest.raises(InputError, match=r"^name.*set name=my_experiment"):
        check_name(name)


@pytest.mark.parametrize("output", ["/dev/null", "/dev/null/x", "a\0b", "a\nb"])
def test_an_output_that_can_be_no_folder(output: str) -> None:
    with pytest.raises(InputError, match=r"^output=.*; set output=outputs$"):
        check_output(Path(output))


def test_an_output_that_is_there_or_can_be_made(tmp_path: Path) -> None:
    for output in (tmp_path, tmp_path / "a/b", Path("relative/new")):
        check_output(output)


@pytest.mark.parametrize("name", ["link", "link/x", "a/link", "a/link/x"])
@pytest.mark.parametrize("target", ["elsewhere", "nowhere", "out2"])
def test_a_link_that_leads_out_of_output(tmp_path: Path, name: str, target: str) -> None:
    for folder in ("elsewhere", "out/a", "out2"):
        (tmp_path / folder).mkdir(parents=True)
    for place in ("out/link", "out/a/link"):
        (tmp_path / place).symlink_to(tmp_path / target)
    out, link = tmp_path / "out", tmp_path / "out" / name.removesuffix("/x")
    told = f"name={name} leads out of output={out} by the link {link}, to {tmp_path / target}; choose another name or "
    with pytest.raises(InputError, match=f"^{re.escape(told)}set output=…$"):
        check_links(out, name)


@pytest.mark.parametrize("place", ["clip", "clip/train", "clip/train/result"])
def test_a_link_among_results_that_leads_out(tmp_path: Path, place: str) -> None:
    link = tmp_path / "out/x" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path)
    with pytest.raises(InputError, match=rf"^name=x leads out of output=.* by the link .*/out/x/{place}, to "):
        check_links(tmp_path / "out", "x")


def test_a_link_that_leads_out_by_one_that_stays(tmp_path: Path) -> None:
    (tmp_path / "out/a").mkdir(parents=True)
    (tmp_path / "out/stays").symlink_to("a")
    (tmp_path / "out/a/leaves").symlink_to("../..")
    check_links(tmp_path / "out", "stays/x")
    with pytest.raises(InputError, match=r"by the link .*/out/stays/leaves, to "):
        check_links(tmp_path / "out", "stays/leaves/x")


@pytest.mark.parametrize("output", [".", "out", "by_link", "by_link/../out"])
def test_links_that_stay_below_output(tmp_path: Path, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out/a").mkdir(parents=True)
    (tmp_path / "by_link").symlink_to("out")
    for folder in (tmp_path, tmp_path / "out"):
        (folder / "link").symlink_to(tmp_path / "out/a")
    (tmp_path / "out/dead").symlink_to("b")
    for name in ("a", "link", "link/x", "dead/x", "new/x"):
        check_links(Path(output), name)


def test_a_link_that_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(
        InputError, match=r"^name=a/x leads nowhere: the link .*/a leads to itself; choose another name$"
    ):
        check_links(tmp_path, "a/x")

"""What the words of a command stand for."""

from pathlib import Path

import pytest

from motion_inversion.__main__ import _conf  # pyright: ignore[reportPrivateUsage]
from motion_inversion.command import arguments
from motion_inversion.command.jobs import rehearse


@pytest.mark.parametrize("first", [["report"], ["--config-name", "report"]])
@pytest.mark.parametrize("word", ["layout=compact", "report.layout=compact", "++layout=compact"])
def test_the_layout_of_a_report_isnt_taken_for_that_of_embeddings(first: list[str], word: str) -> None:
    """conf/layout has the name of the report's key, and Hydra looks for groups first."""
    command = arguments.read([*first, "source=here", word, "rows=[layout]"])
    [report] = rehearse(command, Path(_conf())).built
    assert (report.layout, report.rows) == ("compact", ("layout",))


def test_keys_of_a_report_are_read_as_an_experiment_has_them() -> None:
    command = arguments.read(["report", "report.rows=[loss]", "report.wandb.mode=offline", "source=report.layout"])
    assert command.hydra.overrides == ["rows=[loss]", "wandb.mode=offline", "source=report.layout"]
    assert command.words[2:] == tuple(command.hydra.overrides)


def test_an_experiment_keeps_its_words() -> None:
    command = arguments.read(["layout=deep", "report.layout=compact"])
    assert command.words == ("layout=deep", "report.layout=compact")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("dataset.path=~/x.mp4", 'dataset.path="/home/me/x.mp4"'),
        ("dataset.path=~/my clip's.mp4", 'dataset.path="/home/me/my clip\'s.mp4"'),
        ("output=~", 'output="/home/me"'),
        ("+model.parts.vae=~/vae", '+model.parts.vae="/home/me/vae"'),
        ("dataset.path=~/a.mp4,~/b.mp4", "dataset.path=~/a.mp4,~/b.mp4"),  # several values
        ("dataset.path=~nobody-here/x.mp4", "dataset.path=~nobody-here/x.mp4"),
        ("~method.preview_every", "~method.preview_every"),
        ("dataset.source_prompt=a~b", "dataset.source_prompt=a~b"),
    ],
)
def test_a_path_below_the_users_folder_is_read_as_a_shell_user_writes_it(
    monkeypatch: pytest.MonkeyPatch, word: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    command = arguments.read(["-m", word])
    assert command.words == ("-m", expected)
    assert command.hydra.overrides == [expected]

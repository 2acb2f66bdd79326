"""What finished trainings are to a new one; that it goes on from a shorter one is tested with real trainings."""

import logging
from pathlib import Path

import pytest

from motion_inversion.stage.artifact import Artifact
from motion_inversion.stage.extension import say_if_edited


def trained(folder: Path, **identity: object) -> Artifact:
    state = Artifact(folder, "motion_inversion", {"seed": 0, **identity})
    with state.making("state") as work:
        assert work
        (work / "state").touch()
    return state


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"seed": 0, "code": {"mine.loss": "bbb", "mine.other": "ccc"}}, "mine.loss was edited since "),
        ({"seed": 0, "code": {"mine.loss": "bbb", "mine.other": "ddd"}}, "mine.loss, mine.other was edited since "),
        ({"seed": 1, "code": {"mine.loss": "bbb", "mine.other": "ccc"}}, ""),  # another setting differs as well
        ({"seed": 0}, ""),
    ],
)
def test_an_edited_class_is_said_to_train_anew(
    tmp_path: Path, new: dict[str, object], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trained(tmp_path, code={"mine.loss": "aaa", "mine.other": "ccc"})
    trained(tmp_path, loss="vmc")
    say_if_edited(Artifact(tmp_path, "motion_inversion", new))
    assert [record.message.partition(str(tmp_path))[0] for record in caplog.records] == ([said] if said else [])

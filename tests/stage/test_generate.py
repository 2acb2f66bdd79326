"""What is sampled together, and that what is missing of it comes back as it was."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dying import files
from motion_inversion.experiment import Experiment
from motion_inversion.storage.names import COST, TOGETHER

Compose = Callable[..., Experiment]


def sampled(caplog: pytest.LogCaptureFixture) -> list[int]:
    """How many clips each batch had, by the log."""
    return [int(found[1]) for line in caplog.messages if (found := re.search(r"sampling (\d+) clips with \w+$", line))]


@pytest.mark.parametrize("lost", [0, 2])
def test_a_sample_is_made_anew_with_those_that_it_was_made_with(
    compose: Compose, prepared: Path, caplog: pytest.LogCaptureFixture, lost: int
):
    caplog.set_level("INFO")
    experiment = compose(prepared, "stages=[train,generate]", "dataset.seeds=[0,1]", "batch=3")
    experiment.run()
    samples = sorted(prepared.glob("motion_inversion/odd_path/generate/*"))
    assert len(samples) == 4 and sampled(caplog) == [3, 1]
    before = files(prepared, COST)
    noted = next(sample / TOGETHER for sample in samples if (sample / TOGETHER).exists())
    together = noted.read_text().splitlines()
    caplog.clear()
    shutil.rmtree(noted.parent.with_name(together[lost]))
    experiment.run()
    assert sampled(caplog) == [3]
    assert files(prepared, COST) == before


@pytest.mark.parametrize("noted", ["", "nobody", "\xff", "../../odd_path"])
def test_a_note_of_nobody_is_of_no_account(
    compose: Compose, prepared: Path, caplog: pytest.LogCaptureFixture, noted: str
):
    caplog.set_level("INFO")
    experiment = compose(prepared, "stages=[train,generate]", "batch=2")
    experiment.run()
    first, second = sorted(prepared.glob("motion_inversion/odd_path/generate/*"))
    (first / TOGETHER).write_bytes(noted.encode("latin-1"))
    shutil.rmtree(second)
    caplog.clear()
    experiment.run()
    assert second.is_dir() and sampled(caplog) == [1]


def test_a_smaller_batch_is_never_exceeded(compose: Compose, prepared: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    compose(prepared, "stages=[train,generate]", "batch=2").run()
    shutil.rmtree(sorted(prepared.glob("motion_inversion/odd_path/generate/*"))[0])
    caplog.clear()
    compose(prepared, "stages=[generate]", "batch=1").run()
    assert sampled(caplog) == [1]

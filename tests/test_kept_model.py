"""The network that jobs of one process share: read once, and to each as if it had read it itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dying import files
from motion_inversion.backbone import model
from motion_inversion.backbone.part import ModelFolder
from motion_inversion.experiment import Experiment
from motion_inversion.stage import walk

Compose = Callable[..., Experiment]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts of models that are read from now on."""
    monkeypatch.setattr(model, "_KEPT", {})
    parts, load = list[str](), ModelFolder.load

    def noted(self: ModelFolder, part: str, *to: Any) -> Any:
        parts.append(part)
        return load(self, part, *to)

    monkeypatch.setattr(ModelFolder, "load", noted)
    return parts


@pytest.mark.parametrize(
    "method", ["motion_inversion", "motion_inversion_hybrid", "motion_director", "vmc", "dmt", "none"]
)
def test_jobs_of_a_process_read_the_network_once_and_make_the_same(
    compose: Compose, tmp_path: Path, read: list[str], method: str
):
    words = [f"method={method}", "stages=[prepare,train,generate]", "noise=random"]
    compose(tmp_path / "alone", *words, "negative_prompt=bad").run()
    compose(tmp_path / "other", *words).run()
    assert read.count("unet") == 1
    read.clear()
    compose(tmp_path / "after", *words, "negative_prompt=bad").run()
    assert read.count("unet") == 0
    apart = ("cost.json", "run-*.json", "*.ckpt")
    assert files(tmp_path / "alone", *apart) == files(tmp_path / "after", *apart)
    compose(tmp_path / "else", *words, "model.dtype=bfloat16").run()
    assert read.count("unet") == 1


def test_a_network_that_a_job_was_changing_when_it_was_stopped_is_read_anew(
    compose: Compose, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    words = ["stages=[prepare,train,generate]", "noise=random"]
    with monkeypatch.context() as patch:
        patch.setattr(walk, "generate", stop)
        with pytest.raises(KeyboardInterrupt):
            compose(tmp_path, *words).run()
    compose(tmp_path, *words).run()
    assert read.count("unet") == 2

"""Run-time checks of array shapes for all annotated functions of the package, and a tiny model to run."""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

_hook = install_import_hook("motion_inversion", "beartype.beartype")

import hydra  # noqa: E402
import torch  # noqa: E402

import motion_inversion.__main__ as command  # noqa: E402
from motion_inversion.composition import build  # noqa: E402
from motion_inversion.experiment import Experiment  # noqa: E402
from random_model import write  # noqa: E402

CONF = Path(__file__).parents[1] / "conf"

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model of ZeroScope's topology, for 64x64 pixels."""
    folder = tmp_path_factory.mktemp("model")
    write(folder, tiny=True, dtype=torch.float32)
    return folder


@pytest.fixture(scope="session")
def tiny_image_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model of Stable Diffusion's topology and a ControlNet, for 64x64 pixels."""
    folder = tmp_path_factory.mktemp("image_model")
    write(folder, tiny=True, dtype=torch.float32, image=True)
    return folder


@pytest.fixture(scope="session")
def small(tiny_model: Path) -> Callable[..., list[str]]:
    """(*words) → the overrides that, ahead of these words, make an experiment take a second, on the random model."""
    training = ["trainer.max_steps=4", "method.checkpoint_every=2"]

    def small(*words: str) -> list[str]:
        default = not any(word.startswith("model=") for word in words)
        return [
            f"model.path={tiny_model}",
            *(["~model.parts"] if default else []),  # which the shapes model shares with others
            "model.frames=4",
            "sampler.guidance=2",
            "sampler.steps=2",
            "inversion.steps=2",
            *([] if {"method=none", "method=dmt"} & {*words} else training),  # which train nothing
            "metric=[motion_fidelity]",
            "dataset.only=[odd_path]",
            "threads=1",
            "cache=null",  # tests/stage/test_cache.py has one
        ]

    return small


@pytest.fixture(scope="session")
def compose(small: Callable[..., list[str]]) -> Callable[..., Experiment]:
    """(output, *overrides) → the small experiment of the real conf/, changed by overrides."""

    def compose(output: Path, *overrides: str) -> Experiment:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            return build(hydra.compose("config", [*small(*overrides), f"output={output}", *overrides]))

    return compose


@pytest.fixture
def call(
    small: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., int]]:
    """(output, *words) → the command's exit code; logging is put back afterwards."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]

    def call(output: Path, *words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["motion-inversion", *small(*words), f"output={output}", *words])
        try:
            return command.main()
        except SystemExit as stop:
            return int(stop.code or 0)

    yield call
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(scope="session")
def finished(compose: Callable[..., Experiment], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run through all stages. Only to be read, or copied."""
    output = tmp_path_factory.mktemp("finished")
    compose(output).run()
    return output


@pytest.fixture
def output(finished: Path, tmp_path: Path) -> Path:
    """A copy of a finished output."""
    return Path(shutil.copytree(finished, tmp_path / "output"))


@pytest.fixture
def prepared(output: Path) -> Path:
    """An output where everything after the preparation is missing."""
    for stage in ("train", "generate", "evaluate"):
        shutil.rmtree(output / "motion_inversion/odd_path" / stage)
    return output

"""The small experiment's address and its reference clip."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from motion_inversion.data.clip import Clip
from motion_inversion.experiment import Experiment
from motion_inversion.stage.address import Address


@pytest.fixture(scope="session")
def experiment(compose: Callable[..., Experiment], tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return compose(tmp_path_factory.mktemp("never-written"))


@pytest.fixture
def address(experiment: Experiment, tmp_path: Path) -> Address:
    return replace(experiment._address(), root=tmp_path)


@pytest.fixture(scope="session")
def clip(experiment: Experiment) -> Clip:
    [clip] = experiment.dataset.clips()
    return clip

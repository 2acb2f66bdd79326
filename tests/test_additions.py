"""What the docs say of adding a loss, a method and a family, followed step by step in a copy of the project."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COPIED = ("conf", "src", "scripts", "tests", "docs", "pyproject.toml", "README.md")

LOSS = '''

@dataclass(frozen=True)
class Mine:
    """Mean absolute error."""

    weight: float = 1.0

    @property
    def on(self) -> Compared:
        """As predicted."""
        return "prediction"

    def __call__(self, prediction: Latents, target: Latents, generator: torch.Generator) -> Scalar:
        return self.weight * (prediction.float() - target.float()).abs().mean()
'''
LOSS_TEST = """

def test_mine_is_the_mean_absolute_error() -> None:
    from motion_inversion.core.loss import Mine

    assert Mine(2.0)(gaussian(0), gaussian(0), generator(0)).item() == 0
"""
METHOD = '''"""The frozen model, once more."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.shape import Latents
from motion_inversion.method.method import Fitting, Reference, Request, sample_guided


@dataclass(frozen=True)
class Mine:
    """Learns nothing."""

    name: ClassVar[str] = "mine"
    fits: ClassVar[bool] = False
    state_file: ClassVar[str] = ""
    at_sampling: ClassVar[frozenset[str]] = frozenset()
    reads_control_maps: ClassVar[bool] = False
    appearance_invariant: ClassVar[bool] = False

    def require(self, model: Backbone) -> None:
        """Any model will do."""

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """Nothing."""
        return 0

    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """As the frozen model does."""
        return sample_guided(model, noise, request)
'''
METHOD_TEST = """from motion_inversion.method.mine import Mine


def test_mine_learns_nothing() -> None:
    assert not Mine().fits
"""
FAMILY_TEST = '''"""A family that someone added."""

from pathlib import Path

from contract import FamilyContract
from test_latte import TestLatte as _Latte


class TestMine(FamilyContract):
    model = "mine"
    overrides = _Latte.overrides

    def write(self, folder: Path) -> None:
        _Latte().write(folder)
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, its weights linked."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "weights")
            shutil.copytree(source, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(source, tmp_path / name)
    weights = "src/motion_inversion/weights"
    (tmp_path / weights).symlink_to(ROOT / weights)
    return tmp_path


@pytest.fixture
def succeeds(project: Path) -> Callable[..., None]:
    """(*words) → runs a Python module in the copy, which must succeed."""

    def run(*words: str) -> None:
        paths = os.pathsep.join(str(project / name) for name in ("src", "scripts", "tests"))
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    return run


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_a_loss_is_three_files(project: Path, succeeds: Callable[..., None]) -> None:
    append(project / "src/motion_inversion/core/loss.py", LOSS)
    write(
        project / "conf/loss/mine.yaml",
        "# @package method.loss\n# Mean absolute error.\n_target_: motion_inversion.core.loss.Mine\nweight: 1.0\n",
    )
    append(project / "tests/core/test_loss.py", LOSS_TEST)
    succeeds("pytest", "-q", "tests/core/test_loss.py", "tests/test_conf.py", "-k", "loss or options or left_out")
    succeeds("motion_inversion", "loss=mine", "--cfg", "job")


def test_a_method_is_four_files(project: Path, succeeds: Callable[..., None]) -> None:
    write(project / "src/motion_inversion/method/mine.py", METHOD)
    write(
        project / "conf/method/mine.yaml",
        "# @package _global_\n# The frozen model, once more.\nmethod: {_target_: motion_inversion.method.mine.Mine}\n",
    )
    write(project / "tests/method/test_mine.py", METHOD_TEST)
    append(project / "docs/methods.md", "\n`mine` learns nothing.\n")
    succeeds("pytest", "-q", "tests/method/test_mine.py", "tests/test_conf.py", "-k", "mine or options or left_out")
    succeeds("motion_inversion", "method=mine", "--cfg", "job")


def test_a_family_is_three_files(project: Path, succeeds: Callable[..., None]) -> None:
    latte = (project / "src/motion_inversion/backbone/latte.py").read_text()
    write(project / "src/motion_inversion/backbone/mine.py", latte.replace("class Latte", "class Mine"))
    model = (project / "conf/model/latte.yaml").read_text()
    write(
        project / "conf/model/mine.yaml", model.replace("latte.Latte", "mine.Mine").replace("name: latte", "name: mine")
    )
    write(project / "tests/backbone/family/test_mine.py", FAMILY_TEST)
    succeeds("pytest", "-q", "tests/backbone/family/test_mine.py")
    succeeds("pytest", "-q", "tests/test_conf.py", "-k", "mine or options or left_out")

"""What a configuration may name, and what it may not: decided before anything is imported."""

import sys
from pathlib import Path

import pytest
from packaging.version import Version

from motion_inversion.composition import CompositionError, build, check
from motion_inversion.error import InputError
from motion_inversion.reflection.trust import check_module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of PYTHONPATH."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def refusal(target: str, **given: object) -> str:
    with pytest.raises(CompositionError) as caught:
        build({"_target_": target, **given})
    return str(caught.value)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "posix.system",
        "subprocess.Popen",
        "builtins.eval",
        "builtins.exec",
        "builtins.open",
        "shutil.rmtree",
        "importlib.import_module",
        "ctypes.CDLL",
        "functools.partial",
        "pathlib.Path.unlink",
        "pathlib.Path",
        "runpy.run_path",
        "pickle.loads",
        "__main__.main",
        "antigravity.webbrowser",
    ],
)
def test_python_itself_is_refused_whoever_trusts_it(target: str) -> None:
    before = set(sys.modules)
    with pytest.raises(CompositionError, match="is of Python itself"):
        build({"_target_": target, "trust": [target.partition(".")[0]]})
    assert "antigravity" not in set(sys.modules) - before


@pytest.mark.parametrize(
    "target",
    [
        "hydra.utils.instantiate",
        "hydra.utils.get_method",
        "torch.load",
        "torch.hub.load",
        "torch.utils.cpp_extension.load",
        "numpy.load",
        "pytorch_lightning.Trainer",
        "pytorch_lightning.loggers.WandbLogger",
        "yaml.unsafe_load",
        "pip._internal.main",
    ],
)
def test_installed_packages_are_refused_until_they_are_trusted(target: str) -> None:
    package = target.partition(".")[0]
    assert refusal(target).startswith(f"_target_: {target} is of the package {package}, whose code would run;")
    assert refusal(target).endswith(f"trust=[{package}]")


def test_what_is_trusted_is_built() -> None:
    parts = {"_target_": "packaging.version.Version", "version": "1.2"}
    with pytest.raises(CompositionError, match=r"trust=\[packaging\]$"):
        check(parts)
    assert build({**parts, "trust": ["packaging"]}) == Version("1.2")


@pytest.mark.parametrize("given", ["omegaconf", [1], {"omegaconf": True}])
def test_trust_is_a_list_of_packages(given: object) -> None:
    with pytest.raises(CompositionError, match=r"is not a list\[str\]; give the names of packages: trust="):
        check({"_target_": "omegaconf.OmegaConf", "trust": given})


@pytest.mark.parametrize(
    "target",
    [
        "motion_inversion.storage.file.replacing",
        "motion_inversion.embedding.official.export_official",
        "motion_inversion.composition.build",
        "torch.optim.swa_utils.update_bn",
    ],
)
def test_functions_of_this_package_are_refused(target: str) -> None:
    assert f"{target} is no class" in refusal(target)


@pytest.mark.parametrize("name", ["Path", "sha256"])
def test_what_a_module_of_ours_imports_is_refused(name: str) -> None:
    module = {"Path": "motion_inversion.storage.file", "sha256": "motion_inversion.data.clip"}[name]
    assert any(words in refusal(f"{module}.{name}") for words in ("is of Python itself", "is no class"))


def test_a_module_of_ones_own_needs_no_trust(folder: Path) -> None:
    (folder / "own_losses.py").write_text(
        "from os import system\nfrom subprocess import Popen\nfrom torch import load\n"
        "class Huber: ...\ndef charbonnier(x): ...\n"
    )
    assert type(build({"_target_": "own_losses.Huber"})).__name__ == "Huber"
    assert build({"_target_": "own_losses.charbonnier", "_partial_": True}).func.__name__ == "charbonnier"
    assert "own_losses.system is no class" in refusal("own_losses.system")
    assert "subprocess.Popen is of Python itself" in refusal("own_losses.Popen")
    assert "torch.serialization.load is of the package torch" in refusal("own_losses.load")


def test_an_installed_package_is_not_ones_own_in_any_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As on clusters, whose modules put folders of packages on PYTHONPATH.
    packages = folder / "site-packages"
    packages.mkdir()
    (packages / "theirs.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(packages)
    assert refusal("theirs.Loss").endswith("trust=[theirs]")


def test_a_module_that_does_not_import_is_one_line(folder: Path) -> None:
    (folder / "own_faulty.py").write_text("def (:\n")
    assert refusal("own_faulty.Loss").startswith("_target_: own_faulty.Loss cannot be imported: SyntaxError: ")


def test_what_is_not_there_is_left_to_the_import() -> None:
    check_module("no_such_package.Loss")
    with pytest.raises(InputError, match="os.path is of Python itself"):
        check_module("os.path")

"""Which classes a configuration may name: it can come from somebody else, and building an object runs its code."""

import importlib.util
import inspect
import re
import sys
import sysconfig
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from motion_inversion.error import InputError

_OURS = "motion_inversion"
# The classes of other packages that this project's configurations need: these, and what is below these names.
_KNOWN = ("torch.optim",)
# Classes, by what they are called: what a module of theirs imported itself is not among them.
_HYDRAS = re.compile(
    r"(hydra\._internal\.core_plugins\.\w+|hydra\.experimental\.callbacks|hydra_plugins\.\w+\.\w+|optuna\.samplers)"
    r"\.[A-Z]\w*"
)
_LOGGING = re.compile(r"(logging(\.handlers)?|colorlog|rich\.logging)\.[A-Z]\w*")
_NOTHING = re.compile(r"(?!)")
_LATER = re.compile(r"\$\{(?!hydra[.:][\w.]+\}$).*\}", re.DOTALL)  # a node elsewhere, which may hold anything
_BUILT = ("callbacks", "launcher", "sweeper", "job_logging", "hydra_logging")  # what Hydra makes objects of
_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
_INSTALLED = ("site-packages", "dist-packages")


def check_module(target: str, trusted: Collection[str] = ()) -> None:
    """Checks the package that a target is in, before anything of it is imported: importing runs code as well.

    Accepted are this package; torch's optimizers; modules that lie outside the folders of
    installed packages, as in one of PYTHONPATH, since whoever runs the command put them there; and `trusted` packages.

    Raises:
        InputError: the standard library, which can't be trusted, or a package that isn't.
    """
    package = target.partition(".")[0]
    if package in sys.stdlib_module_names or package == "__main__":
        raise InputError(
            f"{target} is of Python itself, which a configuration can't call; accepted are classes of "
            "motion_inversion, of torch.optim, and of modules of your own"
        )
    if not (_is_ours(target) or package in trusted) and _is_installed(package):
        raise InputError(
            f"{target} is of the package {package}, whose code would run; accepted are motion_inversion, torch.optim, "
            f"modules of your own in PYTHONPATH, and packages that you trust: trust=[{package}]"
        )


def check_trusted(packages: Collection[str]) -> None:
    """Checks the names of packages that are to be trusted.

    Raises:
        InputError: naming one that is of Python itself, or that isn't installed.
    """
    for package in packages:
        if package in sys.stdlib_module_names or package == "__main__":
            raise InputError(f"trust=[{package}]: that is of Python itself, which a configuration can't call; drop it")
        if not package.isidentifier() or importlib.util.find_spec(package) is None:
            raise InputError(f"trust=[{package}] names no package that is installed; accepted is trust=[mypackage]")


def check_target(found: Any, target: str, trusted: Collection[str] = ()) -> None:
    """Checks what the name stands for: a module can hand on what it imported itself.

    Raises:
        InputError: as `check_module`, of where it is defined; or what is no class, and no function of a module that
            isn't this project's either.
    """
    home = f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', None)}"
    if not (inspect.isclass(found) or (inspect.isfunction(found) and not _is_ours(home))):
        raise InputError(f"{target} is no class; a configuration can name classes, and functions of your own")
    check_module(home, trusted)


def check_hydra(settings: Any, path: str = "hydra") -> None:
    """Checks Hydra's own part of a configuration, which Hydra builds launchers, callbacks and loggers from.

    Raises:
        InputError: a class of another package than Hydra, its plugins and Optuna's samplers, a function that extends
            a search, or a logging handler made by one.
    """
    children = settings.items() if isinstance(settings, Mapping) else enumerate(settings)
    for key, value in children:
        where = f"{path}.{key}"
        called = key in ("_target_", "()") or (key == "class" and "_logging." in where)
        accepted = _HYDRAS if key == "_target_" else _LOGGING
        if key == "custom_search_space" and value is not None:  # a name that Optuna's sweeper calls
            called, accepted = True, _NOTHING
        if called and not accepted.fullmatch(str(value)):
            raise InputError(f"{where}={value} would run code of other packages than Hydra's; drop it")
        if isinstance(value, str) and (strange := _strange(key, value, where)):
            raise InputError(f"{where}={value} {strange}; drop it")
        if isinstance(value, Mapping | list):
            check_hydra(value, where)


def _strange(key: Any, value: str, where: str) -> str:
    """What is wrong with a text in Hydra's part; nothing in most."""
    if _LATER.fullmatch(value) and where.split(".")[1] in _BUILT:
        return "stands for what isn't known yet, which may be a class"
    if "_logging." not in where:
        return ""
    if "://" in value and value not in _STREAMS:
        return f"is no stream of the process; accepted are {' and '.join(_STREAMS)}"
    if key == "filename" and not value.startswith("${hydra.runtime.output_dir}/"):
        return "is a file elsewhere; accepted are files in ${hydra.runtime.output_dir}/"
    return ""


def _is_ours(target: str) -> bool:
    return any(f"{target}.".startswith(f"{name}.") for name in (_OURS, *_KNOWN))


def _is_installed(package: str) -> bool:
    """Whether a package lies where packages are installed; one that can't be found does not."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # it is loaded already, from no place that it tells
        return True
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else [*(spec.submodule_search_locations or ())]
    return any(map(_is_in_installation, places))


def _is_in_installation(place: str) -> bool:
    folders = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib", "platstdlib")}
    return any(parent in folders or parent.name in _INSTALLED for parent in Path(place).resolve().parents)

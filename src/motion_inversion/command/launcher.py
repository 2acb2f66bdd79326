"""What launchers and sweepers are given: their plug-ins take any word and number, and fail later or never end."""

import importlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from motion_inversion.command.explanation import loader
from motion_inversion.error import InputError

_MOST = 4096
# By names of settings, the least that is accepted; -1 of joblib's jobs is one for each core.
_LEAST = {
    "array_parallelism": 1,
    "cpus_per_task": 1,
    "gpus_per_node": 0,
    "max_num_timeout": 0,
    "max_retries": -1,
    "mem_gb": 1,
    "n_jobs": 1,
    "n_trials": 1,
    "nodes": 1,
    "num_cpus": 0,
    "num_gpus": 0,
    "signal_delay_s": 0,
    "tasks_per_node": 1,
    "timeout_min": 1,
}
# Of joblib: the plug-in takes this one whatever it is given, and joblib takes any word for several jobs alone.
_WORDS = {"backend": ("loky",), "prefer": ("processes", "threads")}
_COUNTED = ("array_parallelism", "n_jobs", "nodes", "tasks_per_node")  # of which there can't be any number


def check_alone(given: Sequence[str]) -> None:
    """Checks the overrides of a command that runs one job.

    Raises:
        InputError: for one of a launcher or a sweeper, which Hydra would take without a word.
    """
    for line in given:
        if re.match(r"[+~]{0,2}hydra[./](launcher|sweeper)\b", line):
            raise InputError(f"{line} is of a sweep, and this command runs one job by itself; add -m, or drop it")


def check_chosen(settings: DictConfig, part: str) -> None:
    """Checks that Hydra's settings have a `part`, "launcher" or "sweeper", and that it can be imported.

    Raises:
        InputError: if there is none, or a package is missing or broken.
    """
    chosen = settings[part]
    if not isinstance(chosen, DictConfig) or "_target_" not in chosen:
        accepted = ", ".join(loader().get_group_options(f"hydra/{part}"))
        raise InputError(f"hydra.{part}={chosen} is no {part}; accepted: {accepted}; set hydra/{part}=basic")
    module = str(chosen._target_).rpartition(".")[0]
    library = re.search(rf"\bhydra_(\w+)_{part}\b", module)  # the plug-in of one is called by it, and imports it late
    try:
        importlib.import_module(module)
        if library:
            importlib.import_module(library[1])
    except (ImportError, OSError) as error:
        told = " ".join(str(error).split())
        raise InputError(
            f"hydra/{part}={settings.runtime.choices[f'hydra/{part}']} needs packages more ({told}): "
            f"pip install 'motion-inversion[{library[1] if library else module}]', "
            "or drop it to run the jobs one after the other"
        ) from error


def check_keys(settings: DictConfig, path: str) -> None:
    """Checks that a launcher or a sweeper, at the place `path` in Hydra's configuration, has settings of its own alone.

    Raises:
        InputError: naming the first that its package doesn't know.
    """
    known = _known(path.replace(".", "/"), str(settings["_target_"]))
    if known is None:
        return
    if strange := next((key for key in settings if key not in known), None):
        accepted = ", ".join(key for key in known if key not in ("_target_", "defaults")) or "none"
        raise InputError(f"{path}.{strange}: it has no such setting; accepted: {accepted}; drop it")


def _known(group: str, target: str) -> list[str] | None:
    """The settings of a plug-in of Hydra's by its class; None of one that has registered none."""
    store = ConfigStore.instance()
    nodes = (store.load(f"{group}/{name}").node for name in store.list(group))
    return next((list(map(str, node)) for node in nodes if node.get("_target_") == target), None)


def check_launching(settings: Mapping[str, Any], path: str) -> None:
    """Checks the settings of a launcher or a sweeper, at the place `path` in Hydra's configuration.

    Raises:
        InputError: naming the first number that is out of its range, or word that is none of those accepted.
    """
    for key, value in settings.items():
        where = f"{path}.{key}"
        if isinstance(value, Mapping):
            check_launching(value, where)
        elif key in _WORDS and value not in (None, *_WORDS[key]):
            raise InputError(f"{where}={value}: accepted: {', '.join(_WORDS[key])}; set {where}={_WORDS[key][0]}")
        elif key in _LEAST and not _accepted(key, value):
            least = _LEAST[key]
            most = f" to {_MOST}" if key in _COUNTED else " on"
            all_cores = ", and -1 for one on each core" if key == "n_jobs" else ""
            raise InputError(
                f"{where}={value}: accepted are numbers from {least}{most}{all_cores}; set {where}={max(1, least)}"
            )


def _accepted(key: str, value: Any) -> bool:
    if value is None or isinstance(value, str) or (key == "n_jobs" and value == -1):
        return True  # null is a default; words, such as the resolver of another setting, are the plug-in's to read
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and _LEAST[key] <= value <= (_MOST if key in _COUNTED else float("inf"))
    )

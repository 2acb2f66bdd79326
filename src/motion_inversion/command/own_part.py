"""What a configuration may set in Hydra's own part of it: files can come from somebody else."""

from collections.abc import Collection
from pathlib import PurePath
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from motion_inversion.command.folders import is_given
from motion_inversion.error import InputError
from motion_inversion.reflection.reference import check_references
from motion_inversion.reflection.trust import check_hydra

# What becomes programs, their surroundings, or files elsewhere: heeded on the command line alone.
_COMMANDS = (
    "output_subdir",
    "job.env_set",
    "sweeper.storage",
    "launcher.temp_folder",
    "launcher.setup",
    "launcher.srun_args",
    "launcher.additional_parameters",
    "launcher.ray.init.runtime_env",
    "launcher.ray.init._system_config",
    "launcher.ray.init._temp_dir",
    "launcher.ray.remote.runtime_env",
)


def check_own_part(composed: DictConfig, given: Collection[str]) -> None:
    """Checks `hydra` of a configuration, before Hydra builds or runs anything of it.

    composed: The whole, as Hydra's part can refer to the rest of it.
    given: The overrides of the command line, or of a job of it.

    Raises:
        InputError: for a class of another package, for what would run programs and isn't given on the command line, or
            for a folder elsewhere that Hydra would write to, or references that stand for too much.
    """
    raw: Any = OmegaConf.to_container(composed, resolve=False)
    check_references(raw)
    settings = composed.hydra
    check_hydra(_plain(settings))
    for path in _COMMANDS:
        where = f"hydra.{path}"
        if not is_given(where, given) and OmegaConf.select(settings, path):
            raise InputError(f"a file can't set {where}; give it on the command line if you do")
    if not isinstance(settings.verbose, bool | str | ListConfig):
        raise InputError(f"hydra.verbose={settings.verbose}: accepted are true, false, and names of loggers; drop it")
    if (subdir := settings.output_subdir) is not None:
        place = PurePath(str(subdir))
        if place.is_absolute() or ".." in place.parts:
            raise InputError(f"hydra.output_subdir={subdir} leads out of the run's folder; set a name, or null")
    place = PurePath(str(raw["hydra"]["sweep"]["subdir"]))  # it can hold the number of a job
    if place.is_absolute() or ".." in place.parts:
        raise InputError(f"hydra.sweep.subdir={place} leads out of the sweep's folder; drop it")


def _plain(node: DictConfig | ListConfig) -> Any:
    """The settings as plain data. Interpolations are resolved, as they can stand for mappings; those of what is known
    only when a job runs stay as they are written."""
    raw: Any = OmegaConf.to_container(node, resolve=False)
    keys = raw.keys() if isinstance(raw, dict) else range(len(raw))
    plain = {key: _value(node, key, raw[key]) for key in keys}
    return plain if isinstance(raw, dict) else [*plain.values()]


def _value(node: Any, key: Any, raw: Any) -> Any:
    if OmegaConf.is_missing(node, key):
        return None
    try:
        value = node[key]
    except OmegaConfBaseException:  # what it refers to comes when the job runs
        return raw
    return _plain(value) if isinstance(value, DictConfig | ListConfig) else value

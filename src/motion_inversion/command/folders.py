"""Where a configuration may write: files can come from somebody else."""

import os
from collections.abc import Collection
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from motion_inversion.error import InputError

# By keys of folders, that of the one which they lie below unless the command line gives them. "", and one that a
# configuration hasn't, is the working folder.
_BELOW = {
    "output": "",
    "cache": "output",
    "target": "output",
    "report.target": "output",
    "hydra.run.dir": "output",
    "hydra.sweep.dir": "output",
    "hydra.launcher.submitit_folder": "hydra.sweep.dir",
}


def is_given(key: str, overrides: Collection[str]) -> bool:
    """Whether overrides set a key, the mapping that it is in, or a part of it."""
    keys = [line.partition("=")[0].lstrip("+~") for line in overrides]
    return any(each == key or each.startswith(f"{key}.") or key.startswith(f"{each}.") for each in keys)


def check_folders(config: DictConfig, overrides: Collection[str]) -> None:
    """Checks the folders that a configuration names, of which files choose none elsewhere.

    config: With Hydra's part, or without.
    overrides: Those of the command line.

    Raises:
        InputError: naming the first that a file sets, and that leads out of `output`; or out of the working folder if
            it is `output` itself. The working folder is accepted where Hydra is to run.
    """
    for key, base in _BELOW.items():
        given = None if is_given(key, overrides) else _folder(config, key)
        if given is None or (key == "hydra.run.dir" and _real(given) == _real(".")):
            continue
        above = _folder(config, base) if base else None
        if above == "":  # which is refused where it is built
            continue
        if not _real(given).is_relative_to(_real(above or ".")):
            place = f"{base}={above}" if above else "the working folder"
            raise InputError(
                f"a file can't set {key}={given}, which leads out of {place}; give it on the command line if you do"
            )


def _folder(config: DictConfig, key: str) -> str | None:
    """What a key is set to. Raises InputError if that is known only when a job runs."""
    try:
        given = OmegaConf.select(config, key)
    except OmegaConfBaseException as error:
        raise InputError(f"{key} can't be resolved: {str(error).splitlines()[0]}; set a folder, or drop it") from error
    return None if given is None else str(given)


def _real(folder: str) -> Path:
    try:
        return Path(os.path.realpath(folder))
    except ValueError as error:  # a zero byte
        raise InputError(f"{folder!r} can't be a folder ({error}); set another") from error

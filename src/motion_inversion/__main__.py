"""The command line: composes and builds every job before the first one runs, then hands over to Hydra."""

import argparse
import contextlib
import io
import itertools
import logging
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser  # Hydra's own, so that the command is read in one way only
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from motion_inversion.composition import CompositionError, arguments, build, paths, suggestion
from motion_inversion.error import InputError
from motion_inversion.reflection.trust import check_hydra
from motion_inversion.sweep import run, summed_up

log = logging.getLogger(__name__)

_MOST_JOBS = 10_000
_COMPLETION = re.compile(r"(install|uninstall|query)=\w+")


def main() -> int:
    """Run the command in `sys.argv`; the exit code is 0, 2 for bad input, or 130 when interrupted.

    Any other failure keeps its traceback (exit code 1); MOTION_INVERSION_DEBUG=1 shows every traceback.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra would print errors in its own way and exit with 1
    try:
        with summed_up(_rehearse(_command())):
            hydra.main(version_base="1.3", config_path=str(_conf()), config_name="config")(_job)()
    except InputError as error:
        return _refuse(error)
    except (KeyboardInterrupt, SystemExit) as stop:
        # Lightning turns Ctrl-C into SystemExit(1), which would pass for a failure.
        interrupted = isinstance(stop, KeyboardInterrupt) or isinstance(stop.__context__, KeyboardInterrupt)
        if not interrupted or _debugging():
            raise
        sys.stderr.write("motion-inversion: interrupted; repeat the command to resume\n")
        return 130
    return 0


def _conf() -> Path:
    """Where the YAML files are: in the installed package, or at the top of the repository."""
    installed = Path(__file__).parent / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "conf"


def _debugging() -> bool:
    return os.environ.get("MOTION_INVERSION_DEBUG") == "1"


def _refuse(error: InputError) -> int:
    if _debugging():
        raise error
    for line in str(error).splitlines():
        sys.stderr.write(f"motion-inversion: error: {line}\n")
    return 2


def _command() -> argparse.Namespace:
    """The command as Hydra will read it."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return get_args_parser().parse_args()
    except SystemExit as stop:
        if not stop.code:
            raise
        reason = complaint.getvalue().rpartition("error: ")[2].strip()
        raise InputError(
            f"{reason}; flags go before or after all overrides, not between them; accepted flags: --hydra-help"
        ) from stop


def _job(config: DictConfig) -> None:
    sweeping = HydraConfig.get().mode is RunMode.MULTIRUN
    try:
        run(build(config), sweeping)
    except InputError as error:
        if not sweeping and not _debugging():
            raise SystemExit(_refuse(error)) from error  # Hydra would add a line of its own to an Exception
        log.error("%s", error)
        raise
    except Exception:
        if sweeping:  # Hydra goes on with the other jobs and reports only the first failure, at the end
            log.exception("this job failed")
        raise


def _rehearse(command: argparse.Namespace) -> list[Any]:
    """Compose and build every job of the command, so that no sweep stops halfway for a misspelling.

    Gives what the jobs of a sweep are, and puts into `sys.argv` what Hydra needs besides to begin with them.
    """
    if command.experimental_rerun:
        raise InputError("--experimental-rerun reads a pickle, which can run any program; repeat the command instead")
    if command.shell_completion and not _COMPLETION.fullmatch(" ".join(command.overrides)):
        raise InputError("--shell-completion needs one of install=bash, uninstall=bash and query=bash behind it")
    if command.hydra_help or command.info or command.shell_completion:
        return []
    name, overrides = command.config_name or "config", list(command.overrides)
    if command.config_dir:
        if not Path(command.config_dir).is_dir():
            raise InputError(f"--config-dir {command.config_dir} is not a directory")
        overrides.append(f"hydra.searchpath=[file://{Path(command.config_dir).absolute()}]")
    conf = Path(__file__).parent / (command.config_path or _conf())
    faults: list[str] = []
    built: list[Any] = []
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        jobs, sweeping, starters = _jobs(name, overrides, command.multirun)
        trusted = _trusted(command.overrides)
        for job in jobs:
            try:
                config = _compose(name, job)
                if isinstance(packages := config.get("trust"), ListConfig) and {*packages} - trusted:
                    raise InputError(f"a file can't set trust={packages}; give it on the command line if you do")
                if not (command.help or command.cfg):
                    built.append(build(config))
            except InputError as error:
                faults.extend(str(error).splitlines())
    if faults:
        raise CompositionError(*dict.fromkeys(faults))
    if starters:
        start = sys.argv.index(command.overrides[0])
        sys.argv = [*sys.argv[:start], *starters, *sys.argv[start:]]
    return built if sweeping else []


def _require_room(option: str, folder: Path) -> None:
    """Raises InputError for a folder that Hydra couldn't make."""
    try:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if existing.is_dir() and os.access(existing, os.W_OK):
            return
        reason = f"{existing} is no folder that you can write to"
    except (OSError, ValueError) as error:
        reason = str(error)
    raise InputError(f"{option}={folder} can't be made: {reason}; set another, or drop it")


def _trusted(overrides: list[str]) -> set[str]:
    """The packages that the command itself names as trusted."""
    given = OverridesParser.create(_loader()).parse_overrides(overrides)
    values = [override.value() for override in given if override.key_or_group == "trust"]
    return {str(package) for value in values if isinstance(value, list) for package in value}


def _jobs(name: str, overrides: list[str], multirun: bool) -> tuple[list[list[str]], bool, list[str]]:
    """The overrides of each job, whether they are a sweep, by the command or by the configuration, and starters.

    Hydra begins a sweep with what its jobs have in common, which a value for a swept method isn't part of. Starters
    are the first values of what is swept: given before the sweeps, which replace them, they make it the first job.
    Sweeps that can't be listed (intervals to search in) are left out.
    """
    parser = OverridesParser.create(_loader())
    try:
        given = parser.parse_overrides(overrides)
    except RecursionError as error:
        raise InputError("an override is nested too deeply; give lists and mappings of a few levels") from error
    except OverrideParseException as error:
        raise InputError(
            f"{error.override!r} can't be read; accepted: key=value, group=option, +new=value, ~key"
        ) from error
    fixed = [str(override.input_line) for override in given if not override.is_sweep_override()]
    starters: list[str] = []
    try:
        settings = _compose(name, fixed, with_hydra=True).hydra
    except InputError:
        swept = [override for override in given if override.is_discrete_sweep()]
        starters = [f"{sweep.get_key_element()}={next(sweep.sweep_string_iterator())}" for sweep in swept]
        settings = _compose(name, [*starters, *fixed], with_hydra=True).hydra
    if not multirun and settings.mode is not RunMode.MULTIRUN:
        _require_room("hydra.run.dir", Path(settings.run.dir))
        return [overrides], False, []
    _require_room("hydra.sweep.dir", Path(settings.sweep.dir))
    params = OmegaConf.select(settings, "sweeper.params") or {}
    configured = parser.parse_overrides([f"{key}={value}" for key, value in params.items()])
    lines: dict[str, list[str]] = {}
    for override in [*configured, *given]:
        key = override.get_key_element()
        if override.is_discrete_sweep():
            values = itertools.islice(override.sweep_string_iterator(), _MOST_JOBS + 1)
            lines[key] = [f"{key}={value}" for value in values]
        elif not override.is_sweep_override():
            lines[key] = [str(override.input_line)]
    if math.prod(map(len, lines.values())) > _MOST_JOBS:
        raise InputError(f"the sweep has more than {_MOST_JOBS} jobs; sweep fewer values, or in several commands")
    return [list(job) for job in itertools.product(*lines.values())], True, starters


def _loader() -> ConfigLoader:
    return GlobalHydra.instance().config_loader()


def _compose(name: str, overrides: list[str], with_hydra: bool = False) -> DictConfig:
    try:
        composed = hydra.compose(name, overrides, return_hydra_config=True)
    except RecursionError as error:
        raise InputError(f"{name} or a file that it lists is nested too deeply; a few levels are accepted") from error
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise _explained(error, name, overrides) from error
    check_hydra(OmegaConf.to_container(composed.hydra, resolve=False))
    if not with_hydra:
        with open_dict(composed):
            del composed["hydra"]
    return composed


def _explained(error: Exception, name: str, overrides: list[str]) -> InputError:
    """Hydra's complaint as a single line that names what was given, and what is accepted instead."""
    if isinstance(error, MissingConfigException):
        return _missing_option(str(error.missing_cfg_file))
    if ambiguous := re.search(r"Ambiguous value for argument '(.+?)'", str(error)):
        return InputError(f"{ambiguous[1]} gives several values; add -m to run each, or give a list as [a,b]")
    blamed = re.search(r"(?:In '(.+)/(.+)': )?Could not override '(.+?)'", str(error))
    group, option, key = blamed.groups() if blamed else (None, None, None)
    setter = f"{group}={option}" if group else ""
    rest = [line for line in overrides if line != setter and _key(line) != key]
    if key is None or rest == overrides:
        return InputError(f"cannot compose {' '.join([name, *overrides])}: {error} {error.__cause__ or ''}")
    given = next((line for line in overrides if _key(line) == key), key)
    base = _compose(name, rest, with_hydra=True)
    choices, group = base.hydra.runtime.choices, key.partition(".")[0]
    if group not in choices and _loader().get_group_options(group):
        return _unused_axis(given, setter, choices)
    return _unknown_key(key, given, base)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _missing_option(missing: str) -> InputError:
    group, _, option = missing.rpartition("/")
    given = f"{group}={option}" if group else f"--config-name {option}"
    found = _loader().get_group_options(group)
    options = [name for name in found if not name.startswith("_")]  # Hydra lists an empty file of its own
    return InputError(
        f"{given} names no file of conf/{group}{suggestion(option, options)}; accepted: {', '.join(options)}"
        "; all groups: motion-inversion --help"
    )


def _unused_axis(given: str, setter: str, choices: DictConfig) -> InputError:
    """A group that exists in conf/, but that no defaults list of the chosen method (or root) names."""
    used = [str(group) for group in choices if not str(group).startswith("hydra/") and group != "method"]
    chosen = f"method={choices.method}" if "method" in choices else "this configuration"
    culprit = f"{given}, which {setter} sets" if setter else given
    uses = ", ".join(sorted(used)) or "none of them"
    return InputError(f"{chosen} does not use {culprit}; it uses: {uses}; drop {setter or given}")


def _unknown_key(key: str, given: str, base: DictConfig) -> InputError:
    """A key that no YAML file sets: misspelt, shortened, or left to the default in the class's signature."""
    config: Any = OmegaConf.to_container(base, resolve=False)
    parent, node, parts = "", config, key.split(".")
    while isinstance(node, dict) and parts[0] in node and len(parts) > 1:
        node, parent = node[parts[0]], f"{parent}.{parts.pop(0)}".lstrip(".")
    names = [name for name in node if not str(name).startswith("_")] if isinstance(node, dict) else []
    names = [name for name in names if name != "hydra"]
    if isinstance(node, dict) and "_target_" in node:
        names = list(dict.fromkeys([*names, *arguments(node["_target_"], base.get("trust") or ())]))
    if parts[0] in names:
        return InputError(f"{given} needs a +, as no file sets {key} yet: +{given}")
    if parent:
        near = suggestion(parts[0], names, parent)
    else:
        names += [group for group in _loader().list_groups("") if group not in (*names, "hydra")]
        near = suggestion(key, [*names, *paths(config)])
    accepted = f"accepted {f'in {parent}' if parent else 'at the root'}: {', '.join(names) or 'nothing'}"
    is_open = parent and isinstance(node, dict) and "_target_" not in node and len(parts) == 1
    return InputError(f"{given} names no key{near}; {accepted}{f'; to add one, +{given}' if is_open else ''}")


if __name__ == "__main__":
    sys.exit(main())

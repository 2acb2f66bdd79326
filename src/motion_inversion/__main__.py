"""The command line: composes and builds every job before the first one runs, then hands over to Hydra."""

import argparse
import contextlib
import importlib
import io
import itertools
import logging
import os
import re
import sys
import warnings
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
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from motion_inversion.composition import CompositionError, arguments, build, paths, suggestion
from motion_inversion.error import InputError
from motion_inversion.job import spare_task, stoppable, stopped_by
from motion_inversion.status import status
from motion_inversion.sweep import Ledger, SweepError, run, summed_up

log = logging.getLogger(__name__)


def main() -> int:
    """Run the command in `sys.argv`.

    The exit code is 0; 2 for bad input; 1 for a sweep of which some jobs failed otherwise; 128 + its number for a
    signal: 130 for Ctrl-C, 143 for SIGTERM. Any other failure keeps its traceback (exit code 1);
    MOTION_INVERSION_DEBUG=1 shows every traceback.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra would print errors in its own way and exit with 1
    # Our launchers have the names of their packages' own, which Hydra checks ours against.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")
    if spare := spare_task():
        sys.stderr.write(f"motion-inversion: {spare}\n")
        return 0
    try:
        if sys.argv[1:2] == ["status"]:
            print(status(sys.argv[2:]))
            return 0
        with stoppable(), summed_up(*_rehearse(_command())):
            hydra.main(version_base="1.3", config_path=str(_conf()), config_name="config")(_job)()
    except InputError as error:
        return _refuse(error)
    except SweepError as failure:
        return _refuse(failure) if failure.refused else min(1, _refuse(failure))
    except (KeyboardInterrupt, SystemExit) as stop:
        signal = stopped_by(stop)
        if not signal or _debugging():
            raise
        sys.stderr.write(f"motion-inversion: stopped by {signal.name}; repeat the command to resume\n")
        return 128 + signal
    return 0


def _conf() -> Path:
    """Where the YAML files are: in the installed package, or at the top of the repository."""
    installed = Path(__file__).parent / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "conf"


def _debugging() -> bool:
    return os.environ.get("MOTION_INVERSION_DEBUG") == "1"


def _refuse(error: Exception) -> int:
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
    settings = HydraConfig.get()
    if spare := spare_task():  # of a launcher that was asked for several
        log.info("%s", spare)
    elif settings.mode is RunMode.MULTIRUN:
        with Ledger(Path(settings.sweep.dir)).job(settings.job.num, list(settings.overrides.task)):
            run(build(config), sweeping=True)
    else:
        try:
            run(build(config), sweeping=False)
        except InputError as error:
            if _debugging():
                raise
            raise SystemExit(_refuse(error)) from error  # Hydra would add a line of its own to an Exception


def _rehearse(command: argparse.Namespace) -> tuple[list[Any], Ledger | None]:
    """Compose and build every job of the command, so that no sweep stops halfway for a misspelling.

    Gives what the jobs of a sweep are and where their ends are noted, and puts into `sys.argv` what Hydra needs
    besides to begin with them.
    """
    if command.hydra_help or command.info or command.shell_completion or command.experimental_rerun:
        return [], None
    name, overrides = command.config_name or "config", list(command.overrides)
    if command.config_dir:
        if not Path(command.config_dir).is_dir():
            raise InputError(f"--config-dir {command.config_dir} is not a directory")
        overrides.append(f"hydra.searchpath=[file://{Path(command.config_dir).absolute()}]")
    conf = Path(__file__).parent / (command.config_path or _conf())
    faults: list[str] = []
    built: list[Any] = []
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        jobs, folder, starters = _jobs(name, overrides, command.multirun)
        for job in jobs:
            try:
                config = _compose(name, job)
                if not (command.help or command.cfg):
                    built.append(build(config))
            except InputError as error:
                faults.extend(str(error).splitlines())
    if faults:
        raise CompositionError(*dict.fromkeys(faults))
    if starters:
        start = sys.argv.index(command.overrides[0]) if command.overrides else len(sys.argv)
        sys.argv = [*sys.argv[:start], *starters, *sys.argv[start:]]
    if not folder or not built:
        return [], None
    ledger = Ledger(folder)
    ledger.open(jobs)
    return built, ledger


def _jobs(name: str, overrides: list[str], multirun: bool) -> tuple[list[list[str]], Path | None, list[str]]:
    """The overrides of each job; if they are a sweep, by the command or by the configuration, its folder; and starters.

    Hydra begins a sweep with what its jobs have in common, which a value for a swept method isn't part of. Starters
    are the first values of what is swept: given before the sweeps, which replace them, they make it the first job.
    One more is the folder, whose name has the time in it.
    Sweeps that can't be listed (intervals to search in) are left out.
    """
    parser = OverridesParser.create(_loader())
    try:
        given = parser.parse_overrides(overrides)
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
        return [overrides], None, []
    _require_launcher(settings)
    params = OmegaConf.select(settings, "sweeper.params") or {}
    configured = parser.parse_overrides([f"{key}={value}" for key, value in params.items()])
    lines: dict[str, list[str]] = {}
    for override in [*configured, *given]:
        key = override.get_key_element()
        if override.is_discrete_sweep():
            lines[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        elif not override.is_sweep_override():
            lines[key] = [str(override.input_line)]
    folder = Path(settings.sweep.dir).absolute()
    quoted = str(folder).replace("'", r"\'")
    starters.append(f"hydra.sweep.dir='{quoted}'")
    return [list(job) for job in itertools.product(*lines.values())], folder, starters


def _require_launcher(settings: DictConfig) -> None:
    """Raises InputError for a launcher whose package is not installed."""
    chosen = settings.runtime.choices["hydra/launcher"]
    module = str(settings.launcher._target_).rpartition(".")[0]
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"hydra/launcher={chosen} needs packages more ({error}): pip install 'motion-inversion[{chosen}]', "
            "or drop it to run the jobs one after the other"
        ) from error


def _loader() -> ConfigLoader:
    return GlobalHydra.instance().config_loader()


def _compose(name: str, overrides: list[str], with_hydra: bool = False) -> DictConfig:
    try:
        return hydra.compose(name, overrides, return_hydra_config=with_hydra)
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise _explained(error, name, overrides) from error


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
        names = list(dict.fromkeys([*names, *arguments(node["_target_"])]))
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

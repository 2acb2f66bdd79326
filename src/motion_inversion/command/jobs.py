"""The jobs that a command stands for: composed and built before the first one runs."""

import importlib
import itertools
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from motion_inversion.command import override, search
from motion_inversion.command.arguments import Command
from motion_inversion.command.conf_files import check_files
from motion_inversion.command.economy import as_overrides, economised, picking
from motion_inversion.command.explanation import UNCOMPOSED, compose, loader, without_hydra
from motion_inversion.command.launcher import check_keys, check_launching
from motion_inversion.command.own_part import check_own_part
from motion_inversion.composition import CompositionError
from motion_inversion.error import InputError

_MOST_JOBS = 10_000
_SEVERAL = ("metric",)  # groups of which several options go together


@dataclass(frozen=True)
class Rehearsal:
    """What a command is going to run.

    jobs: the overrides of each job; of a search, some that have every value that it may choose.
    trials: of a search, how many it makes; 0 if it is none.
    folder: of the sweep that they are, by the command or by the configuration; None if they are none.
    built: the object of each job; none where a configuration is only shown.
    picks: what was picked for each of them, by keys.
    words: what Hydra is to read.
    help: the template of the root's help page.
    """

    jobs: list[list[str]]
    trials: int
    folder: Path | None
    built: list[Any]
    picks: list[Mapping[str, Any]]
    words: list[str]
    help: str

    @property
    def count(self) -> int:
        """How many jobs will run."""
        return self.trials or len(self.jobs)


class _Jobs(NamedTuple):
    """The overrides of each job; the folder of the sweep, if the command or the configuration makes them one.

    composed: the configuration of the only job, or of the first as far as Hydra's own settings go.
    starters: words that Hydra is to read before the command's overrides.
    trials: of a search, 0 if it is none.
    """

    jobs: list[list[str]]
    composed: DictConfig
    folder: Path | None = None
    starters: Sequence[str] = ()
    trials: int = 0


def rehearse(command: Command, conf: Path) -> Rehearsal:
    """Composes and builds every job of the command, so that no sweep stops halfway for a misspelling.

    Raises:
        InputError: all faults of all jobs, one line each.
    """
    check_files()
    overrides = list(command.hydra.overrides)
    if command.hydra.config_dir:
        overrides.append(f"hydra.searchpath=[file://{Path(command.hydra.config_dir).absolute()}]")
    faults: list[str] = []
    built: list[Any] = []
    picked: list[Mapping[str, Any]] = []
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        jobs, first, folder, starters, trials = _jobs(command.root, overrides, command.hydra.multirun)
        page = str(first.hydra.help.template)
        if command.shows:
            shown = _shown(command, jobs[0])
            words = _words(command, (), shown if folder or shown != jobs[0] else ())
            return Rehearsal(jobs, trials, None, [], [], words, page)
        trusted = _trusted(command.hydra.overrides)
        for job in _told(jobs) if folder else jobs:
            try:
                config = compose(command.root, job) if folder else without_hydra(first)
                each, picks = economised(_trusting(config, trusted), job)
                built.append(each)
                picked.append(picks)
            except InputError as error:
                faults += [_with_remedy(fault, job) for fault in str(error).splitlines()]
    if faults:
        raise CompositionError(*dict.fromkeys(faults))
    directions = [search.direction(built)] if trials else []
    return Rehearsal(jobs, trials, folder, built, picked, _words(command, [*starters, *directions], ()), page)


def _shown(command: Command, job: list[str]) -> list[str]:
    """The overrides of a job whose configuration is to be printed, with what is picked for it."""
    config = compose(command.root, job)
    package = command.hydra.package
    if package not in (None, "_global_") and command.hydra.cfg == "job" and OmegaConf.select(config, package) is None:
        raise InputError(
            f"--package {package} is no part of the configuration; accepted: {', '.join(map(str, config))}"
        )
    if not command.hydra.cfg or not picking(config):
        return job
    _, picks = economised(config, job)
    return [*job, *as_overrides(picks)]


def _trusted(overrides: list[str]) -> set[str]:
    """The packages that the command itself names as trusted."""
    values = [each.value() for each in override.read(overrides, loader()) if each.key_or_group == "trust"]
    return {str(package) for value in values if isinstance(value, list) for package in value}


def _trusting(config: DictConfig, trusted: set[str]) -> DictConfig:
    """The configuration of a job, in which no file trusts more than the command does."""
    packages = config.get("trust") or []  # whatever a file makes of it, by a resolver too
    named = {packages} if isinstance(packages, str) else {*map(str, packages)}
    if named - trusted:
        raise InputError(f"a file can't set trust={packages}; give it on the command line if you do")
    return config


def _jobs(name: str, overrides: list[str], multirun: bool) -> _Jobs:
    """The jobs of a command.

    Hydra begins a sweep with what its jobs have in common, which a value for a swept method isn't part of. Starters
    are the first values of what is swept: given before the sweeps, which replace them, they make it the first job.
    One more is the folder, whose name has the time in it. Sweeps that can't be listed (intervals to search in) are
    left out.
    """
    given = override.read(overrides, loader())
    for each in given:
        _require_one_option(each)
    fixed = [str(each.input_line) for each in given if not each.is_sweep_override()]
    composed, starters = _first(name, given, fixed)
    settings = composed.hydra
    plain: Any = OmegaConf.to_container(settings, resolve=False)
    check_own_part(composed, overrides)
    if not multirun and settings.mode is not RunMode.MULTIRUN:
        if several := next((each for each in given if each.is_sweep_override()), None):
            raise override.several(str(several.input_line))
        _require_room("hydra.run.dir", settings.run.dir)
        return _Jobs([overrides], composed)
    if between := next((each for each in given if each.is_sweep_override() and _is_of_hydra(each)), None):
        raise InputError(f"{between.input_line}: what starts and keeps the jobs is the same for all; give one value")
    for part in ("launcher", "sweeper"):
        check_keys(settings[part], f"hydra.{part}")
        check_launching(plain[part], f"hydra.{part}")
    _require_room("hydra.sweep.dir", settings.sweep.dir)
    if not plain["sweep"]["subdir"]:
        raise InputError("hydra.sweep.subdir is empty: each job needs a folder of its own; drop it")
    for part in ("launcher", "sweeper"):
        _require_plugin(settings, part)
    searching = search.is_search(settings)
    if searching:
        search.check_search(settings, starters)
    configured = _configured(settings)
    lines: dict[str, list[str]] = {}
    swept = [each.get_key_element() for each in given if each.is_sweep_override()]
    if twice := next((key for key in swept if [each.get_key_element() for each in given].count(key) > 1), None):
        raise InputError(f"{twice} is given twice, and one of them is a sweep; give it once, as in {twice}=a,b")
    for each in [*configured, *given]:
        key = each.get_key_element()
        if each.is_discrete_sweep():
            lines[key] = [f"{key}={value}" for value in _values(each)]
        elif each.is_sweep_override() and not searching:
            raise InputError(
                f"{each.input_line} is to be searched in, not listed; list values, as in {key}=a,b, or add "
                "hydra/sweeper=optuna_tpe"
            )
        elif not each.is_sweep_override():
            lines[key] = [str(each.input_line)]
    if not searching and math.prod(map(len, lines.values())) > _MOST_JOBS:
        raise InputError(f"the sweep has more than {_MOST_JOBS} jobs; sweep fewer values, or in several commands")
    folder = Path(settings.sweep.dir).absolute()
    starters.append(f"hydra.sweep.dir={override.quoted(str(folder))}")
    if searching:
        return _Jobs(search.every_value(lines), composed, folder, starters, settings.sweeper.n_trials)
    return _Jobs([list(job) for job in itertools.product(*lines.values())], composed, folder, starters)


def _require_one_option(given: Override) -> None:
    """Raises InputError for a list of options of a group that is one object: Hydra would mix their settings."""
    key, options = given.key_or_group, given.value()
    if key in _SEVERAL and options == []:
        raise InputError(f"{key}=[] names none; give one or several, as in metric=[motion_fidelity]")
    if given.is_sweep_override() or not isinstance(options, list) or key in _SEVERAL or "/" in key:
        return
    if loader().get_group_options(key):
        each = ",".join(map(str, options))
        raise InputError(f"{given.input_line}: {key} is one of its options; to run each of them: -m {key}={each}")


def _values(sweep: Override) -> list[str]:
    """What a sweep lists, at most one more than there may be jobs. Raises InputError if that is nothing, or repeats."""
    key = sweep.get_key_element()
    try:
        values = list(itertools.islice(sweep.sweep_string_iterator(), _MOST_JOBS + 1))
    except (ValueError, ArithmeticError) as error:  # of ranges that are none
        raise InputError(f"{sweep.input_line} can't be listed ({error}); list values, as in {key}=a,b") from error
    if not values:
        raise InputError(f"{sweep.input_line} stands for no value; list some, as in {key}=a,b")
    repeated, count = Counter(values).most_common(1)[0]
    if count > 1:
        raise InputError(f"{sweep.input_line} has {repeated} twice; list each value once")
    return values


def _is_of_hydra(given: Override) -> bool:
    return given.get_key_element().startswith(("hydra.", "hydra/"))


def _require_room(option: str, given: str | None) -> None:
    """Raises InputError for a folder that Hydra couldn't make, or none."""
    if not given:
        raise InputError(f"{option} is empty; set a folder, as in {option}=outputs/sweep, or drop it")
    folder = Path(given)
    try:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if existing.is_dir() and os.access(existing, os.W_OK):
            return
        reason = f"{existing} is no folder that you can write to"
    except (OSError, ValueError) as error:
        reason = str(error)
    raise InputError(f"{option}={folder} can't be made: {reason}; set another, or drop it")


def _require_plugin(settings: DictConfig, part: str) -> None:
    """Raises InputError for a launcher or a sweeper whose package is not installed."""
    chosen = settings.runtime.choices[f"hydra/{part}"]
    module = str(settings[part]._target_).rpartition(".")[0]
    try:
        importlib.import_module(module)
    except ImportError as error:
        extra = re.sub(rf".*\bhydra_(\w+)_{part}\b.*", r"\1", module)
        raise InputError(
            f"hydra/{part}={chosen} needs packages more ({error}): pip install 'motion-inversion[{extra}]', "
            "or drop it to run the jobs one after the other"
        ) from error


def _first(name: str, given: Sequence[Override], fixed: list[str]) -> tuple[DictConfig, list[str]]:
    """The configuration of a command without its sweeps, Hydra's own settings in it, and the starters that it takes.

    A sweep of the configuration's is then among the starters as a whole, or its first value would replace it.
    """
    try:
        return hydra.compose(name, fixed, return_hydra_config=True), []
    except UNCOMPOSED:
        configured = _configured_by_choices(name, fixed)
        swept = {each.get_key_element(): each for each in [*configured, *given] if each.is_discrete_sweep()}
        starters = [f"{key}={next(sweep.sweep_string_iterator())}" for key, sweep in swept.items()]
        composed = compose(name, [*starters, *fixed], with_hydra=True)
        return composed, [*starters, *(str(sweep.input_line) for sweep in configured)]


def _configured(settings: DictConfig) -> list[Override]:
    """The sweeps of the configuration itself, such as those of an experiment."""
    params = OmegaConf.select(settings, "sweeper.params") or {}
    return override.read([f"{key}={value}" for key, value in params.items()], loader())


def _configured_by_choices(name: str, fixed: Sequence[str]) -> list[Override]:
    """The same, where only the choices of options compose."""
    choices = [line for line in fixed if loader().get_group_options(line.partition("=")[0]) or line.startswith("hydra")]
    try:
        return _configured(hydra.compose(name, choices, return_hydra_config=True).hydra)
    except UNCOMPOSED:
        return []


def _told(jobs: Sequence[list[str]]) -> Iterator[list[str]]:
    """The jobs, after a line on what is being done: the first one waits for PyTorch to be loaded."""
    sys.stderr.write(f"motion-inversion: checking the {len(jobs)} jobs of this sweep before the first one runs\n")
    yield from jobs


def _with_remedy(fault: str, job: Iterable[str]) -> str:
    """A fault of a value that was meant as text, or as a list of one, with the override that says so."""
    for line in job:
        key, _, value = line.partition("=")
        named = fault.startswith(f"{key.lstrip('+')}=")
        if named and " is not a" in fault and not value.strip("\"'"):
            return f"{fault}; give a value, or drop {key}"
        if named and re.search(r" is not an? .*\b(Sequence|tuple|list)\[", fault) and value[:1] not in "[{":
            return f"{fault}; as a list: {override.shell(f'{key}=[{value}]')}"
        misread = named and re.search(r" is not an? .*\b(str|Path)\b", fault)
        if misread or ("${" in value and fault.startswith("the configuration cannot be resolved")):
            return f"{fault}; as one text: {override.as_text(line)}"
    return fault


def _words(command: Command, before: Sequence[str], instead: Sequence[str]) -> list[str]:
    """The words of the command with others ahead of its overrides, and others in their place if it only shows."""
    words, overrides = list(command.words), list(command.hydra.overrides)
    start = words.index(overrides[0]) if overrides else len(words)
    kept = [] if instead else overrides
    flags = [word for word in words[:start] if not (instead and word in ("-m", "--multirun"))]
    after = [word for word in words[start + len(overrides) :] if not (instead and word in ("-m", "--multirun"))]
    return [*flags, *before, *kept, *instead, *after]

"""Which jobs a command lists: its sweeps written out, and those of the configuration."""

import itertools
import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from motion_inversion.command import override, search
from motion_inversion.command.explanation import UNCOMPOSED, compose, loader
from motion_inversion.command.folders import check_folders
from motion_inversion.command.launcher import check_chosen, check_keys, check_launching
from motion_inversion.command.own_part import check_own_part
from motion_inversion.error import InputError
from motion_inversion.ledger import Ledger

_MOST_JOBS = 10_000
_SEVERAL = ("metric",)  # groups of which several options go together


class Listing(NamedTuple):
    """The overrides of each job; the folder of the sweep, if the command or the configuration makes them one.

    composed: The configuration of the only job, or of the first as far as Hydra's own settings go.
    starters: Words that Hydra is to read before the command's overrides.
    trials: Of a search, 0 if it is none.
    """

    jobs: list[list[str]]
    composed: DictConfig
    folder: Path | None = None
    starters: Sequence[str] = ()
    trials: int = 0


def listed(name: str, overrides: list[str], multirun: bool) -> Listing:
    """The jobs of a command.

    Hydra begins a sweep with what its jobs have in common, which a value for a swept method isn't part of. Starters
    are the first values of what is swept: given before the sweeps, which replace them, they make it the first job.
    One more is the folder, whose name has the time in it. Sweeps that can't be listed (intervals to search in) are
    left out.

    name: Of the root configuration.

    Raises:
        InputError: for a sweep that lists nothing, or too much, or one where there is to be one job, and for settings
            of Hydra's own that can't be followed.
    """
    given = override.read(overrides, loader())
    for each in given:
        _require_one_option(each)
    composed, starters = _first(name, given, [str(each.input_line) for each in given if not each.is_sweep_override()])
    settings = composed.hydra
    check_own_part(composed, overrides)
    check_folders(composed, overrides)
    if not multirun and settings.mode is not RunMode.MULTIRUN:
        if several := next((each for each in given if each.is_sweep_override()), None):
            raise override.several(str(several.input_line))
        _require_room("hydra.run.dir", settings.run.dir)
        return Listing([overrides], composed)
    _check_sweep(settings, given)
    searching = search.is_search(settings)
    sought = [*_configured(settings), *given]
    if searching:
        search.check_search(settings, starters, sought)
    lines = _lines(sought, searching)
    folder = Path(settings.sweep.dir).absolute()
    Ledger(folder).check()
    starters.append(f"hydra.sweep.dir={override.quoted(str(folder))}")
    if searching:
        return Listing(search.every_value(lines), composed, folder, starters, settings.sweeper.n_trials)
    if math.prod(map(len, lines.values())) > _MOST_JOBS:
        raise InputError(f"the sweep has more than {_MOST_JOBS} jobs; sweep fewer values, or in several commands")
    return Listing([list(job) for job in itertools.product(*lines.values())], composed, folder, starters)


def _check_sweep(settings: DictConfig, given: Sequence[Override]) -> None:
    """Checks what starts and keeps the jobs of a sweep."""
    if between := next((each for each in given if each.is_sweep_override() and _is_of_hydra(each)), None):
        raise InputError(f"{between.input_line}: what starts and keeps the jobs is the same for all; give one value")
    plain: Any = OmegaConf.to_container(settings, resolve=False)
    for part in ("launcher", "sweeper"):
        check_chosen(settings, part)
        check_keys(settings[part], f"hydra.{part}")
        check_launching(plain[part], f"hydra.{part}")
    _require_room("hydra.sweep.dir", settings.sweep.dir)
    if not plain["sweep"]["subdir"]:
        raise InputError("hydra.sweep.subdir is empty: each job needs a folder of its own; drop it")
    swept = [each.get_key_element() for each in given if each.is_sweep_override()]
    if twice := next((key for key in swept if [each.get_key_element() for each in given].count(key) > 1), None):
        raise InputError(f"{twice} is given twice, and one of them is a sweep; give it once, as in {twice}=a,b")


def _lines(given: Sequence[Override], searching: bool) -> dict[str, list[str]]:
    """By keys, the overrides with each of the values that are listed for it."""
    lines: dict[str, list[str]] = {}
    for each in given:
        key = each.get_key_element()
        if each.is_discrete_sweep():
            lines[key] = [f"{key}={value}" for value in _values(each)]
        elif not each.is_sweep_override():
            lines[key] = [str(each.input_line)]
        elif not searching:
            raise InputError(
                f"{each.input_line} is to be searched in, not listed; list values, as in {key}=a,b, or add "
                "hydra/sweeper=optuna_tpe"
            )
    return lines


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
    return given.key_or_group.startswith(("hydra.", "hydra/"))


def _require_room(option: str, given: str | None) -> None:
    """Raises InputError for a folder that Hydra couldn't make, or none."""
    if not given:
        raise InputError(f"{option} is empty; set a folder, as in {option}=outputs/sweep, or drop it")
    folder = Path(given)
    try:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryDirectory(dir=existing):
            return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
    raise InputError(f"{option}={folder} can't be made: {reason}; set another, or drop it")


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
    configured = override.read([f"{key}={value}" for key, value in params.items()], loader())
    if own := next((each for each in configured if _is_of_hydra(each)), None):
        raise InputError(f"hydra.sweeper.params can't set {own.key_or_group}; give it on the command line")
    return configured


def _configured_by_choices(name: str, fixed: Sequence[str]) -> list[Override]:
    """The same, where only the choices of options compose."""
    choices = [line for line in fixed if loader().get_group_options(line.partition("=")[0]) or line.startswith("hydra")]
    try:
        return _configured(hydra.compose(name, choices, return_hydra_config=True).hydra)
    except UNCOMPOSED:
        return []

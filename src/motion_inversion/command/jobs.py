"""The jobs that a command stands for: composed and built before the first one runs."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from motion_inversion.command import override, search
from motion_inversion.command.arguments import Command
from motion_inversion.command.conf_files import check_files
from motion_inversion.command.economy import as_overrides, economised, picking
from motion_inversion.command.explanation import compose, loader, without_hydra
from motion_inversion.command.folders import check_folders
from motion_inversion.command.launcher import check_alone
from motion_inversion.command.listing import listed
from motion_inversion.command.remedy import with_remedy
from motion_inversion.composition import CompositionError
from motion_inversion.error import InputError


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


def rehearse(command: Command, conf: Path) -> Rehearsal:
    """Composes and builds every job of the command, so that no sweep stops halfway for a misspelling.

    Raises:
        InputError: all faults of all jobs, one line each.
    """
    check_files()
    overrides = list(command.hydra.overrides)
    if command.hydra.config_dir:
        overrides.append(f"hydra.searchpath=[file://{Path(command.hydra.config_dir).absolute()}]")
    faults: dict[str, str] = {}  # each with its remedy
    built: list[Any] = []
    picked: list[Mapping[str, Any]] = []
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        jobs, first, folder, starters, trials = listed(command.root, overrides, command.hydra.multirun)
        page = str(first.hydra.help.template)
        if command.shows:
            shown = _shown(command, jobs[0])
            words = _words(command, (), shown if folder or shown != jobs[0] else None)
            return Rehearsal(jobs, trials, None, [], [], words, page)
        if not folder:
            check_alone(overrides)
        trusted = _trusted(command.hydra.overrides)
        for job in _told(jobs) if folder else jobs:
            try:
                config = compose(command.root, job) if folder else without_hydra(first)
                check_folders(config, overrides)
                each, picks = economised(_trusting(config, trusted), job)
                built.append(each)
                picked.append(picks)
            except InputError as error:
                for fault in str(error).splitlines():
                    faults[fault] = faults.get(fault) or with_remedy(fault, command.root, job)
    if faults:
        raise CompositionError(*faults.values())
    directions = [search.direction(built, first.hydra.sweeper.direction)] if trials else []
    return Rehearsal(jobs, trials, folder, built, picked, _words(command, [*starters, *directions], None), page)


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
    return {str(package) for value in values for package in (value if isinstance(value, list) else [value])}


def _trusting(config: DictConfig, trusted: set[str]) -> DictConfig:
    """The configuration of a job, in which no file trusts more than the command does."""
    packages = config.get("trust") or []  # whatever a file makes of it, by a resolver too
    named = {*map(str, packages if isinstance(packages, Sequence) and not isinstance(packages, str) else [packages])}
    if named - trusted:
        raise InputError(f"a file can't set trust={packages}; give it on the command line if you do")
    return config


def _told(jobs: Sequence[list[str]]) -> Iterator[list[str]]:
    """The jobs, after a line on what is being done: the first one waits for PyTorch to be loaded."""
    sys.stderr.write(f"motion-inversion: checking the {len(jobs)} jobs of this sweep before the first one runs\n")
    yield from jobs


def _words(command: Command, before: Sequence[str], instead: Sequence[str] | None) -> list[str]:
    """The words of the command with others ahead of its overrides, and others in their place if it only shows."""
    words, overrides = list(command.words), list(command.hydra.overrides)
    start = words.index(overrides[0]) if overrides else len(words)
    kept, sweeping = (overrides, ()) if instead is None else (instead, ("-m", "--multirun"))
    flags = [word for word in words[:start] if word not in sweeping]
    after = [word for word in words[start + len(overrides) :] if word not in sweeping]
    return [*flags, *before, *kept, *after]

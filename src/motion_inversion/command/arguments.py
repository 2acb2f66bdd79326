"""The words of the command: Hydra's own flags, and what this command adds to them."""

import argparse
import contextlib
import importlib.metadata
import io
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.utils import get_args_parser  # Hydra's own, so that the command is read in one way only

from motion_inversion import __version__
from motion_inversion.command.override import at_home
from motion_inversion.error import InputError

_DRY_RUN = "--dry-run"
CACHE, FETCH, STATUS = "cache", "fetch", "status"  # words of tasks that need no configuration
_COMPLETION = re.compile(r"(install|uninstall|query)=(bash|fish|zsh)")
_FLAGS = "-m, --cfg, --config-dir, --config-name, --config-path, --dry-run, --help, --info, --version"
_ROOTS = ("report", "reproduce")  # words that stand for a root configuration of their own
_LAYOUT = re.compile(r"^(\+{0,2})layout(?==)")  # which Hydra would take for the group of that name


@dataclass(frozen=True)
class Command:
    """What a command says.

    words: what Hydra reads, without this command's own words.
    hydra: the same, as Hydra reads it.
    dry_run: whether to list what is to be made instead of making it.
    """

    words: tuple[str, ...]
    hydra: argparse.Namespace
    dry_run: bool

    @property
    def root(self) -> str:
        """The name of the root configuration."""
        return self.hydra.config_name or "config"

    @property
    def is_hydras(self) -> bool:
        """Whether it asks for something of Hydra's that needs no experiment."""
        return bool(self.hydra.hydra_help or self.hydra.shell_completion)

    @property
    def shows(self) -> bool:
        """Whether it only prints help or a configuration, of which there is one even for a sweep."""
        return bool(self.hydra.help or self.hydra.cfg or self.hydra.info)


def read(words: Sequence[str]) -> Command:
    """The command that `words`, those after the program's name, stand for.

    `report` as the first word stands for `--config-name report`, and so does `reproduce`.

    Raises:
        InputError: flags that there are not, that don't go together, or that name what isn't there.
    """
    given = [at_home(word) for word in words if word != _DRY_RUN]
    if given[:1] and given[0] in _ROOTS:
        given[:1] = ["--config-name", given[0]]
    flags = _parsed(given)
    _check(flags)
    if flags.config_name == "report":
        given = [_of_report(word) if word in flags.overrides else word for word in given]
        flags.overrides = [_of_report(word) for word in flags.overrides]
    if flags.config_path:  # Hydra would look for it beside this package
        flags.config_path = str(Path(flags.config_path).absolute())
        given += ["--config-path", flags.config_path]
    return Command(tuple(given), flags, _DRY_RUN in words)


def _of_report(override: str) -> str:
    """An override of the report by itself, which may also be written as in an experiment's: report.rows=[loss]."""
    return _LAYOUT.sub(r"\1_layout", re.sub(r"^([+~]{0,2})report\.", r"\1", override), count=1)


def version() -> str:
    """This package's version, and those that its results depend on most."""
    torch = importlib.metadata.version("torch")
    return f"motion-inversion {__version__} (torch {torch}, Python {platform.python_version()})"


def _parsed(words: list[str]) -> argparse.Namespace:
    parser, complaint = get_args_parser(), io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return parser.parse_args(words)
    except SystemExit as stop:
        reason = complaint.getvalue().rpartition("error: ")[2].strip()
        raise InputError(
            f"{reason}; flags go before or after all overrides, not between them; accepted flags: {_FLAGS}; "
            "Hydra's own: --hydra-help"
        ) from stop


def _check(flags: argparse.Namespace) -> None:
    if flags.resolve and not (flags.cfg or flags.help):
        raise InputError("--resolve belongs to --cfg job; add --cfg job, or drop --resolve")
    tasks = {"--cfg": flags.cfg, "--info": flags.info, "--shell-completion": flags.shell_completion, "--run": flags.run}
    named = [name for name, value in tasks.items() if value]
    if len(named) > 1 or (named == ["--run"] and flags.multirun):
        raise InputError(f"{' and '.join(named + ['-m'] * flags.multirun)} don't go together; keep one of them")
    for name, folder in {"--config-dir": flags.config_dir, "--config-path": flags.config_path}.items():
        if folder and not Path(folder).is_dir():
            raise InputError(f"{name} {folder} is not a directory")
    if flags.experimental_rerun:
        raise InputError("--experimental-rerun reads a pickle, which can run any program; repeat the command instead")
    if flags.shell_completion and not _COMPLETION.fullmatch(" ".join(flags.overrides)):
        raise InputError(
            "--shell-completion needs install=bash, uninstall=bash or query=bash behind it, or one for fish or zsh"
        )
    if flags.shell_completion and flags.overrides[0].startswith("query=") and "COMP_LINE" not in os.environ:
        raise InputError("--shell-completion query is what a shell asks itself; give install=bash, and press tab then")
    if flags.config_name == "":
        raise InputError("--config-name is empty; accepted: config, report, reproduce, or a file of --config-dir")

"""The command line: composes and builds every job before the first one runs, then hands over to Hydra."""

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from motion_inversion.command import arguments, cache, help_page
from motion_inversion.command.agent import answering, check_agent
from motion_inversion.command.economy import as_overrides, economised, picking
from motion_inversion.command.jobs import rehearse
from motion_inversion.command.launching import launching, runs_aside
from motion_inversion.command.outlook import outlook
from motion_inversion.error import InputError
from motion_inversion.job import Stopping, spare_task, stoppable, stopped_by
from motion_inversion.ledger import Ledger, SweepError
from motion_inversion.status.status import status
from motion_inversion.storage.file import disk_space
from motion_inversion.sweep import reached, run, summed_up

log = logging.getLogger(__name__)

_PRINTED = Path("what is printed")  # where an error of a full disk names no file
_BROKEN_PIPE = 128 + 13  # as a shell says of what SIGPIPE ends


def main() -> int:
    """Run the command in `sys.argv`.

    The exit code is 0; 2 for bad input; 1 for a sweep of which some jobs failed otherwise; 128 + its number for a
    signal: 130 for Ctrl-C, 143 for SIGTERM. Any other failure keeps its traceback (exit code 1);
    MOTION_INVERSION_DEBUG=1 shows every traceback.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra would print errors in its own way and exit with 1
    if spare := spare_task():
        sys.stderr.write(f"motion-inversion: {spare}\n")
        return 0
    try:
        with stoppable(), disk_space(_PRINTED):
            code = _run(sys.argv[1:])
            sys.stdout.flush()
        return code
    except InputError as error:
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        return _refuse(error)
    except SweepError as failure:
        return _refuse(failure) if failure.refused else min(1, _refuse(failure))
    except BrokenPipeError:  # whoever read the output, such as `head`, has had enough
        _drop_output()
        return _BROKEN_PIPE
    except (KeyboardInterrupt, SystemExit) as stop:
        signal = stopped_by(stop)
        if not signal or _debugging():
            raise
        sys.stderr.write(f"motion-inversion: stopped by {signal.name}; repeat the command to resume\n")
        return 128 + signal


def _drop_output() -> None:
    """What is still to be printed goes nowhere, or Python would fail to write it once more at its end."""
    with contextlib.suppress(OSError, ValueError):  # of what is no file, as in a notebook
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str]) -> int:
    if words[:1] == [arguments.FETCH]:
        from motion_inversion.command import fetch  # which reads videos: seconds of imports

        return fetch.main(words[1:])
    if words[:1] == [arguments.CACHE]:
        sys.stdout.write(f"{cache.main(words[1:])}\n")
        return 0
    if words[:1] == [arguments.STATUS]:
        sys.stdout.write(f"{status(words[1:])}\n")
        return 0
    if "--version" in words:
        sys.stdout.write(f"{arguments.version()}\n")
        return 0
    command = arguments.read(words)
    _obey(command)
    return 0


def _obey(command: arguments.Command) -> None:
    """Does what the command says, or shows it, after a check of every job."""
    application = hydra.main(version_base="1.3", config_path=str(_conf()), config_name="config")(_job)
    if command.is_hydras:
        application()
        return
    conf = Path(command.hydra.config_path or _conf())
    rehearsal = rehearse(command, conf)
    sys.argv[1:] = rehearsal.words
    if command.hydra.help:
        folders = [conf, *([Path(command.hydra.config_dir)] if command.hydra.config_dir else [])]
        sys.stdout.write(help_page.page(rehearsal.help, folders))
    elif command.dry_run:
        if rehearsal.trials:
            sys.stdout.write(f"a search of {rehearsal.trials} trials; these jobs have each of its values once:\n")
        sys.stdout.write(outlook(rehearsal.built, rehearsal.jobs, rehearsal.picks))
    else:
        check_agent(several=rehearsal.folder is not None)
        ledger = Ledger(rehearsal.folder) if rehearsal.folder else None
        if ledger:
            ledger.open(rehearsal.jobs, rehearsal.built, rehearsal.trials)
        folder = rehearsal.folder
        launched = launching(Stopping(folder)) if folder else contextlib.nullcontext()
        with summed_up(rehearsal.built if ledger else (), ledger), launched:
            application()


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


def _job(config: DictConfig) -> float | list[float] | None:
    """Runs one job; gives what a search learns of it, as Hydra's sweepers want it."""
    settings = HydraConfig.get()
    if spare := spare_task():  # of a launcher that was asked for several
        log.info("%s", spare)
    elif settings.mode is RunMode.MULTIRUN:
        folder, number = Path(settings.sweep.dir), settings.job.num
        with (
            Stopping(folder).obeyed() if runs_aside(settings) else contextlib.nullcontext(),
            Ledger(folder).job(number, list(settings.overrides.task)) as objectives,
        ):
            job = _built(config)
            run(job, sweeping=True)
            objectives += reached(job)
            values = [each.value for each in objectives]
            return values[0] if len(values) == 1 else values
    else:
        try:
            job = _built(config)
            with answering(job):
                run(job, sweeping=False)
        except InputError as error:
            if _debugging():
                raise
            raise SystemExit(_refuse(error)) from error  # Hydra would add a line of its own to an Exception
    return None


def _built(config: DictConfig) -> Any:
    """The object of a job; what is picked for it is said."""
    asked = " ".join(picking(config))
    job, picks = economised(config, list(HydraConfig.get().overrides.task))
    if asked:
        log.info("%s picks %s", asked, " ".join(as_overrides(picks)) or "nothing: all fits as it is")
    return job


if __name__ == "__main__":
    sys.exit(main())

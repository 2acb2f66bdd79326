"""The command line: composes and builds every job before the first one runs, then hands over to Hydra."""

import contextlib
import io
import logging
import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from motion_inversion.command import arguments, help_page
from motion_inversion.command.jobs import rehearse
from motion_inversion.composition import build
from motion_inversion.error import InputError
from motion_inversion.sweep import outlook, run, summed_up

log = logging.getLogger(__name__)

_BROKEN_PIPE = 128 + 13  # as a shell says of what SIGPIPE ends


def main() -> int:
    """Run the command in `sys.argv`; the exit code is 0, 2 for bad input, or 130 when interrupted.

    Any other failure keeps its traceback (exit code 1); MOTION_INVERSION_DEBUG=1 shows every traceback.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra would print errors in its own way and exit with 1
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
        return code
    except InputError as error:
        return _refuse(error)
    except BrokenPipeError:  # whoever read the output, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except (KeyboardInterrupt, SystemExit) as stop:
        # Lightning turns Ctrl-C into SystemExit(1), which would pass for a failure.
        interrupted = isinstance(stop, KeyboardInterrupt) or isinstance(stop.__context__, KeyboardInterrupt)
        if not interrupted or _debugging():
            raise
        sys.stderr.write("motion-inversion: interrupted; repeat the command to resume\n")
        return 130


def _run(words: list[str]) -> int:
    if words[:1] == [arguments.FETCH]:
        from motion_inversion.command import fetch  # which reads videos: seconds of imports

        return fetch.main(words[1:])
    if "--version" in words:
        sys.stdout.write(f"{arguments.version()}\n")
        return 0
    command = arguments.read(words)
    application = hydra.main(version_base="1.3", config_path=str(_conf()), config_name="config")(_job)
    if command.is_hydras:
        application()
        return 0
    rehearsal = rehearse(command, Path(command.hydra.config_path or _conf()))
    sys.argv[1:] = rehearsal.words
    if command.hydra.help:
        page = io.StringIO()
        with contextlib.redirect_stdout(page), contextlib.suppress(SystemExit):
            application()
        sys.stdout.write(help_page.fitted(page.getvalue()))
    elif command.dry_run:
        sys.stdout.write(outlook(rehearsal.built, rehearsal.jobs))
    else:
        with summed_up(rehearsal.built if rehearsal.sweeping else ()):
            application()
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


if __name__ == "__main__":
    sys.exit(main())

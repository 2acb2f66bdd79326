"""The command line, on the small experiment beside this file."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import motion_inversion.__main__ as command
from motion_inversion import __version__
from motion_inversion.error import InputError
from small.experiment import RUNS, Blend, Debiased, Experiment, Frozen, MotionInversion, Mse, Vmc

SMALL = Path(__file__).parent / "small"
PATHS = (str(SMALL.parent), str(SMALL.parents[1] / "src"))
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS), "OMP_NUM_THREADS": "1"}
located = command._conf


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The small experiment's conf/, an empty working directory, and logging as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOTION_INVERSION_DEBUG", raising=False)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr(command, "_conf", lambda: SMALL / "conf")
    RUNS.clear()
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["motion-inversion", *words])
    try:
        return command.main()
    except SystemExit as stop:
        return int(stop.code or 0)


def test_the_default_runs_and_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch) == 0
    assert [Experiment("a", Blend(), MotionInversion(Debiased(1.0), 400))] == RUNS
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["loss=vmc"], [MotionInversion(Vmc(), 400)]),
        (["method.loss.beta=0.5"], [MotionInversion(Debiased(0.5), 400)]),
        (["loss=vmc", "+method.loss.centre=false"], [MotionInversion(Vmc(False), 400)]),
        (["method=none"], [Frozen()]),
        (["experiment=table"], [MotionInversion(Vmc(), 800)]),
        (["experiment=table", "loss=mse", "method.max_steps=1"], [MotionInversion(Mse(), 1)]),
        (["-m", "loss=mse,vmc"], [MotionInversion(Mse(), 400), MotionInversion(Vmc(), 400)]),
        (["-m", "method=none,motion_inversion"], [Frozen(), MotionInversion(Debiased(1.0), 400)]),
        (["experiment=rows"], [MotionInversion(Mse(), 400), MotionInversion(Vmc(), 400)]),
    ],
)
def test_overrides_choose_what_runs(monkeypatch: pytest.MonkeyPatch, words: list[str], expected: list[object]) -> None:
    assert call(monkeypatch, *words) == 0
    assert [run.method for run in RUNS] == expected
    assert {run.name for run in RUNS} == {"table" if "experiment=table" in words else "a"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["loss=foo"], "loss=foo names no file of conf/loss; accepted: debiased, mse, vmc;"),
        (
            ["noise=blent"],
            "noise=blent names no file of conf/noise (did you mean 'blend'?); accepted: blend;",
        ),
        (["foo=1"], "foo=1 names no key; accepted at the root: noise, method, name, experiment, loss"),
        (["los=vmc"], "los=vmc names no key (did you mean 'loss'?)"),
        (["loss.beta=1"], "loss.beta=1 names no key (did you mean 'method.loss.beta'?)"),
        (["method.max_step=1"], "method.max_step=1 names no key (did you mean 'method.max_steps'?)"),
        (["noise.share=1"], "noise.share=1 needs a +, as no file sets noise.share yet: +noise.share=1"),
        (["+noise.chare=1"], "noise.chare is not an argument of Blend"),
        (["method.max_steps=many"], "method.max_steps='many' is not an int"),
        (["method.loss.beta=-1"], "method.loss.beta=-1.0 is negative"),
        (["loss=mse,vmc"], "loss=mse,vmc gives several values; add -m to run each"),
        (
            ["method=none", "loss=vmc"],
            "method=none does not use loss=vmc; it uses: experiment, noise; drop loss=vmc",
        ),
        (["loss=vmc", "method=none"], "method=none does not use loss=vmc; it uses:"),
        (["method=none", "+loss=vmc"], "method.loss is not an argument of Frozen"),
        (["method=none", "experiment=table"], "method=none does not use loss, which experiment=table sets;"),
        (["method=null"], "method=null: method is one of its options; accepted: "),
        (
            ["name=="],
            "name== can't be read, as = (equals sign) needs quotes around the value; as one text: 'name=\"=\"'",
        ),
        (["name=it's"], "name=it's can't be read, as ' (apostrophe) needs quotes"),
        (["name=a, b"], "name=a, b gives several values; add -m to run each, or give a list as [a,b], or as one text"),
        (["loss=[vmc,mse]"], "loss=[vmc,mse]: loss is one of its options; to run each of them: -m loss=vmc,mse"),
        (["name=7"], "name=7 is not a str; as one text: 'name=\"7\"'"),
        (["name=a ${b}"], "the configuration cannot be resolved: Interpolation key 'b' not found"),
        (["my.mp4"], "my.mp4 names no key; accepted: key=value, group=option"),
        (["nöise=blend"], "nöise=blend can't be read; accepted: key=value"),
        (["--config-name", "othr"], "--config-name othr names no file of conf/ (did you mean 'other'?)"),
        (["--config-name", "command"], "the configuration has no _target_ at its root"),
        (["--config-name", "other", "loss=vmc"], "this configuration does not use loss=vmc; it uses: none"),
        (["--config-dir", "nowhere"], "--config-dir nowhere is not a directory"),
        (["--config-path", "nowhere"], "--config-path nowhere is not a directory"),
        (["--config-name", ""], "--config-name is empty; accepted: config, report, reproduce, or a file of"),
        (["--shell-completion", "install=zzz"], "--shell-completion needs install=bash, uninstall=bash or"),
        (["--shell-completion", "query=bash"], "--shell-completion query is what a shell asks itself; give install"),
        (["--cfg", "job", "--package", "zzz"], "--package zzz is no part of the configuration; accepted: noise,"),
        (["hydra.verbose=5"], "hydra.verbose=5: accepted are true, false, and names of loggers; drop it"),
        (["loss=vmc/"], "loss=vmc/ names no file of conf/loss (did you mean 'vmc'?)"),
        (["+="], "+= names no key; accepted: key=value, group=option"),
        (["~"], "~ names no key; accepted: key=value"),
        (
            ["--nix"],
            "unrecognized arguments: --nix; flags go before or after all overrides, not between them; accepted",
        ),
        (["name=[a]"], "name=['a'] is not a str; as one text: 'name=\"[a]\"'"),
        (["name=null"], "name=null is not a str; drop it for name="),
        (["method.max_steps=1.5"], "method.max_steps=1.5 is not an int; drop it for method.max_steps="),
        (["noise=null"], "noise=null: noise is one of its options; accepted: blend; drop it"),
        (
            ["hydra.mode=nix"],
            "hydra.mode=nix can't be put there (Invalid value 'nix', expected one of [RUN, MULTIRUN])",
        ),
        (["hydra.launcher.n_jobs=2"], "hydra.launcher.n_jobs=2 names no key; accepted in hydra.launcher: nothing"),
        (["hydra.run.dir=/proc/x"], "hydra.run.dir=/proc/x can't be made: "),
        (["+trust=os"], "trust='os' is not a list[str]; give the names of packages: trust=[mypackage]"),
        (["+trust=3"], "trust=3 is not a list[str]; give the names"),
        (["+trust=[os]"], "trust=[os]: that is of Python itself, which a configuration can't call; drop it"),
        (["+trust=[../x]"], "trust=[../x] names no package that is installed; accepted is trust=[mypackage]"),
        (["--resolve"], "--resolve belongs to --cfg job; add --cfg job, or drop --resolve"),
        (["--run", "-m"], "--run and -m don't go together; keep one of them"),
        (["--cfg", "job", "--info"], "--cfg and --info don't go together; keep one of them"),
        (["--experimental-rerun", "nothing"], "--experimental-rerun reads a pickle, which can run any program;"),
        (["report", "--dry-run"], "--config-name report names no file of conf/"),
        (["--config-name", "other", "--dry-run"], "--dry-run lists what an experiment makes, and this is none;"),
        (["-m", "loss=mse,vmcc"], "loss=vmcc names no file of conf/loss (did you mean 'vmc'?)"),
        (["-m", "method=motion_inversion,none", "loss=vmc"], "method=none does not use loss=vmc"),
        (["-m", "method.loss.beta=1,-1"], "method.loss.beta=-1.0 is negative"),
        (["-m", "loss=mse,vmc", "noise.chare=1"], "noise.chare=1 names no key (did you mean 'noise.share'?)"),
    ],
)
def test_bad_input_is_one_line_and_nothing_runs(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    assert call(monkeypatch, *words) == 2
    assert RUNS == []
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("motion-inversion: checking the ")]
    assert lines[0].startswith(f"motion-inversion: error: {message}")
    assert (len(lines), out) == (1, "")


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "method.max_steps=many", "+method.loss.betta=1") == 2
    assert [line.split(" ")[2] for line in capfd.readouterr().err.splitlines()] == [
        "method.max_steps='many'",
        "method.loss.betta",
    ]


def test_what_a_run_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "name=refused") == 2
    assert capfd.readouterr().err == "motion-inversion: error: no clip at clips/a.mp4; give dataset.path=…\n"


def test_a_sweep_goes_on_after_a_refusal_and_fails_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "-m", "name=refused,b") == 2
    assert [run.name for run in RUNS] == ["refused", "b"]
    out, err = capfd.readouterr()
    assert "no clip at clips/a.mp4" in out  # in the log, when it happens
    first, second = err.splitlines()[-2:]
    assert first == "motion-inversion: error: 1 of 2 jobs failed; repeat the command to make what is missing:"
    assert second.startswith(
        "motion-inversion: error: job 1: name=refused: no clip at clips/a.mp4; give dataset.path=…;"
    )


@pytest.mark.parametrize(("name", "code"), [("interrupted", 130), ("stopped", 143)])
@pytest.mark.parametrize("words", [[], ["-m"]])
def test_an_interrupt_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, code: int, words: list[str]
) -> None:
    assert call(monkeypatch, f"name={name}", *words) == code
    line = f"motion-inversion: stopped by {'SIGINT' if code == 130 else 'SIGTERM'}; repeat the command to resume"
    assert capfd.readouterr().err.splitlines()[-1] == line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize("words", [[], ["-m", "loss=debiased,mse"]])
def test_a_signal_while_the_jobs_are_checked_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], number: signal.Signals, words: list[str]
) -> None:
    monkeypatch.setattr(Debiased, "__post_init__", lambda _: os.kill(os.getpid(), number))
    assert call(monkeypatch, *words) == 128 + number
    assert RUNS == []
    lines = [line for line in capfd.readouterr().err.splitlines() if "checking the 2 jobs" not in line]
    assert lines == [f"motion-inversion: stopped by {number.name}; repeat the command to resume"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_spare_task_of_a_slurm_job_does_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_PROCID", "1")
    assert call(monkeypatch) == 0
    assert RUNS == []
    assert capfd.readouterr().err.startswith("motion-inversion: task 1 of 2 has nothing to do")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        call(monkeypatch, "name=broken")
    assert call(monkeypatch, "-m", "name=broken,refused,b") == 1
    assert [run.name for run in RUNS] == ["broken", "broken", "refused", "b"]


def test_debugging_shows_every_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTION_INVERSION_DEBUG", "1")
    for word in ("name=refused", "loss=foo"):
        with pytest.raises(InputError):
            call(monkeypatch, word)
    with pytest.raises(KeyboardInterrupt):
        call(monkeypatch, "name=interrupted")


def test_a_configuration_is_shown_without_being_built(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "method.max_steps=many", "--cfg", "job", "--resolve") == 0
    assert "max_steps: many" in capfd.readouterr().out


@pytest.mark.parametrize("words", [["-m", "loss=mse,vmc"], ["experiment=rows"], ["-m", "experiment=rows", "name=b,c"]])
def test_of_a_sweep_the_first_job_is_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert call(monkeypatch, *words, "--cfg", "job") == 0
    assert "_target_: small.experiment.Mse" in capfd.readouterr().out
    assert call(monkeypatch, *words, "--help") == 0
    out, err = capfd.readouterr()
    assert (out.startswith("Groups:\n"), err) == (True, "")


@pytest.mark.parametrize("shown", [["--cfg", "job"], ["--info", "config"]])
def test_of_a_sweep_of_nothing_the_configuration_is_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], shown: list[str]
) -> None:
    assert call(monkeypatch, "--multirun", *shown) == 0
    assert "_target_: small.experiment." in capfd.readouterr().out


def test_a_value_in_place_of_an_experiments_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "experiment=betas", "method.loss.beta=0.5") == 0
    assert [run.method for run in RUNS] == [MotionInversion(Debiased(0.5), 400)]
    RUNS.clear()
    assert call(monkeypatch, "experiment=betas") == 0
    assert [run.method for run in RUNS] == [MotionInversion(Debiased(beta), 400) for beta in (1.0, 2.0)]


def test_the_version_is_this_packages(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capfd.readouterr().out.startswith(f"motion-inversion {__version__} (torch {version('torch')}, Python 3.")


def test_output_that_nobody_reads_on_is_no_failure() -> None:
    words = [sys.executable, "-m", "motion_inversion", "--config-path", str(SMALL / "conf"), "--help"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(words, env=ENVIRONMENT, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device of a full disk")
def test_output_that_a_full_disk_does_not_take_is_one_line() -> None:
    words = [sys.executable, "-m", "motion_inversion", "--config-path", str(SMALL / "conf"), "--help"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(words, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    [line] = done.stderr.splitlines()
    assert line.startswith("motion-inversion: error: can't write what is printed: No space left on device; ")
    assert done.returncode == 2


def test_help_lists_groups_and_options(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--help") == 0
    assert "loss: debiased, mse, vmc\nmethod: motion_inversion, none\n" in capfd.readouterr().out


def test_a_folder_of_ones_own_adds_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "own" / "loss"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("# @package method.loss\n_target_: small.experiment.Vmc\ncentre: false\n")
    assert call(monkeypatch, "--config-dir", str(own.parent), "-m", "loss=mine,mse") == 0
    assert [run.method for run in RUNS] == [MotionInversion(Vmc(False), 400), MotionInversion(Mse(), 400)]


def test_conf_is_at_the_top_of_the_repository_or_in_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "src" / "motion_inversion"
    monkeypatch.setattr(command, "__file__", str(package / "__main__.py"))
    assert located() == tmp_path / "conf"
    (package / "conf").mkdir(parents=True)
    assert located() == package / "conf"


@pytest.mark.parametrize(
    ("word", "code", "last"),
    [
        ("loss=vmc", 0, ""),
        ("name=refused", 2, "motion-inversion: error: no clip at clips/a.mp4; give dataset.path=…"),
        ("name=broken", 1, "RuntimeError: a bug"),
    ],
)
def test_exit_codes_of_the_process(word: str, code: int, last: str) -> None:
    words = [sys.executable, "-m", "motion_inversion", "--config-path", str(SMALL / "conf"), word]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (code, [last] if last else [])

"""What somebody else's file may set in Hydra's own part of a configuration: nothing that runs a program."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

MARK = "mark"
COPY = "{{_target_: shutil.copyfile, src: {file}, dst: {mark}}}"


@pytest.fixture
def refusal(tmp_path: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """(text of an experiment's file, *words) → the line that refuses it; nothing ran."""

    def refusal(text: str, *words: str) -> str:
        folder, mark = tmp_path / "conf/experiment", tmp_path / MARK
        folder.mkdir(parents=True)
        source = folder / "theirs.yaml"
        copy = COPY.format(file=source, mark=mark)
        source.write_text("# @package _global_\n" + text.replace("COPY", copy).replace(MARK.upper(), str(mark)))
        flags = ("--config-dir", str(tmp_path / "conf"), "--dry-run")
        code = call(tmp_path / "out", "experiment=theirs", *words, *flags)
        assert not mark.exists()
        told = capsys.readouterr().err.strip().splitlines()
        assert code == 2 and not any("Traceback" in line for line in told)
        return told[-1]

    return refusal


@pytest.mark.parametrize(
    "text",
    [
        "hydra: {callbacks: {theirs: COPY}}",
        "_theirs: COPY\nhydra: {callbacks: {theirs: '${_theirs}'}}",
        "_theirs: {deep: COPY}\nhydra: {callbacks: {theirs: '${_theirs.deep}'}}",
        "_name: shutil.copyfile\nhydra: {callbacks: {theirs: {_target_: '${_name}', src: a, dst: MARK}}}",
        "hydra: {callbacks: {theirs: {_target_: 'hydra_plugins.${oc.env:HOME}', src: a, dst: MARK}}}",
        "hydra: {callbacks: {theirs: '${oc.create:{_target_: shutil.copyfile, src: a, dst: MARK}}'}}",
        "hydra: {callbacks: {theirs: {_target_: hydra_plugins.hydra_submitit_launcher.submitit_launcher.os.system}}}",
        "hydra: {job_logging: {handlers: {theirs: {(): shutil.copyfile, src: a, dst: MARK}}}}",
        "hydra: {job_logging: {handlers: {theirs: {(): logging.os.system, command: a}}}}",
        "_theirs: {(): shutil.copyfile, src: a, dst: MARK}\nhydra: {job_logging: {handlers: {theirs: '${_theirs}'}}}",
    ],
)
def test_classes_of_others_are_refused_however_they_are_named(refusal: Callable[..., str], text: str) -> None:
    assert "would run code of other packages than Hydra's" in refusal(text)


def test_what_is_known_only_later_is_refused_where_objects_are_made(refusal: Callable[..., str]) -> None:
    assert "isn't known yet" in refusal("hydra: {callbacks: {theirs: '${_nowhere_yet}'}}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hydra: {job: {env_set: {GIT_CONFIG_COUNT: '1'}}}", "a file can't set hydra.job.env_set; give it on the comm"),
        ("hydra: {job_logging: {handlers: {console: {class: logging.FileHandler, filename: MARK}}}}", "file elsewhere"),
        ("hydra: {job_logging: {handlers: {console: {stream: ext://shutil.copyfile}}}}", "is no stream of the process"),
        ("hydra: {output_subdir: conf}", "a file can't set hydra.output_subdir; give it on the command line"),
        ("hydra: {sweep: {subdir: ../x}}", "leads out of the sweep's folder"),
        ("hydra: {sweep: {subdir: '${hydra.job.num}/../../x'}}", "leads out of the sweep's folder"),
        ("hydra: {mode: MULTIRUN, sweeper: {params: {+hydra.job.env_set.A: 'a,b'}}}", "params can't set hydra.job.env"),
    ],
)
def test_programs_and_files_elsewhere_are_refused(refusal: Callable[..., str], text: str, told: str) -> None:
    assert told in refusal(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hydra: {mode: MULTIRUN, sweep: {dir: MARK}}", "hydra.sweep.dir=MARK, which leads out of output=OUT"),
        ("hydra: {sweep: {dir: '${output}/../MARK'}}", "hydra.sweep.dir=OUT/../MARK, which leads out of output=OUT"),
        ("hydra: {run: {dir: MARK}}", "hydra.run.dir=MARK, which leads out of output=OUT"),
        ("report: {target: MARK}", "report.target=MARK, which leads out of output=OUT"),
        (
            "hydra: {mode: MULTIRUN, sweeper: {params: {report.target: '/a,/b'}}}",
            "set report.target=/",
        ),
    ],
)
def test_folders_elsewhere_are_refused(refusal: Callable[..., str], tmp_path: Path, text: str, told: str) -> None:
    out, mark = str(tmp_path / "out"), str(tmp_path / MARK)
    assert told.replace("OUT", out).replace(MARK.upper(), mark) in refusal(text)


def test_a_value_of_another_place_is_taken(call: Callable[..., int], tmp_path: Path) -> None:
    folder = tmp_path / "conf/experiment"
    folder.mkdir(parents=True)
    text = "# @package _global_\n_level: INFO\nhydra: {job_logging: {root: {level: '${_level}'}}}"
    (folder / "mine.yaml").write_text(text)
    assert call(tmp_path / "out", "experiment=mine", "--config-dir", str(tmp_path / "conf"), "--dry-run") == 0


def test_lines_of_shell_are_heeded_on_the_command_line_alone(
    refusal: Callable[..., str], call: Callable[..., int], tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra submitit")
    text = "defaults: [override /hydra/launcher: submitit]\nhydra: {mode: MULTIRUN, launcher: {setup: [touch MARK]}}"
    assert "a file can't set hydra.launcher.setup" in refusal(text)
    own = ("hydra/launcher=submitit", "hydra.launcher.setup=[module load cuda]", "loss=mse,vmc", "-m", "--dry-run")
    assert call(tmp_path / "out", *own) == 0


@pytest.mark.parametrize("trust", ["[joblib]", "'${oc.decode:\"[joblib]\"}'", "'${oc.create:[joblib]}'", "joblib"])
def test_no_file_trusts_more_than_the_command(refusal: Callable[..., str], tmp_path: Path, trust: str) -> None:
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Path))
    text = f"trust: {trust}\nnoise: {{_target_: joblib.load, filename: {tmp_path / 'evil.pkl'}}}"
    assert "a file can't set trust=" in refusal(text)

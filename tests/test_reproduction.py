"""A run made again from its record: the same bytes, or what differs and why."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.reproduction import Reproduction
from motion_inversion.stage.run import conditions
from results import STATE, only


def record(output: Path) -> Path:
    """The one record of the small experiment."""
    return only(output, "run-*.json")


def altered(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_run_notes_what_it_was(finished: Path):
    noted = json.loads(record(finished).read_text())
    assert noted["experiment"]["trainer"]["max_steps"] == 4
    assert {"torch", "python", "device", "threads", "commit"} <= noted["conditions"].keys()
    assert noted["conditions"]["threads"] == "1"
    assert noted["checksums"].keys() == {"model", "odd_path"}


def test_a_run_made_again_gives_the_same_bytes(output: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    Reproduction(output / "motion_inversion", tmp_path / "again").run()
    made = list((tmp_path / "again").rglob("manifest.json"))
    count = sum(len(json.loads(path.read_text())["files"]) for path in made)
    assert f"{count} files, all same" in capsys.readouterr().out
    assert {path.parents[1].name for path in made} >= {"prepare", "train", "generate", "evaluate"}


def test_what_differs_is_named_and_the_exit_code_tells(output: Path, capsys: pytest.CaptureFixture[str]):
    place = only(output, f"odd_path/train/*/{STATE}")
    tensors = load_file(place)
    first = sorted(tensors)[0]
    save_file({**tensors, first: tensors[first] + 0.5}, place)
    altered(record(output), conditions={**json.loads(record(output).read_text())["conditions"], "torch": "1.0"})
    with pytest.raises(SystemExit, match="1"):
        Reproduction(record(output)).run()
    told = capsys.readouterr().out
    assert f"{STATE}: {first} by up to 0.5" in told
    assert "torch was 1.0, is " in told
    assert " files differ" in told


def test_originals_that_are_gone_are_counted(output: Path, capsys: pytest.CaptureFixture[str]):
    only(output, f"odd_path/train/*/{STATE}").unlink()
    Reproduction(record(output)).run()
    assert "1 are not there to compare with" in capsys.readouterr().out


def test_a_score_that_differs_is_told_with_both_values(output: Path, capsys: pytest.CaptureFixture[str]):
    score = only(output, "odd_path/evaluate/source-*/score.json")
    metrics = json.loads(score.read_text())["metrics"]
    altered(score, metrics={**metrics, "motion_fidelity": {**metrics["motion_fidelity"], "value": 0.25}}, cost={})
    with pytest.raises(SystemExit):
        Reproduction(record(output)).run()
    assert "motion_fidelity was 0.25, is " in capsys.readouterr().out


def test_a_record_of_another_version_says_which_and_what_to_do(output: Path):
    told = json.loads(record(output).read_text())
    trainer = {**told["experiment"]["trainer"], "_target_": "pytorch_lightning.trainer.trainer.Trainer"}
    altered(
        record(output),
        experiment={**told["experiment"], "trainer": trainer},
        conditions={**told["conditions"], "commit": f"{'0a' * 20} with changes 1234567890"},
    )
    with pytest.raises(InputError) as caught:
        Reproduction(output / "motion_inversion").run()
    line = str(caught.value)
    assert "\n" not in line and f"was written by motion-inversion '0.1.0 of commit {'0a' * 20} with changes" in line
    assert "trainer._target_: pytorch_lightning.trainer.trainer.Trainer is of the package pytorch_lightning, " in line
    assert line.endswith(f"if that is another version: git checkout {'0a' * 20}, and reproduce it there")


@pytest.mark.parametrize(
    "target", ["os.system", "subprocess.Popen", "torch.load", "motion_inversion.composition.build"]
)
@pytest.mark.parametrize("key", ["trainer", "logger", "noise", "cache", "report", "trust", "_target_"])
def test_no_record_runs_a_program(output: Path, tmp_path: Path, key: str, target: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Experiment, "make", lambda self: pytest.fail("it was run") if self.cache else None)
    witness = tmp_path / "witness"
    told = json.loads(record(output).read_text())["experiment"]
    hostile = {"_target_": target, "command": f"touch {witness}", "args": f"touch {witness}", "f": str(witness)}
    wrong = target if key == "_target_" else hostile
    altered(record(output), experiment={**told, "trust": ["os", "subprocess", "torch"], key: wrong})
    if key in ("logger", "cache", "trust"):  # which the record has no say in
        with pytest.raises(InputError, match="nothing that was made again lies beside it"):
            Reproduction(output / "motion_inversion").run()
    else:
        with pytest.raises(InputError, match="can't build what it names: "):
            Reproduction(output / "motion_inversion").run()
    assert not witness.exists()


@pytest.mark.parametrize("name", [STATE, "score.json"])
def test_an_original_that_is_damaged_differs(output: Path, capsys: pytest.CaptureFixture[str], name: str):
    for path in output.glob(f"*/odd_path/*/*/{name}"):
        path.write_bytes(b"{")
    with pytest.raises(SystemExit):
        Reproduction(record(output)).run()
    assert f"{name}: it can't be read (" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"format": "motion-inversion-run/0"}',
        "null",
        '{"format": "motion-inversion-run/1"}',
        '{"format": "motion-inversion-run/1", "conditions": {"threads": "many"}}',
        '{"format": "motion-inversion-run/1", "conditions": {"threads": "1"}, "experiment": [], "checksums": {}}',
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, content: str):
    (tmp_path / "run-0.json").write_text(content)
    with pytest.raises(InputError, match=r"run-0\.json .*set source=outputs/<name>"):
        Reproduction(tmp_path).run()


def test_a_folder_without_records_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"holds no run-….json; accepted is a folder outputs/<name>"):
        Reproduction(tmp_path).run()
    with pytest.raises(InputError, match="nothing to reproduce"):
        Reproduction(None).run()


def test_another_number_of_threads_is_another_record(compose: Callable[..., Experiment], output: Path):
    before = record(output)
    compose(output, "threads=2").make()
    both = {json.loads(path.read_text())["conditions"]["threads"] for path in before.parent.glob("run-*.json")}
    assert both == {"1", "2"}
    assert conditions(compose(output).model.load().device)["device"]


def test_stages_that_an_earlier_command_ran_are_made_again_too(
    compose: Callable[..., Experiment], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    compose(tmp_path, "stages=[prepare,train]").make()
    compose(tmp_path, "stages=[generate]").make()
    Reproduction(tmp_path / "motion_inversion").run()
    assert [line.rpartition(", ")[2] for line in capsys.readouterr().out.splitlines()] == ["all same"] * 2

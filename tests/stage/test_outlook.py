"""What a run tells ahead is what it makes."""

import json
from collections.abc import Callable
from pathlib import Path

from motion_inversion.command.outlook import outlook
from motion_inversion.experiment import Experiment


def test_all_that_a_run_made_is_there(compose: Callable[..., Experiment], finished: Path) -> None:
    results = compose(finished).outlook()
    made = {path.parent for path in finished.rglob("manifest.json")}
    assert {result.place for result in results} == made
    assert all(result.there for result in results)
    assert outlook([compose(finished)], [[]]).endswith("nothing left to do: everything is there\n")


def test_what_is_missing_costs_what_its_like_took(compose: Callable[..., Experiment], output: Path) -> None:
    longer = compose(output, "trainer.max_steps=8")
    missing = [result for result in longer.outlook() if not result.there]
    assert {result.stage for result in missing} == {"train", "generate", "evaluate"}
    (short,) = [path for path in (output / "motion_inversion/odd_path/train").iterdir() if path.is_dir()]
    took = json.loads((short / "cost.json").read_text())["seconds"]
    (training,) = [result.seconds for result in missing if result.stage == "train"]
    assert training is not None and abs(training - 2 * took) < 1e-6  # twice the steps


def test_jobs_share_what_an_earlier_one_makes(compose: Callable[..., Experiment], tmp_path: Path) -> None:
    jobs = [compose(tmp_path, f"noise={noise}") for noise in ("random", "blend")]
    text = outlook(jobs, [["noise=random", "seed=0"], ["noise=blend", "seed=0"]])
    first, second = text.split("job 2 of 2: noise=blend\n")
    assert first.startswith("job 1 of 2: noise=random\n")
    assert "  train       0 there,   1 to make\n" in first
    assert "  train       0 there,   0 to make, 1 made by jobs before\n" in second
    assert not list(tmp_path.iterdir())


def test_jobs_that_take_the_same_memory_say_it_once(compose: Callable[..., Experiment], tmp_path: Path) -> None:
    jobs = [compose(tmp_path, *words) for words in (["seed=0"], ["seed=1"], ["seed=0", "layout=deep"], ["seed=2"])]
    lines = [line for line in outlook(jobs, [["a"], ["b"], ["c"], ["d"]]).splitlines() if "  memory  " in line]
    assert [line.startswith("  memory    as job 1") for line in lines] == [False, True, False, True]
    assert lines[0] != lines[2]

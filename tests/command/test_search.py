"""Searches by Optuna: what is checked ahead, what a trial gives, and that a repeated one takes the same way."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from motion_inversion.command.search import check_search, direction, every_value, is_search
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment

needs_optuna = pytest.mark.skipif(not find_spec("optuna"), reason="needs pip install 'motion-inversion[optuna]'")


def _settings(trials: object = 20, sampler: str = "optuna.samplers.TPESampler") -> DictConfig:
    return OmegaConf.create({"sweeper": {"n_trials": trials, "sampler": {"_target_": sampler}}})


def test_each_value_is_in_one_of_the_jobs_that_are_checked() -> None:
    assert every_value({"a": ["a=1", "a=2", "a=3"], "b": ["b=x"], "c": ["c=1", "c=2"]}) == [
        ["a=1", "b=x", "c=1"],
        ["a=2", "b=x", "c=2"],
        ["a=3", "b=x", "c=1"],
    ]
    assert every_value({}) == [[]]


def test_a_plain_sweep_is_no_search() -> None:
    assert is_search(_settings())
    assert not is_search(OmegaConf.create({"sweeper": {"max_batch_size": None}}))


@pytest.mark.parametrize("trials", [0, -1, "many", None])
def test_a_number_of_trials_is_needed(trials: object) -> None:
    with pytest.raises(InputError, match=r"at least one is needed; set hydra\.sweeper\.n_trials=20"):
        check_search(_settings(trials), [], [])


def test_every_combination_and_choices_that_others_depend_on_are_refused() -> None:
    check_search(_settings(), [], [])
    with pytest.raises(InputError, match="set hydra/sweeper=basic"):
        check_search(_settings(sampler="optuna.samplers.GridSampler"), [], [])
    with pytest.raises(InputError, match="search in each by a command of its own"):
        check_search(_settings(), ["method=dmt"], [])


def test_optuna_is_told_which_way_is_better() -> None:
    job = SimpleNamespace(objectives={"motion_fidelity": True, "leakage": False}, reached=dict)
    assert direction([job], None) == "hydra.sweeper.direction=[maximize,minimize]"
    with pytest.raises(InputError, match="set objective=motion_fidelity"):
        direction([SimpleNamespace(objectives={}, reached=dict)], None)
    with pytest.raises(InputError, match="set objective=motion_fidelity"):
        direction([object()], None)


@pytest.mark.parametrize("given", ["up", ["maximize"], ["maximize", "up"], "maximize", 1])
def test_a_direction_of_ones_own_is_one_for_each_objective(given: object) -> None:
    job = SimpleNamespace(objectives={"motion_fidelity": True, "leakage": False}, reached=dict)
    node = OmegaConf.create({"given": given}).given
    with pytest.raises(InputError, match="accepted is minimize or maximize for each of motion_fidelity, leakage; drop"):
        direction([job], node)
    direction([job], OmegaConf.create(["minimize", "minimize"]))


@pytest.mark.parametrize(
    ("interval", "told"),
    [
        ("interval(0.1,0.01)", r"the lower one first; set 'lr=interval\(0.01,0.1\)'"),
        ("interval(1,1)", "accepted are two numbers, the lower one first"),
        ("interval(0,inf)", "accepted are two numbers, the lower one first"),
        ("tag(log,interval(0,1))", r"only numbers above 0 have logarithms; set 'lr=interval\(0"),
        ("interval(0,1)", None),
        ("tag(log,interval(0.1,1))", None),
    ],
)
def test_an_interval_has_room_and_logarithms(interval: str, told: str | None) -> None:
    given = OverridesParser.create().parse_overrides([f"lr={interval}"])
    with pytest.raises(InputError, match=told) if told else nullcontext():
        check_search(_settings(), [], given)


@needs_optuna
def test_a_repeated_search_takes_the_same_way_and_failed_trials_are_told(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "hydra/sweeper=optuna_tpe",
        "hydra.sweeper.n_trials=4",
        "objective=motion_fidelity",
        "stages=[prepare,train,generate,evaluate]",
        "method.optimizer.lr=choice(0.05,0.1,1e6)",  # of the last, the loss stops being finite
    ]
    ways: list[list[dict[str, Any]]] = []
    for sweep in (tmp_path / "once", tmp_path / "again"):
        assert call(tmp_path / "output", *words, f"hydra.sweep.dir={sweep}", "-m") == 2
        ways.append([json.loads((sweep / f"{number}.json").read_text()) for number in range(4)])
    once, again = ([(trial["name"], trial["state"], trial["reached"]) for trial in way] for way in ways)
    assert once == again
    reached = [trial["reached"] for trial in ways[0]]
    assert [value == {} for value in reached] == ["lr=1000000.0" in trial["name"] for trial in ways[0]]
    best = yaml.safe_load((tmp_path / "again/optimization_results.yaml").read_text())["best_value"]
    assert best == max(value["motion_fidelity"] for value in reached if value)
    failed = sum(not value for value in reached)
    told = capsys.readouterr().err
    assert 0 < failed < 4
    assert told.count(f"error: {failed} of 4 jobs failed") == 2
    assert "reached: motion_fidelity" in told
    assert "best motion_fidelity so far" in told


def test_an_objective_is_a_metric_that_is_measured(
    compose: Callable[..., Experiment], tmp_path: Path, finished: Path
) -> None:
    with pytest.raises(InputError, match=r"accepted are motion_fidelity; set objective=\[\]"):
        compose(tmp_path, "objective=text_similarity")
    with pytest.raises(InputError, match="needs scores: add evaluate"):
        compose(tmp_path, "objective=motion_fidelity", "stages=[prepare]")
    experiment = compose(finished, "objective=[motion_fidelity]")
    scores = [json.loads(path.read_text()) for path in finished.rglob("score.json")]
    own = [score["metrics"]["motion_fidelity"]["value"] for score in scores if score["method"] == "motion_inversion"]
    assert experiment.objectives == {"motion_fidelity": True}
    assert experiment.reached() == {"motion_fidelity": pytest.approx(sum(own) / len(own))}
    with pytest.raises(InputError, match="objective=motion_fidelity has no score of any sample"):
        compose(tmp_path, "objective=motion_fidelity").reached()


@needs_optuna
def test_what_a_search_may_make_is_told_ahead(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["hydra/sweeper=optuna_tpe", "objective=motion_fidelity", "method.optimizer.lr=choice(0.05,0.1)"]
    assert call(tmp_path / "output", *words, "-m", "--dry-run") == 0
    told = capsys.readouterr().out
    assert told.startswith("a search of 20 trials; these jobs have each of its values once:\njob 1 of 2: method.opti")


@needs_optuna
def test_nothing_but_optunas_samplers_is_built_for_a_search(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["hydra/sweeper=optuna_tpe", "objective=motion_fidelity"]
    for more in (
        "hydra.sweeper.custom_search_space=os.system",
        "hydra.sweeper.custom_search_space=logging.config.fileConfig",
        "hydra.sweeper.sampler._target_=os.system",
    ):
        assert call(tmp_path / "output", *words, more, "-m") == 2
        assert f"{more} would run code of other packages than Hydra's" in capsys.readouterr().err
    assert not (tmp_path / "output").exists()

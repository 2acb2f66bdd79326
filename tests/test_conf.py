"""Every file under conf/ composes and builds, on a CPU and without weights; its names are what users type."""

import dataclasses
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hydra
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

import motion_inversion.__main__ as command
from motion_inversion.composition import build
from motion_inversion.experiment import Experiment
from motion_inversion.method.tokenflow.method import TokenFlow
from motion_inversion.method.tokenflow.sdedit import TokenFlowSdedit
from motion_inversion.reflection.description import describe
from motion_inversion.report.report import Report
from motion_inversion.reproduction import Reproduction

CONF = Path(__file__).parents[1] / "conf"
ROOTS = {"config": Experiment, "report": Report, "reproduce": Reproduction}

GROUPS = [folder for folder in sorted(CONF.iterdir()) if folder.is_dir()]
OPTIONS = {folder.name: sorted(file.stem for file in folder.glob("*.yaml")) for folder in GROUPS}
RECIPES = sorted(f"method={file.parent.name} model={file.stem}" for file in CONF.glob("recipe/*/*.yaml"))
KNOWN = {
    "consistency": ["all_pairs", "consecutive", "first_frame"],
    "dataset": [
        "camera",
        "clip",
        "demo",
        "hybrid",
        "manifest",
        "object",
        "shapes_camera",
        "shapes_hybrid",
        "shapes_object",
        "study",
    ],
    "detector": ["canny", "depth"],
    "experiment": [
        "ablation_gamma",
        "ablation_iterations",
        "ablation_layout",
        "ablation_loss",
        "ablation_noise",
        "ablation_strategy",
        "comparison",
        "control_a_video",
        "demo",
        "dmt",
        "methods_image",
        "methods_shapes",
        "methods_video",
        "motion_inversion_hybrid",
        "search",
        "study",
        "table1",
        "tokenflow",
        "tune_a_video",
        "tuning",
    ],
    "fidelity": ["bidirectional", "dmt_code", "dmt_sum", "one_way"],
    "judge": ["openai", "shapes"],
    "layout": ["all", "deep", "qk_only", "v_only"],
    "logger": ["csv", "tensorboard", "wandb"],
    "loss": ["debiased", "mse", "vmc"],
    "method": [
        "control_a_video",
        "dmt",
        "motion_director",
        "motion_inversion",
        "motion_inversion_hybrid",
        "none",
        "tokenflow",
        "tokenflow_sdedit",
        "tune_a_video",
        "vmc",
    ],
    "metric": [
        "motion_fidelity",
        "source_image_similarity",
        "source_text_similarity",
        "temporal_consistency",
        "text_similarity",
    ],
    "model": [
        "allegro",
        "animatediff",
        "cogvideox",
        "cogvideox_1_5",
        "hunyuan_video",
        "latte",
        "ltx",
        "mochi",
        "modelscope",
        "shapes",
        "shapes_dit",
        "shapes_image",
        "shapes_wan",
        "stable_diffusion",
        "videocrafter2",
        "wan",
        "wan_2_2",
        "zeroscope",
    ],
    "noise": ["blend", "fft", "inversion", "lowpass", "lowpass_blend", "random"],
    "optimizer": ["adamw", "adamw_paper"],
    "report": ["default"],
    "sampler": ["ddim50"],
    "strategy": ["by_motion", "difference", "drop", "keep", "recipe"],
    "timestep": ["high_noise", "range", "recipe", "uniform"],
    "tracker": ["cotracker", "cotracker1", "dis", "lk"],
    "trainer": ["default"],
}
"""What the command line accepts. Scripts and papers hold these names: adding is free, renaming is not."""

LEARNING = [
    "detector",
    "layout",
    "logger",
    "loss",
    "optimizer",
    "scale",
    "strategy",
    "timestep",
    "trainer",
]  # of no use to method=none
PLACES = {"scale": ["scale@method.query_key_scale", "scale@method.value_scale"]}  # of a group that goes to several
NEEDED = {
    "dataset=clip": ["dataset.path=my.mp4"],
    "dataset=manifest": ["dataset.path=my.yaml"],
    "detector=canny": ["method=control_a_video"],
    "detector=depth": ["method=control_a_video"],
}  # what an option can't do without
UNDESCRIBED = {  # what changes no result, or is described where it takes effect
    "inversion.measure",
    *(f"model.{name}" for name in ("checkpointing", "device", "family.controlnet", "name", "parts", "path")),
    "method.checkpoint_every",
    "method.detector.chunk",
    "method.preview_every",
    "method.tuned_inversion.measure",
}
AXES = [
    f"{place}={option}"
    for group, options in OPTIONS.items()
    for place in PLACES.get(group, [group])
    for option in options
]
CHOICES = [*AXES, *RECIPES]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building makes no network and reads none: both take parameters."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a parameter was made while building")

    monkeypatch.setattr(torch.nn.Parameter, "__new__", refuse)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., list[Experiment]]]:
    """(*words) → the experiments that the command would run; logging is put back afterwards."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    runs: list[Experiment] = []
    for name in ("run", "make"):  # of a single job, and of a sweep's
        monkeypatch.setattr(Experiment, name, lambda experiment: runs.append(experiment))
    monkeypatch.setattr(Report, "run", lambda report: None)

    def run(*words: str) -> list[Experiment]:
        monkeypatch.setattr(sys, "argv", ["motion-inversion", *words])
        assert command.main() == 0
        return runs

    yield run
    root.setLevel(level)
    root.handlers[:] = handlers


def compose(root: str, *overrides: str) -> dict[str, Any]:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = OmegaConf.to_container(hydra.compose(root, list(overrides)), resolve=True)
    assert isinstance(config, dict)
    # What has a name like _judge is there for other values to be interpolated from.
    config.pop("trust")
    return {str(key): value for key, value in config.items() if str(key)[0] != "_" or str(key)[-1] == "_"}


def given(choice: str) -> list[str]:
    return [*choice.split(), *NEEDED.get(choice, [])]


def files(root: str, *overrides: str) -> Iterator[str]:
    """The files below conf/ that a configuration is composed of."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        for default in loader.compute_defaults_list(root, list(overrides), RunMode.RUN).defaults:
            if default.config_path and (CONF / f"{default.config_path}.yaml").exists():
                yield f"{default.config_path}.yaml"


def lost(config: Mapping[str, Any], description: Any, built: Any, path: str = "") -> Iterator[str]:
    """Paths of the values of a configuration that its object's description doesn't hold."""
    hidden = set()
    if dataclasses.is_dataclass(built):
        hidden = {field.name for field in dataclasses.fields(built) if not field.metadata.get("digest", True)}
    for key, value in config.items():
        where = f"{path}.{key}".lstrip(".")
        if key in hidden:
            yield where
        elif isinstance(value, dict):
            inner = built[key] if isinstance(built, Mapping) else getattr(built, key, None)
            yield from lost(value, description[key], inner, where)
        elif key[0] != "_" and not matches(value, description[key]):
            yield where


def matches(value: Any, described: Any) -> bool:
    if isinstance(value, list):
        pairs = zip(value, described, strict=True)
        return all(matches(item, other) for item, other in pairs)
    if isinstance(value, dict):
        return all(matches(item, described[key]) for key, item in value.items() if key[0] != "_")
    return describe(value) == described


def test_groups_and_options_that_users_know_are_there() -> None:
    assert {group: sorted({*options} & {*OPTIONS[group]}) for group, options in KNOWN.items()} == KNOWN


def test_no_file_is_left_out() -> None:
    seen = {file for root in ROOTS for file in [f"{root}.yaml", *files(root)]}
    seen |= {file for choice in CHOICES for file in files("config", *given(choice))}
    of_hydra = {file.relative_to(CONF).as_posix() for file in (CONF / "hydra").rglob("*.yaml")}
    assert seen | of_hydra == {path.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml")}


@pytest.mark.parametrize("root", ROOTS)
def test_a_root_builds_without_overrides(root: str) -> None:
    assert type(build(compose(root))) is ROOTS[root]


@pytest.mark.parametrize("file", ["command.yaml", "trainer/default.yaml", "model/stable_diffusion.yaml"])
def test_examples_of_a_plus_are_of_values_that_no_file_sets(file: str) -> None:
    examples = re.findall(r"as (?:in )?(\+[\w.]+=[\w./]+?)\.?\s", (CONF / file).read_text())
    assert examples
    chosen = [f"model={Path(file).stem}"] if file.startswith("model/") else []
    for example in examples:
        build(compose("config", *chosen, example))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_taken_for_its_method_on_its_model(recipe: str) -> None:
    method, model = (word.partition("=")[2] for word in recipe.split())
    taken = {file for file in files("config", *recipe.split()) if file.startswith("recipe/")}
    assert taken == {f"recipe/{method}/{model}.yaml"}
    assert not [file for file in files("config", f"method={method}", "model=wan") if file.startswith("recipe/")]


def test_a_recipe_stands_between_the_method_and_the_command_line() -> None:
    on_shapes, elsewhere = compose("config"), compose("config", "model=zeroscope")
    assert (on_shapes["method"]["timestep"]["low"], on_shapes["trainer"]["max_steps"]) == (600, 150)
    assert on_shapes["method"]["strategy"]["_target_"].endswith(".Keep")
    assert elsewhere["method"]["timestep"]["_target_"].endswith(".Uniform")
    assert elsewhere["method"]["strategy"]["_target_"].endswith(".ByMotion")
    assert elsewhere["trainer"]["max_steps"] == 800
    chosen = compose("config", "timestep=uniform", "strategy=drop", "trainer.max_steps=7")
    assert chosen["method"]["timestep"].keys() == chosen["method"]["strategy"].keys() == {"_target_"}
    assert chosen["trainer"]["max_steps"] == 7


def test_a_model_brings_its_guidance_and_its_judge() -> None:
    assert [compose("config", f"model={name}")["sampler"]["guidance"] for name in ("shapes", "wan")] == [3.5, 5.0]
    judges = [compose("config", *words)["metric"]["text_similarity"]["encoder"] for words in ([], ["model=wan"])]
    assert [judge["_target_"].rpartition(".")[2] for judge in judges] == ["FolderClip", "OpenClip"]
    other = compose("config", "judge=openai", "sampler.guidance=2")
    assert other["metric"]["text_similarity"]["encoder"]["pretrained"] == "openai"
    assert other["sampler"]["guidance"] == 2


def test_a_report_can_do_without_trajectories() -> None:
    assert build(compose("report", "follower=null")).follower is None


@pytest.mark.parametrize("choice", CHOICES)
def test_an_option_builds_and_none_of_its_values_gets_lost(choice: str) -> None:
    config = compose("config", *given(choice))
    experiment = build(config)
    assert set(lost(config, describe(experiment), experiment)) <= UNDESCRIBED


@pytest.mark.parametrize(
    ("axis", "key", "value"),
    [("loss", "beta", 0.5), ("layout", "blocks", ["up"]), ("optimizer", "betas", [0.9, 0.9])],
)
def test_a_value_that_gets_lost_is_noticed(axis: str, key: str, value: object) -> None:
    config = compose("config")
    experiment = build(config)
    config["method"][axis][key] = value
    assert f"method.{axis}.{key}" in lost(config, describe(experiment), experiment)


@pytest.mark.parametrize("choice", [choice for choice in AXES if re.split("[@=]", choice)[0] in LEARNING])
def test_an_axis_of_learning_is_refused_where_nothing_is_learnt(choice: str) -> None:
    with pytest.raises(HydraException):
        compose("config", "method=none", choice)


@pytest.mark.parametrize("group", sorted(OPTIONS.keys() - {*LEARNING, "method", "experiment", "recipe"}))
def test_every_other_axis_goes_with_every_method(group: str) -> None:
    for option in OPTIONS[group]:
        assert build(compose("config", "method=none", *given(f"{group}={option}"))).method.name == "none"


@pytest.mark.parametrize("option", sorted({*OPTIONS["experiment"]} - {"search"}))  # tests/command/test_search.py
def test_every_job_of_an_experiment_builds_and_would_run(run: Callable[..., list[Experiment]], option: str) -> None:
    runs = run(f"experiment={option}")
    assert {experiment.name for experiment in runs} == {option}
    assert {path.name for path in Path().iterdir()} <= {"outputs"}  # where a sweep leaves its notes


def test_a_sweep_leaves_its_notes_with_the_results(run: Callable[..., list[Experiment]]) -> None:
    assert [experiment.seed for experiment in run("-m", "seed=1,2", "output=made")] == [1, 2]
    assert [path.name for path in Path().iterdir()] == ["made"]


def test_a_sweep_takes_values_that_only_the_swept_methods_have(run: Callable[..., list[Experiment]]) -> None:
    words = ["method.batch=2", "method.injection=null", "sampler.steps=3,4", "method=tokenflow,tokenflow_sdedit"]
    methods = [method for experiment in run("-m", *words) if isinstance(method := experiment.method, TokenFlow)]
    found = [(type(method), method.batch, method.injection, method.sampling_steps) for method in methods]
    assert found == [(kind, 2, None, steps) for steps in (3, 4) for kind in (TokenFlow, TokenFlowSdedit)]


@pytest.mark.parametrize("option", OPTIONS["experiment"])
def test_a_choice_on_the_command_line_goes_before_an_experiments(option: str) -> None:
    assert build(compose("config", f"experiment={option}", "noise=fft", "sampler.steps=3")).sampler.steps == 3
    composed = compose("config", f"experiment={option}", "noise=fft")
    assert composed["noise"] == compose("config", "noise=fft")["noise"]

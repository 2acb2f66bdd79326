"""Checking and building of small configurations whose classes are defined here."""

import functools
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import pytest
import pytorch_lightning
import torch
from annotated_types import Interval
from omegaconf import OmegaConf

from motion_inversion.composition import CompositionError, arguments, build, check, suggestion
from motion_inversion.error import InputError
from motion_inversion.reflection.description import describe, digest


class Loss(Protocol):
    def __call__(self, prediction: float) -> float: ...


@dataclass(frozen=True)
class Debiased:
    beta: float
    anchor: Literal["random", "first"] = "random"

    def __post_init__(self) -> None:
        if self.beta < 0:
            raise InputError(f"beta={self.beta} is negative; accepted: 0 or more, e.g. method.loss.beta=1")

    def __call__(self, prediction: float) -> float:
        return self.beta * prediction


@dataclass(frozen=True)
class Sampler:
    steps: int
    guidance: Annotated[float, Interval(ge=0, le=10)] = 2.0


@dataclass(frozen=True)
class Method:
    loss: Loss
    optimizer: Callable[..., torch.optim.Optimizer]
    sections: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Experiment:
    name: str
    method: Method
    sampler: Sampler
    source: Path | None = None
    extras: dict[str, Sampler] | None = None
    trail: list[Sampler] | None = None


class Tracker:
    def __init__(self, name: str, **options: str) -> None:
        self.name, self.options = name, options


@dataclass(frozen=True)
class Root:
    tracker: Any = None
    trainer: Any = None


def node(target: type, **given: Any) -> dict[str, Any]:
    return {"_target_": f"{target.__module__}.{target.__qualname__}", **given}


def experiment(**changes: Any) -> dict[str, Any]:
    optimizer = {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.02}
    method = node(Method, loss=node(Debiased, beta=1), optimizer=optimizer, sections=[["down", 1280]])
    return node(Experiment, name="a", method=method, sampler=node(Sampler, steps=50)) | changes


def faults(config: dict[str, Any]) -> list[str]:
    with pytest.raises(CompositionError) as caught:
        check(config)
    return str(caught.value).splitlines()


def test_a_configuration_becomes_the_objects_it_names() -> None:
    built = build(experiment(source="clips/a.mp4"))
    assert built == Experiment(
        "a",
        Method(Debiased(1.0), built.method.optimizer, (("down", 1280),)),
        Sampler(50),
        Path("clips/a.mp4"),
    )
    assert isinstance(built.method.loss.beta, float)


def test_partial_nodes_wait_for_the_rest() -> None:
    optimizer = build(experiment()).method.optimizer
    assert isinstance(optimizer, functools.partial)
    assert (optimizer.func, optimizer.keywords) == (torch.optim.AdamW, {"lr": 0.02})
    assert optimizer([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"] == 0.02


def test_nodes_in_lists_and_mappings_are_built_into_plain_containers() -> None:
    config = experiment(extras={"fast": node(Sampler, steps=5)}, trail=[node(Sampler, steps=1)])
    built = build(OmegaConf.create(config))
    assert (type(built.extras), type(built.trail)) == (dict, list)
    assert (built.extras, built.trail) == ({"fast": Sampler(5)}, [Sampler(1)])


def test_interpolations_are_resolved_before_building() -> None:
    config = OmegaConf.create(experiment(name="n${sampler.steps}"))
    assert build(config).name == "n50"
    with pytest.raises(InputError, match="steeps"):
        build(OmegaConf.create(experiment(name="${sampler.steeps}")))


def test_private_names_at_the_root_are_only_there_to_be_interpolated() -> None:
    sampler = node(Sampler, steps=7)
    config = OmegaConf.create(experiment(_recipe={"sampler": sampler, "note": "a"}, sampler="${_recipe.sampler}"))
    assert build(config).sampler == Sampler(7)
    [fault] = faults(experiment(sampler=node(Sampler, steps=7, _note="a")))
    assert fault.startswith("sampler._note is not an argument of Sampler")


def test_building_checks_first() -> None:
    with pytest.raises(CompositionError, match="trace"):
        build(experiment(trace=1))


def test_what_a_constructor_refuses_passes_through() -> None:
    config = experiment()
    config["method"]["loss"]["beta"] = -1
    check(config)
    with pytest.raises(InputError, match=r"method\.loss\.beta=1"):
        build(config)


def test_an_unknown_key_is_named_with_its_path_its_class_and_what_is_near() -> None:
    config = experiment()
    config["method"]["loss"]["betta"] = 0.5
    [fault] = faults(config)
    assert fault == (
        f"method.loss.betta is not an argument of Debiased ({__name__}.Debiased)"
        " (did you mean 'method.loss.beta'?); accepted: beta, anchor"
    )


@pytest.mark.parametrize(
    ("config", "start"),
    [
        (experiment(trail=[node(Sampler, steps=1, eta=0.0)]), "trail.0.eta is not an argument of Sampler"),
        (experiment(extras={"fast": node(Sampler, step=1, steps=2)}), "extras.fast.step is not an argument"),
        (experiment(noise=node(Sampler, steps=1)), "noise is not an argument of Experiment"),
        (experiment(_convert_="all"), "_convert_ is not an argument of Experiment"),
        (experiment(sampler=node(Sampler)), "sampler.steps is missing, Sampler"),
        (experiment(sampler="???"), "sampler has no value: give sampler=…"),
        (experiment(sampler=node(Sampler, steps="fifty")), "sampler.steps='fifty' is not an int"),
        (experiment(sampler=node(Sampler, steps=True)), "sampler.steps=True is not an int"),
        (
            experiment(sampler=node(Sampler, steps=1, guidance=11)),
            "sampler.guidance=11 is not a float from 0 up to 10; set sampler.guidance=2.0",
        ),
        (
            experiment(sampler=node(Sampler, steps=2**63)),
            "sampler.steps=9223372036854775808 is not an int that a ten",
        ),
        (experiment(source=""), "source='' is not a Path | null"),
        (experiment(name=None), "name=null is not a str"),
        (experiment(sampler="ddim"), "sampler='ddim' is not a Sampler, and has no _target_ to build one"),
        (experiment(sampler={"steps": 1}), "sampler={'steps': 1} is not a Sampler, and has no _target_"),
        (experiment(sampler={"_target_": "Sampler"}), "sampler._target_: Sampler is not of the form"),
        (experiment(sampler={"_target_": "no.Sampler"}), "sampler._target_: no.Sampler cannot be imported"),
        (
            experiment(sampler={"_target_": "torch.optim.AdamV"}),
            "sampler._target_: torch.optim has no class AdamV",
        ),
        ({"name": "a"}, "the configuration has no _target_ at its root"),
    ],
)
def test_each_fault_is_one_line(config: dict[str, Any], start: str) -> None:
    [fault] = faults(config)
    assert fault.startswith(start)


def test_all_faults_are_reported_together() -> None:
    config = experiment(sampler=node(Sampler, steps="fifty"), sead=1)
    config["method"]["loss"] = node(Debiased, betta=1, anchor="last")
    assert [line.split(" ")[0] for line in faults(config)] == [
        "sead",
        "method.loss.betta",
        "method.loss.anchor='last'",
        "method.loss.beta",
        "sampler.steps='fifty'",
    ]


def test_partial_nodes_are_checked_too() -> None:
    config = experiment()
    config["method"]["optimizer"] |= {"learning_rate": 1, "eps": "small"}
    unknown, misfit = faults(config)
    assert unknown.startswith("method.optimizer.learning_rate is not an argument of AdamW (torch.optim.AdamW)")
    assert misfit == "method.optimizer.eps='small' is not a float; set method.optimizer.eps=1e-08"


def test_a_class_is_checked_through_the_decorator_of_its_constructor() -> None:
    trainer = {"_target_": "pytorch_lightning.Trainer", "_partial_": True}
    root = {**node(Root), "trust": ["pytorch_lightning"]}
    check({**root, "trainer": trainer | {"max_steps": 400, "accelerator": "cpu", "precision": "16-mixed"}})
    unknown, misfit = faults({**root, "trainer": trainer | {"max_step": 400, "precision": "17"}})
    assert "trainer.max_step " in unknown
    assert "'trainer.max_steps'" in unknown
    assert misfit.startswith("trainer.precision='17' is not a")
    assert build({**root, "trainer": trainer}).trainer.func is pytorch_lightning.Trainer


def test_open_keyword_arguments_let_no_misspelling_through() -> None:
    assert build(node(Root, tracker=node(Tracker, name="a"))).tracker.options == {}
    [fault] = faults(node(Root, tracker=node(Tracker, name="a", projct="b")))
    assert fault.startswith("tracker.projct is not an argument of Tracker")
    assert "wrap it in a class" in fault


def test_a_composition_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(CompositionError("one", "two")))
    assert str(error) == "one\ntwo"


def test_a_configuration_has_one_digest_however_it_is_written() -> None:
    other = dict(reversed(experiment().items()))
    other["method"] = other["method"] | {"loss": node(Debiased, anchor="random", beta=1.0)}
    assert digest(describe(build(other))) == digest(describe(build(experiment())))
    assert digest(describe(build(experiment(name="b")))) != digest(describe(build(experiment())))


def test_the_description_of_an_object_builds_it_again() -> None:
    built = build(experiment(source="clips/a.mp4"))
    description = describe(built)
    assert isinstance(description, dict)
    assert describe(build(description)) == description


def test_arguments_are_the_names_a_node_accepts() -> None:
    assert arguments(f"{__name__}.Debiased") == ["beta", "anchor"]
    assert arguments(f"{__name__}.Tracker") == ["name"]


def test_suggestions_are_what_a_name_resembles_or_ends() -> None:
    assert suggestion("betta", ["beta", "gamma"]) == " (did you mean 'beta'?)"
    assert suggestion("lr", ["seed", "method.optimizer.lr"]) == " (did you mean 'method.optimizer.lr'?)"
    assert suggestion("betta", ["beta"], "method.loss") == " (did you mean 'method.loss.beta'?)"
    assert suggestion("foo", ["beta"]) == ""

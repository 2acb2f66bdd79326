"""Presets of memory at full size, against figures measured on a GPU and against what was asked for."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from full_size import FOLDERS
from motion_inversion.error import InputError
from motion_inversion.experiment import Experiment
from motion_inversion.stage import economy
from motion_inversion.stage.economy import economise, limit_of
from motion_inversion.stage.footprint import footprint
from motion_inversion.stage.memory import Estimate, Need

GIB = 2**30
PRESETS = (8, 12, 16, 24, 80)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A model's configurations at full size, written once."""
    written: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in written:
            written[name] = tmp_path_factory.mktemp(name)
            FOLDERS[name](written[name])
        return written[name]

    return folder


@pytest.fixture(scope="module")
def estimated(
    folder: Callable[[str], Path], compose: Callable[..., Experiment], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Estimate]:
    """(model, *overrides, device, batch) → its estimate."""

    def estimated(name: str, *overrides: str, device: str = "cuda", batch: int = 1) -> Estimate:
        own = () if any(word.startswith("model.path=") for word in overrides) else (f"model.path={folder(name)}",)
        words = [f"model={name}", *own, *overrides]
        experiment = compose(tmp_path_factory.mktemp("never-written"), *words)
        return Estimate(experiment._address(), device, batch)

    return estimated


@pytest.fixture(scope="module")
def tiny(estimated: Callable[..., Estimate], folder: Callable[[str], Path]) -> Callable[..., Estimate]:
    """(*overrides, batch) → the estimate of a model that is quickly run, as of a GPU."""
    size = ("model.frames=17", "model.width=64", "model.height=64", "+model.family.length=32")
    return partial(estimated, "wan", f"model.path={folder('small_wan')}", *size)


@pytest.fixture(scope="module")
def zeroscope(estimated: Callable[..., Estimate]) -> Callable[..., Estimate]:
    return partial(estimated, "zeroscope", "model.frames=16")


@pytest.mark.parametrize(
    ("overrides", "measured"),
    [
        ((), 8.4),
        (("model.checkpointing=false",), 24.8),
        (("layout=deep",), 5.1),
    ],
)
def test_a_training_takes_what_it_took_on_a_gpu(
    zeroscope: Callable[..., Estimate], overrides: tuple[str, ...], measured: float
) -> None:
    """docs/gpu.md: peaks that torch counted on an H100."""
    training = zeroscope(*overrides).training
    assert training and 0.96 * measured < training.most / GIB < measured


def test_weights_and_what_is_learnt_are_exact(zeroscope: Callable[..., Estimate]) -> None:
    estimate = zeroscope()
    assert round(estimate.weights / 2e9, 2) == 1.41  # billion parameters in half precision
    assert estimate.parameters == 229_555_200
    assert estimate.learnt == pytest.approx(16 * estimate.parameters, rel=1e-4)  # and the counts of steps
    assert zeroscope(batch=4).sampling > estimate.sampling + GIB


@pytest.mark.parametrize(
    ("memory", "picks"),
    [
        (8, {"batch": 2, "method.layout.value_grid": 2}),
        (12, {"batch": 2}),
        (16, {}),
        (24, {}),
        (80, {"model.checkpointing": False}),
    ],
)
def test_presets_of_zeroscope(zeroscope: Callable[..., Estimate], memory: int, picks: dict[str, object]) -> None:
    found = economise(zeroscope(batch=4), f"{memory}gb", ())
    assert found.picks == picks
    assert most(found.estimate.need()) < memory * GIB


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("wan", ("model.frames=17", "model.width=512", "model.height=320")),
        ("ltx", ("model.frames=25", "model.width=352", "model.height=256")),
    ],
)
def test_presets_of_transformers(estimated: Callable[..., Estimate], name: str, overrides: tuple[str, ...]) -> None:
    estimate, trained = estimated(name, *overrides, batch=4), []
    refused: list[str] = []
    picks: list[Mapping[str, object]] = []
    for memory in PRESETS:
        try:
            found = economise(estimate, f"{memory}gb", ())
        except InputError as refusal:
            refused.append(str(refusal))
            continue
        assert most(found.estimate.need()) < memory * GIB
        trained.append(found.estimate.parameters)
        picks.append(found.picks)
    told = re.compile(rf"memory=\d+gb is too little for {name} with .*; would do: .*")
    assert all(told.fullmatch(each) for each in refused)
    assert trained and trained == sorted(trained)  # a larger limit never learns less
    assert picks[0]["model.offload"] is True  # T5 alone is more than 8 GiB
    assert picks[-1] == {"model.checkpointing": False}


def test_what_is_refused_says_what_would_do(tiny: Callable[..., Estimate]) -> None:
    estimate = tiny()
    memory = gib(max(least(estimate).stages.values()) - 1)
    with pytest.raises(InputError, match="gb is too little for wan with 17 frames of 64×64: ") as refusal:
        economise(estimate, memory, ())
    [smaller] = re.findall(r"the least there is; would do: memory=2gb, or (model.*)$", str(refusal.value))
    sides = {key.partition(".")[2]: int(value) for key, value in (word.split("=") for word in smaller.split())}
    assert economise(estimate, "2gb", ())
    changed = replace(estimate.address, model=replace(estimate.model, **sides))
    assert economise(Estimate(changed, "cuda", 1), memory, ())


def test_no_clip_is_small_enough_for_weights_that_are_too_many(tiny: Callable[..., Estimate]) -> None:
    estimate = tiny()
    with pytest.raises(InputError, match="would do: memory=2gb, or a model of fewer parameters$"):
        economise(estimate, gib(estimate.weights - 1), ())


def test_the_finest_that_fits_is_picked(tiny: Callable[..., Estimate]) -> None:
    """Each limit is what the one before takes, less a byte."""
    estimate, seen = tiny(batch=4), []
    memory = "2gb"
    with pytest.raises(InputError, match="too little"):
        while True:
            found = economise(estimate, memory, ())
            seen.append(found.picks)
            memory = gib(max(found.estimate.need().stages.values()) - 1)
    assert seen[0] == {"model.checkpointing": False}
    assert len(seen) > 1 and all(first != second for first, second in pairwise(seen))


@pytest.mark.parametrize("fixed", [{"method.layout"}, {"batch"}, {"model.checkpointing"}])
def test_what_the_user_set_is_not_touched(tiny: Callable[..., Estimate], fixed: set[str]) -> None:
    estimate, [key] = tiny(batch=4), fixed
    with pytest.raises(InputError, match=f"the least there is with {key} as given; .*, or another {key}"):
        economise(estimate, gib(estimate.weights + 1), fixed)
    memory = gib(max(least(estimate, fixed).stages.values()) + 1)
    assert not any(pick.startswith(key) for pick in economise(estimate, memory, fixed).picks)


def test_a_process_is_part_of_what_a_cpu_takes(zeroscope: Callable[..., Estimate]) -> None:
    on_cpu, on_gpu = zeroscope(device="cpu").decoding, zeroscope().decoding
    assert on_cpu == on_gpu + GIB


def test_a_line_says_what_a_run_takes(zeroscope: Callable[..., Estimate]) -> None:
    line = footprint(zeroscope())
    for told in (
        "weights 2.6 GiB in float16",
        "229,555,200 parameters to learn 3.4 GiB",
        "on the GPU",
        "training 8.3 GiB (1.8 GiB of it activations; 24.6 GiB without checkpointing)",
        "sampling 6.1 GiB",
        "decoding 4.7 GiB",
    ):
        assert told in line


def test_other_trainings_are_not_estimated(compose: Callable[..., Experiment], tmp_path: Path) -> None:
    experiment = compose(tmp_path, "method=lora")
    assert experiment.footprint().startswith("the memory of method=lora is not estimated")
    with pytest.raises(InputError, match="method=lora is not estimated"):
        replace(experiment, memory="8gb").economies(())


@pytest.mark.parametrize(("memory", "limit"), [("8gb", 8), ("10GB", 10), ("1.5 GiB", 1.5)])
def test_any_size_is_a_limit(memory: str, limit: float) -> None:
    assert limit_of(memory) == limit


@pytest.mark.parametrize("memory", ["", "8", "lots", "0gb", "-1gb", "8gbit"])
def test_what_is_no_size_is_refused(memory: str, compose: Callable[..., Experiment], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="accepted are sizes such as 8gb"):
        replace(compose(tmp_path), memory=memory)


def gib(count: int) -> str:
    """The limit that leaves so many bytes to an estimate of a GPU."""
    return f"{count / GIB * 1.05 + 0.5:.12f}gb"


def least(estimate: Estimate, fixed: Collection[str] = ()) -> Need:
    return economy._least(estimate, fixed).need()


def most(need: Need) -> int:
    return max(need.stages.values())

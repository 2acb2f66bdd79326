"""The file of tensors: what it keeps, and for whom it is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from trial import randn

from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError
from motion_inversion.method.state import read_state, write_state
from motion_inversion.storage.tensor_file import save_named

TENSORS = {"a.weight": randn(0, 2, 3), "b.weight": randn(1, 4)}


@pytest.fixture
def path(model: Backbone, tmp_path: Path) -> Path:
    write_state(tmp_path / "state.safetensors", "vmc", model, TENSORS)
    return tmp_path / "state.safetensors"


def test_what_was_written_is_read(model: Backbone, path: Path, tmp_path: Path):
    read = read_state(path, "vmc", model, TENSORS)
    assert read.keys() == TENSORS.keys()
    assert all(torch.equal(read[name], TENSORS[name]) for name in TENSORS)
    write_state(tmp_path / "again", "vmc", model, TENSORS)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_the_same_weights_elsewhere_are_the_same_model(longer: Backbone, path: Path):
    assert read_state(path, "vmc", longer, TENSORS).keys() == TENSORS.keys()


def test_another_model_is_refused_with_both_sides(model: Backbone, path: Path):
    config = replace(model.config, name="other")
    vars(config)["fingerprint"] = "0123456789abcdef"
    own = model.config.fingerprint[:8]
    message = rf"learnt on tiny \(weights {own}\), the model is other \(weights 01234567\): set model=tiny"
    with pytest.raises(InputError, match=message):
        read_state(path, "vmc", Backbone(config), TENSORS)


def test_another_method_is_refused_with_both_sides(model: Backbone, path: Path):
    with pytest.raises(InputError, match="learnt by vmc, not by motion_director: set method=vmc"):
        read_state(path, "motion_director", model, TENSORS)


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"a.weight": randn(0, 2, 3)}, r"has 2 tensors, the method asks for 1: b\.weight is 4 there and missing here"),
        ({**TENSORS, "a.weight": randn(0, 2, 5)}, r"a\.weight is 2×3 there and 2×5 here"),
        ({**TENSORS, "c": randn(0, 1)}, r"c is missing there and 1 here"),
    ],
)
def test_another_layout_is_refused_with_both_sides(
    model: Backbone, path: Path, expected: dict[str, torch.Tensor], message: str
):
    with pytest.raises(InputError, match=message):
        read_state(path, "vmc", model, expected)


def test_other_files_are_refused(model: Backbone, tmp_path: Path):
    (tmp_path / "text").write_text("no tensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    for name, message in {
        "missing": "no safetensors file",
        "text": "no safetensors file",
        "foreign": "format None",
    }.items():
        with pytest.raises(InputError, match=message):
            read_state(tmp_path / name, "vmc", model, TENSORS)


def test_a_file_that_says_too_little_of_itself_is_refused(model: Backbone, tmp_path: Path):
    save_named(tmp_path / "state", TENSORS, {"format": "motion-inversion-state/1", "method": "vmc"})
    with pytest.raises(InputError, match="doesn't say for what model and fingerprint it was learnt; give the state"):
        read_state(tmp_path / "state", "vmc", model, TENSORS)


def test_values_that_are_not_finite_are_not_written(model: Backbone, tmp_path: Path):
    with pytest.raises(InputError, match="b holds NaN or infinity"):
        write_state(tmp_path / "state", "vmc", model, {"a": torch.ones(1), "b": torch.tensor([float("nan")])})
    assert not list(tmp_path.iterdir())

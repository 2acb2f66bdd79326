"""Reading the parts of a model folder, and refusing folders that lack some."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from motion_inversion.backbone.part import VIDEO, ModelFolder
from motion_inversion.core.error import InputError

NETWORKS = ("text_encoder", "vae", "unet")


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the model to take apart."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def weights(folder: Path, part: str) -> Path:
    [path] = (folder / part).glob("*.safetensors")
    return path


def read(folder: Path, part: str) -> object:
    return ModelFolder(str(folder)).load(part, torch.float32, torch.device("cpu"))


def refusal(folder: Path, part: str) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, part)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("part", NETWORKS)
def test_networks_come_frozen_in_evaluation_mode_and_the_given_type(tiny_model: Path, part: str):
    network = ModelFolder(str(tiny_model)).load(part, torch.bfloat16, torch.device("cpu"))
    assert type(network).__name__ == VIDEO[part][1]
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("part", ["tokenizer", "scheduler"])
def test_the_other_parts_come_as_their_class(tiny_model: Path, part: str):
    assert type(read(tiny_model, part)).__name__ == VIDEO[part][1]


def test_a_complete_folder_and_a_hub_id_pass(tiny_model: Path):
    ModelFolder(str(tiny_model)).check()
    ModelFolder("someone/some_model").check()


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_path_that_is_no_folder_is_refused(tmp_path: Path, name: str):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=rf"^model\.path=.*{name} is no folder; set model\.path"):
        ModelFolder(str(tmp_path / name)).check()


@pytest.mark.parametrize("part", VIDEO)
def test_a_missing_part_is_named(folder: Path, part: str):
    shutil.rmtree(folder / part)
    with pytest.raises(InputError, match=rf"has no {part}/; accepted is a folder with tokenizer, .*scheduler"):
        ModelFolder(str(folder)).check()


@pytest.mark.parametrize("part", VIDEO)
def test_a_part_without_its_content_is_named(folder: Path, part: str):
    for path in (folder / part).iterdir():
        path.unlink()
    with pytest.raises(InputError, match=rf"has neither .* nor .* in {part}/"):
        ModelFolder(str(folder)).check()


@pytest.mark.parametrize("part", NETWORKS)
def test_a_file_that_was_cut_short_is_refused_in_one_line(folder: Path, part: str):
    path = weights(folder, part)
    path.write_bytes(path.read_bytes()[:-100])
    assert f"{part} can't be loaded as {VIDEO[part][1]}" in refusal(folder, part)


@pytest.mark.parametrize("part", NETWORKS)
def test_weights_that_lack_a_tensor_are_refused_rather_than_drawn_at_random(folder: Path, part: str):
    path = weights(folder, part)
    tensors = load_file(path)
    name = sorted(name for name in tensors if name.endswith("weight"))[0]
    del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})
    assert f"{part} lacks 1 of its weights, such as {name}" in refusal(folder, part)


@pytest.mark.parametrize("part", [*NETWORKS, "scheduler"])
def test_a_part_without_its_configuration_is_refused_in_one_line(folder: Path, part: str):
    for path in (folder / part).glob("*config.json"):
        path.unlink()
    assert f"{part} can't be loaded as {VIDEO[part][1]}" in refusal(folder, part)


def test_the_fingerprint_is_of_the_content(folder: Path, tiny_model: Path):
    original = ModelFolder(str(tiny_model)).fingerprint()
    assert ModelFolder(str(folder)).fingerprint() == original
    (folder / "README.md").write_text("not a part")
    assert ModelFolder(str(folder)).fingerprint() == original
    path = weights(folder, "unet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # one bit, of a file that stays as large
    path.write_bytes(content)
    assert ModelFolder(str(folder)).fingerprint() != original


def test_the_fingerprint_of_a_hub_id_is_its_own():
    assert ModelFolder("someone/one").fingerprint() != ModelFolder("someone/other").fingerprint()

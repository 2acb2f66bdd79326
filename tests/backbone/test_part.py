"""Reading the parts of a model folder, and refusing folders that lack some."""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from motion_inversion.backbone.part import INDEX, ModelFolder
from motion_inversion.backbone.unet2d import UNet2D
from motion_inversion.backbone.unet3d import UNet3D
from motion_inversion.error import InputError
from motion_inversion.storage.embedded import locate

NETWORKS = ("text_encoder", "vae", "unet")
CLASSES = {part: classes[0] for part, classes in UNet3D.parts.items()}
CPU = torch.device("cpu")


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the model to take apart."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def opened(path: Path | str, elsewhere: Mapping[str, str] | None = None, family: Any = UNet3D) -> ModelFolder:
    return ModelFolder(str(path), elsewhere or {}, family.parts, family.optional)


def weights(folder: Path, part: str) -> Path:
    [path] = (folder / part).glob("*.safetensors")
    return path


def read(folder: Path, part: str) -> object:
    return opened(folder).load(part, torch.float32, CPU)


def refusal(folder: Path, part: str) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, part)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("part", NETWORKS)
def test_networks_come_frozen_in_evaluation_mode_and_the_given_type(tiny_model: Path, part: str):
    network = opened(tiny_model).load(part, torch.bfloat16, CPU)
    assert type(network).__name__ == CLASSES[part]
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("part", ["tokenizer", "scheduler"])
def test_the_other_parts_come_as_their_class(tiny_model: Path, part: str):
    assert type(read(tiny_model, part)).__name__ == CLASSES[part]


def test_a_complete_folder_and_a_hub_id_pass(tiny_model: Path):
    opened(tiny_model).check()
    opened("someone/some_model").check()


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_path_that_is_no_folder_is_refused(tmp_path: Path, name: str):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=rf"^model\.path=.*{name} is no folder; set model\.path"):
        opened(tmp_path / name).check()


@pytest.mark.parametrize("part", CLASSES)
def test_a_missing_part_is_named(folder: Path, part: str):
    shutil.rmtree(folder / part)
    with pytest.raises(InputError, match=rf"has no {part}/; accepted is a folder with tokenizer, .*scheduler"):
        opened(folder).check()


def test_a_folder_of_another_family_is_called_what_it_is():
    folder = opened(locate("embedded:shapes_dit"))
    with pytest.raises(InputError, match=r"has no tokenizer/, but transformer/: it is a CogVideoXPipeline, and needs"):
        folder.check()


@pytest.mark.parametrize("part", CLASSES)
def test_a_part_without_its_content_is_named(folder: Path, part: str):
    for path in (folder / part).iterdir():
        path.unlink()
    with pytest.raises(InputError, match=rf"has neither .* nor .* in {part}/"):
        opened(folder).check()


@pytest.mark.parametrize("part", NETWORKS)
def test_a_file_that_was_cut_short_is_refused_in_one_line(folder: Path, part: str):
    path = weights(folder, part)
    path.write_bytes(path.read_bytes()[:-100])
    assert "is cut off: copy or download it again" in refusal(folder, part)


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
    assert f"{part} can't be loaded as {CLASSES[part]}" in refusal(folder, part)


def test_the_fingerprint_is_of_the_content(folder: Path, tiny_model: Path):
    original = opened(tiny_model).fingerprint()
    assert opened(folder).fingerprint() == original
    (folder / "README.md").write_text("not a part")
    assert opened(folder).fingerprint() == original
    path = weights(folder, "unet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # one bit, of a file that stays as large
    path.write_bytes(content)
    assert opened(folder).fingerprint() != original


def test_the_fingerprint_of_a_hub_id_is_its_own():
    assert opened("someone/one").fingerprint() != opened("someone/other").fingerprint()


def reindex(folder: Path, **classes: str) -> None:
    """Names other classes in the index."""
    path = folder / INDEX
    index = json.loads(path.read_text()) | {part: ["somewhere", name] for part, name in classes.items()}
    path.write_text(json.dumps(index))


def test_a_class_that_the_family_does_not_know_is_refused_before_anything_is_read(folder: Path):
    reindex(folder, unet="WanTransformer3DModel")
    message = r"unet is of class WanTransformer3DModel; .* accepts UNet3DConditionModel; choose the model= that fits"
    with pytest.raises(InputError, match=message):
        opened(folder).check()
    with pytest.raises(InputError, match=message):
        read(folder, "unet")


def test_the_index_chooses_among_the_classes_that_a_family_knows(folder: Path):
    assert type(read(folder, "scheduler")).__name__ == "DDIMScheduler"
    reindex(folder, scheduler="PNDMScheduler")
    assert type(read(folder, "scheduler")).__name__ == "PNDMScheduler"


def test_words_for_classes_that_transformers_renamed_are_understood(folder: Path):
    reindex(folder, tokenizer="CLIPTokenizerFast")
    assert type(read(folder, "tokenizer")).__name__ == "CLIPTokenizer"


def test_without_an_index_the_parts_say_what_they_are(folder: Path, tiny_image_model: Path):
    (folder / INDEX).unlink()
    opened(folder).check()
    for part, name in CLASSES.items():
        assert type(read(folder, part)).__name__ == name
    image = Path(shutil.copytree(tiny_image_model / "unet", folder.parent / "image/unet"))
    with pytest.raises(InputError, match="unet is of class UNet2DConditionModel; .* accepts UNet3DConditionModel"):
        opened(folder, {"unet": str(image)}).load("unet", torch.float32, CPU)


def test_an_index_that_is_broken_is_refused(folder: Path):
    for content in ("{", "[]"):
        (folder / INDEX).write_text(content)
        with pytest.raises(InputError, match=rf"{INDEX} (can't be read|holds no mapping).*; copy it anew"):
            opened(folder).check()


def test_what_the_index_says_beside_the_parts_is_a_setting(folder: Path):
    index = json.loads((folder / INDEX).read_text())
    (folder / INDEX).write_text(json.dumps(index | {"boundary_ratio": 0.875}))
    assert opened(folder).setting("boundary_ratio") == 0.875
    assert opened(folder).setting("expand_timesteps") is None


def vary(path: Path, variant: str) -> None:
    """Names weights as those of a variant."""
    path.rename(path.with_name(f"{path.name.partition('.')[0]}.{variant}.safetensors"))


@pytest.mark.parametrize("part", NETWORKS)
def test_where_there_is_only_a_variant_of_the_weights_it_is_taken_and_said(
    folder: Path, tiny_model: Path, part: str, caplog: pytest.LogCaptureFixture
):
    vary(weights(folder, part), "fp16")
    opened(folder).check()
    with caplog.at_level(logging.INFO, "motion_inversion"):
        varied: Any = read(folder, part)
    [line] = [record.message for record in caplog.records]
    assert line == f"{folder / part} holds only the variant fp16 of its weights: that is taken"
    plain: Any = opened(tiny_model).load(part, torch.float32, CPU)
    assert all(torch.equal(one, other) for one, other in zip(varied.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize(("dtype", "taken"), [(torch.float32, "fp16"), (torch.bfloat16, "bf16")])
def test_of_two_variants_the_nearer_one_is_taken(
    folder: Path, caplog: pytest.LogCaptureFixture, dtype: torch.dtype, taken: str
):
    plain = weights(folder, "unet")
    for variant in ("fp16", "bf16"):
        shutil.copy(plain, plain.with_name(f"{plain.stem}.{variant}.safetensors"))
    plain.unlink()
    with caplog.at_level(logging.INFO, "motion_inversion"):
        opened(folder).load("unet", dtype, CPU)
    [line] = [record.message for record in caplog.records]
    assert line == f"{folder / 'unet'} holds only the variants bf16 and fp16 of its weights: {taken} is taken"


@pytest.mark.parametrize("part", NETWORKS)
def test_weights_that_are_no_safetensors_are_read_without_a_word(
    folder: Path, tiny_model: Path, part: str, caplog: pytest.LogCaptureFixture
):
    path = weights(folder, part)
    torch.save(load_file(path), path.with_name("pytorch_model.bin" if "text" in part else f"{path.stem}.bin"))
    path.unlink()
    loaded: Any = read(folder, part)
    assert not caplog.records
    plain: Any = opened(tiny_model).load(part, torch.float32, CPU)
    assert all(torch.equal(one, other) for one, other in zip(loaded.parameters(), plain.parameters(), strict=True))


def test_weights_of_another_shape_are_refused_in_one_sentence(folder: Path):
    path = weights(folder, "unet")
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("to_q.weight"))
    save_file(tensors | {name: tensors[name][:, 1:].contiguous()}, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"unet can't be loaded as .* {name} expected shape [^;]*\)\); give"):
        read(folder, "unet")


def test_plain_weights_go_before_a_variant(folder: Path, caplog: pytest.LogCaptureFixture):
    path = weights(folder, "unet")
    path.with_name("diffusion_pytorch_model.fp16.safetensors").write_bytes(b"unread")
    with caplog.at_level(logging.INFO, "motion_inversion"):
        read(folder, "unet")
    assert not caplog.records


def test_a_part_may_be_there_or_not_if_the_family_does_without(tiny_model: Path, tiny_image_model: Path):
    image = opened(tiny_image_model, family=UNet2D)
    assert image.has("controlnet")
    plain = opened(tiny_model, {"unet": str(tiny_image_model)}, UNet2D)
    plain.check()
    assert not plain.has("controlnet")
    assert opened("someone/some_model", family=UNet2D).has("controlnet")  # for all that is known here

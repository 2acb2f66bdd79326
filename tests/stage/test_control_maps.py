"""Control maps that come with a clip, from its footage to the state of the method that follows them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from motion_inversion.backbone.model import Model
from motion_inversion.backbone.unet2d import UNet2D
from motion_inversion.core.noise import Random
from motion_inversion.data.clip import Clip, VideoFile
from motion_inversion.data.video import write_lossless
from motion_inversion.error import InputError
from motion_inversion.method.control_a_video.detector import Canny
from motion_inversion.method.control_a_video.method import ControlAVideo
from motion_inversion.method.frozen import Frozen
from motion_inversion.stage.address import Address
from motion_inversion.stage.prepare import prepare
from motion_inversion.stage.train import train

MAPS = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)


@pytest.fixture
def led(address: Address, tiny_image_model: Path) -> Address:
    """The address of a method that reads control maps."""
    model = Model("tiny", str(tiny_image_model), UNet2D(controlnet="hed"), 4, 64, 64, device="cpu")
    return replace(address, model=model, method=ControlAVideo(Canny()), noise=Random(), trainer=None)


@pytest.fixture
def given(clip: Clip, tmp_path: Path) -> Clip:
    """The clip with maps of its own."""
    write_lossless(tmp_path / "maps.mkv", MAPS, 8.0)
    return replace(clip, control_maps=VideoFile(tmp_path / "maps.mkv"))


def test_they_reach_the_state_unchanged(led: Address, given: Clip):
    model = led.model.load()
    prepare(led, model, given)
    train(led, model, given, ())
    state = load_file(led.state(given).folder / ControlAVideo.state_file)
    assert torch.equal(state["control_maps"], torch.from_numpy(MAPS))


def test_what_is_led_by_them_depends_on_what_they_show(led: Address, given: Clip, clip: Clip, tmp_path: Path):
    write_lossless(tmp_path / "others.mkv", MAPS[::-1].copy(), 8.0)
    others = replace(given, control_maps=VideoFile(tmp_path / "others.mkv"))
    write_lossless(tmp_path / "copy.mkv", MAPS, 8.0)
    copied = replace(given, control_maps=VideoFile(tmp_path / "copy.mkv"))
    digests = [replace(led).state(one).digest for one in (clip, given, others)]  # a run has one clip of a name
    assert len(set(digests)) == 3
    assert replace(led).state(copied).digest == digests[1]
    samples = {replace(led).sample(one, clip.prompts[0], 0).digest for one in (clip, given, others)}
    assert len(samples) == 3
    assert led.reference(given).digest == led.reference(clip).digest


def test_methods_that_do_not_read_them_do_not_depend_on_them(address: Address, given: Clip, clip: Clip):
    for one in (address, replace(address, method=Frozen(), trainer=None)):
        assert one.control_maps(given) is None
        assert one.state(given).digest == one.state(clip).digest
        assert one.sample(given, clip.prompts[0], 0).digest == one.sample(clip, clip.prompts[0], 0).digest


def test_without_them_a_controlnet_of_another_kind_names_the_way(led: Address, clip: Clip):
    model = led.model.load()
    prepare(led, model, clip)
    with pytest.raises(
        InputError,
        match=r"follows hed \(model\.family\.controlnet\).* give them with the clip: dataset\.control_maps=maps\.mp4",
    ):
        train(led, model, clip, ())

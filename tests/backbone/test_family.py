"""What methods can ask of models, and what is said of those that lack it."""

from collections.abc import Callable
from typing import get_args

import pytest
import torch

from motion_inversion.backbone.allegro import Allegro
from motion_inversion.backbone.animatediff import AnimateDiff
from motion_inversion.backbone.cogvideox import CogVideoX
from motion_inversion.backbone.family import EXAMPLES, Capability, Family, HasControlNet, each_time, require
from motion_inversion.backbone.hunyuan_video import HunyuanVideo
from motion_inversion.backbone.latte import Latte
from motion_inversion.backbone.ltx import Ltx
from motion_inversion.backbone.mochi import Mochi
from motion_inversion.backbone.model import Backbone
from motion_inversion.backbone.unet2d import UNet2D
from motion_inversion.backbone.unet3d import UNet3D
from motion_inversion.backbone.wan import Wan
from motion_inversion.error import InputError

FAMILIES = (Allegro, AnimateDiff, CogVideoX, HunyuanVideo, Latte, Ltx, Mochi, UNet2D, UNet3D, Wan)
WORDS = get_args(Capability)


@pytest.mark.parametrize("kind", FAMILIES)
def test_each_keeps_the_protocol_and_loads_what_denoises(kind: Callable[[], Family]):
    family = kind()
    assert isinstance(family, Family)
    assert family.denoiser in family.parts and not family.parts.keys() & family.optional.keys()
    assert family.capabilities and family.capabilities <= set(WORDS)
    assert isinstance(family, HasControlNet) == ("control maps" in family.capabilities)


def test_attention_is_over_time_alone_or_over_space_and_time():
    over_time, over_all = "attention over time alone", "attention over space and time"
    for family in (kind() for kind in FAMILIES):
        ways = len(family.capabilities & {over_time, over_all})
        assert ways == ("motion sites" in family.capabilities) == ("frames on their own" not in family.capabilities)


@pytest.mark.parametrize("needed", WORDS)
def test_an_example_has_what_is_needed(needed: Capability):
    kinds = {"model=shapes": UNet3D(), "model=shapes_image": UNet2D(), "model=shapes_dit": CogVideoX(time=1)}
    require(kinds[EXAMPLES[needed]], "it", "any", needed)


def test_what_is_missing_is_named_with_what_there_is_and_an_example():
    require(UNet3D(), "tiny", "dmt", "temporal convolutions", "motion sites")
    with pytest.raises(InputError) as caught:
        require(UNet2D(), "tiny", "dmt", "temporal convolutions", "frames on their own", "motion sites")
    assert str(caught.value) == (
        "method=dmt needs a model with temporal convolutions and motion sites; tiny has control maps, frames on their "
        "own; set model=shapes, or see docs/models.md of the project"
    )


def test_a_loaded_model_is_asked_in_the_same_way(model: Backbone):
    assert model.capabilities == UNet3D.capabilities
    model.require("vmc", "attention over time alone")
    with pytest.raises(InputError, match="method=tune_a_video needs a model with frames on their own; tiny has "):
        model.require("tune_a_video", "frames on their own")


def test_a_time_is_one_for_every_clip_and_whole_numbers_stay_whole():
    latents = torch.zeros(3, 1, 1, 1, 1)
    assert each_time(7, latents).tolist() == [7, 7, 7] and not each_time(7, latents).is_floating_point()
    assert each_time(7.5, latents).tolist() == [7.5] * 3
    assert each_time(torch.tensor([1, 2, 3]), latents).tolist() == [1, 2, 3]

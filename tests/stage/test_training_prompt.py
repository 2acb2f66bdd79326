"""What the network is told while a method learns."""

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from motion_inversion.core.loss import Vmc as VmcLoss
from motion_inversion.core.timestep import Uniform
from motion_inversion.data.clip import Clip
from motion_inversion.method.vmc import Vmc
from motion_inversion.stage.address import Address


@pytest.fixture
def vmc(address: Address) -> Address:
    return replace(address, method=Vmc(VmcLoss(), functools.partial(torch.optim.AdamW, lr=1e-4), Uniform()))


def test_vmc_learns_with_the_appearance_invariant_prompt_and_others_with_the_source_prompt(
    address: Address, vmc: Address, clip: Clip
):
    plain = replace(clip, appearance_invariant_prompt=None)
    reworded = replace(clip, appearance_invariant_prompt="a circle moving around")
    assert vmc.training_prompt(reworded) == "a circle moving around"
    assert vmc.training_prompt(plain) == clip.source_prompt
    assert address.training_prompt(reworded) == clip.source_prompt


def test_the_prompt_is_part_of_the_identity_of_what_was_learnt_with_it(address: Address, vmc: Address, clip: Clip):
    def states(address: Address) -> list[Path]:
        prompts = (None, "a circle moving around", "a thing moving around")
        clips = [replace(clip, appearance_invariant_prompt=prompt) for prompt in prompts]
        return [address.state(reworded).folder for reworded in clips]

    assert len(set(states(vmc))) == 3
    assert len(set(states(address))) == 1

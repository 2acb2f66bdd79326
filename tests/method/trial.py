"""What is asked of every method that trains, in one place."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import load_file
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.training.module import MotionLearning
from motion_inversion.method.training.noised import Noised


class Trained(NamedTuple):
    """What three steps of a training left: its state file, the losses' file, and a preview after the last step.

    parameters: how many parameters it said it trained.
    """

    state: Path
    tensors: dict[str, Tensor]
    losses: str
    preview: Tensor
    parameters: int


def train(
    model: Backbone, method: Any, reference: Reference, folder: Path, brief: tuple[Tensor, Request], steps: int = 3
) -> Trained:
    """A training with a checkpoint after each step, and a preview of `brief`; repeated, it resumes."""
    shown: list[Tensor] = []
    (folder / "work").mkdir(parents=True, exist_ok=True)
    trainer = functools.partial(pl.Trainer, max_steps=steps)
    show: Callable[..., None] = lambda step, sample: shown.append(sample(*brief))  # noqa: E731
    fitting = Fitting(folder / "work", folder / "state", trainer, 0, preview=show)
    with untouched(model):
        count = replace(method, checkpoint_every=1, preview_every=steps).fit(model, reference, fitting)
    losses = (folder / "work/loss.csv").read_text()
    return Trained(folder / "state", load_file(folder / "state"), losses, shown[-1], count)


def assert_resumes(model: Backbone, method: Any, reference: Reference, whole: Trained, folder: Path, brief: Any):
    """A training that stops at its third step ends as `whole`, which did not."""
    step = MotionLearning.training_step

    def failing(self: MotionLearning, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        if int(batch["index"][0]) == 2:
            raise RuntimeError("the machine is gone")
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="gone"):
        patch.setattr(MotionLearning, "training_step", failing)
        train(model, method, reference, folder, brief)
    resumed = train(model, method, reference, folder, brief)
    assert resumed.losses == whole.losses
    assert resumed.tensors.keys() == whole.tensors.keys()
    assert all(torch.equal(whole.tensors[name], resumed.tensors[name]) for name in whole.tensors)


def randn(seed: int, *shape: int) -> Tensor:
    """Gaussian values that are the same in every run."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def prompts(seed: int, count: int) -> Condition:
    """Random text of so many prompts, as the tiny models take it."""
    return Condition({PROMPT_EMBEDS: randn(seed, count, 32, 16)})


@contextmanager
def untouched(model: Backbone) -> Iterator[None]:
    """Asserts that the UNet has the same modules, weights and attributes after the block as before, error or not."""
    unet = model.network
    weights = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    modules, attributes = [*unet.named_modules()], set(vars(unet))
    try:
        yield
    finally:
        after = unet.state_dict()
        assert [*weights] == [*after]
        assert all(torch.equal(weights[name], after[name]) for name in weights)
        assert [*unet.named_modules()] == modules and set(vars(unet)) == attributes
        assert not any(parameter.requires_grad or parameter.grad is not None for parameter in unet.parameters())


def noised_reference(model: Backbone, reference: Reference) -> Noised:
    """The reference at t = 500 with noise that no training sees."""
    noise = torch.randn(1, 4, 4, 8, 8, generator=torch.Generator().manual_seed(99))
    t = torch.tensor([500])
    process, latents = model.process, reference.latents
    noisy, target = process.add_noise(latents, noise, t), process.target(latents, noise, t)
    return Noised(noisy, t, reference.condition, target, torch.Generator().manual_seed(7))

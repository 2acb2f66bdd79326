"""The training step as a LightningModule, and the prepared tensors as a LightningDataModule."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.core.seed import generator
from motion_inversion.core.shape import Scalar
from motion_inversion.core.timestep import Timestep
from motion_inversion.method.layer.dropout import Dropouts
from motion_inversion.method.method import Reference
from motion_inversion.method.training.noised import Noised
from motion_inversion.method.training.setting import made_optimizer


class MotionLearning(pl.LightningModule):
    """One step of learning against a frozen model.

    What is learnt comes in named parts, and the losses of a step go by the same names: a part's gradients are
    those of its own loss alone, whatever other parts that loss depends on. A part without a loss stays as it is
    in that step. The model is held, not owned: checkpoints, optimizer and device moves see the parts alone. The
    parts must be put into the model while the trainer runs.

    Args:
        model: The frozen model.
        parts: What is learnt, by name.
        losses: From a noised batch to the losses of parts.
        timestep: Which noise levels are trained on.
        optimizer: A partial torch optimizer; it gets one group of parameters per part.
        seed: Of all draws.
        rates: Learning rates of the parts that don't have the optimizer's.
        train_mode: Whether the frozen model's dropout layers drop, as of a network in training mode; they must be
            attached while the trainer runs, as the parts must.

    Raises:
        FloatingPointError: when a loss stops being finite, before it reaches the parts.
    """

    def __init__(
        self,
        model: Backbone,
        parts: Mapping[str, nn.Module],
        losses: Callable[[Noised], Mapping[str, Scalar]],
        timestep: Timestep,
        optimizer: Callable[..., torch.optim.Optimizer],
        seed: int,
        rates: Mapping[str, float] | None = None,
        train_mode: bool = False,
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.losses, self.timestep, self.make_optimizer, self.seed = losses, timestep, optimizer, seed
        self.rates = dict(rates or {})
        self.dropouts = Dropouts() if train_mode else None
        self._held = (model,)  # in a tuple, where PyTorch doesn't look for modules
        self._pending: list[tuple[nn.Module, Tensor, Tensor]] = []

    @property
    def model(self) -> Backbone:
        """The frozen model."""
        return self._held[0]

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """The sum of the losses of one noised batch; draws for a sample depend on (seed, its number) alone."""
        if self.dropouts:  # draws of their own: the others are those of a training without
            self.dropouts.key = generator(self.seed, "dropout", int(batch["index"][0])).initial_seed()
        losses = self.losses(self._noised(batch))
        values = {name: loss.detach().requires_grad_() for name, loss in losses.items()}
        self._pending = [(self.parts[name], loss, values[name]) for name, loss in losses.items()]
        total = torch.stack([*values.values()]).sum()
        if not torch.isfinite(total):
            raise FloatingPointError(f"the loss is {total.item()} at step {self.global_step}")
        self.log("loss", total.detach(), prog_bar=True)
        if len(self.parts) > 1:
            self.log_dict({f"loss_{name}": value.detach() for name, value in values.items()})
        return total

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Leads each loss to its own part; `loss` tells how the trainer weighs the step."""
        loss.backward()
        for part, own, value in self._pending:
            own.backward(value.grad, inputs=list(part.parameters()))
        self._pending = []
        if self.dropouts:  # previews and the like are of the model as it samples
            self.dropouts.key = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer over the parts. Raises InputError if it refuses its settings."""
        groups = [
            {"params": list(part.parameters()), **({"lr": self.rates[name]} if name in self.rates else {})}
            for name, part in self.parts.items()
        ]
        return made_optimizer(self.make_optimizer, groups)

    def _noised(self, batch: Mapping[str, Any]) -> Noised:
        process, latents = self.model.process, batch["latents"]
        draws = [generator(self.seed, "draw", int(index)) for index in batch["index"]]
        t = torch.cat([self.timestep(1, process.levels, draw) for draw in draws]).to(latents.device)
        noise = torch.stack([torch.randn(latents.shape[1:], generator=draw) for draw in draws]).to(latents)
        noisy, target = process.add_noise(latents, noise, t), process.target(latents, noise, t)
        return Noised(noisy, t, Condition(batch["condition"]), target, draws[0])


class ReferenceData(pl.LightningDataModule):
    """The prepared reference, endlessly: latents, what the prompt says and the number of the draw."""

    def __init__(self, reference: Reference, batch_size: int, start: int) -> None:
        super().__init__()
        self.reference, self.batch_size, self.start = reference, batch_size, start

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Batches of the same clip with consecutive numbers from `start`."""
        return DataLoader(_Repeated(self.reference, self.start), batch_size=self.batch_size)


class _Repeated(IterableDataset[dict[str, Any]]):
    def __init__(self, reference: Reference, start: int) -> None:
        self.reference, self.start = reference, start

    def __iter__(self) -> Iterator[dict[str, Any]]:
        index, told = self.start, {name: each[0] for name, each in self.reference.condition.tensors.items()}
        while True:
            yield {"latents": self.reference.latents[0], "condition": told, "index": index}
            index += 1

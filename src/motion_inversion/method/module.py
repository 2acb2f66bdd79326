"""The training step as a LightningModule, and the prepared tensors as a LightningDataModule."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from motion_inversion.backbone.video_diffusion import VideoModel
from motion_inversion.core.error import InputError
from motion_inversion.core.loss import Loss
from motion_inversion.core.seed import generator
from motion_inversion.core.timestep import Timestep
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.method.method import Reference


class MotionLearning(pl.LightningModule):
    """One step of learning motion embeddings against a frozen model (arXiv 2403.20193).

    The model is held, not owned: checkpoints, optimizer and device moves see the embeddings alone. The
    embeddings must be injected into the model while the trainer runs.

    Raises:
        FloatingPointError: when the loss stops being finite, before it reaches the embeddings.
    """

    def __init__(
        self,
        model: VideoModel,
        embeddings: MotionEmbeddings,
        loss: Loss,
        timestep: Timestep,
        optimizer: Callable[..., torch.optim.Optimizer],
        seed: int,
    ) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.loss, self.timestep, self.make_optimizer, self.seed = loss, timestep, optimizer, seed
        self._held = (model,)  # in a tuple, where PyTorch doesn't look for modules

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        """The loss of one noised batch; what is drawn for a sample depends on (seed, its number) alone."""
        model, schedule = self._held[0], self._held[0].schedule
        latents = batch["latents"]
        draws = [generator(self.seed, "draw", int(index)) for index in batch["index"]]
        count = len(schedule.alphas_cumprod)
        t = torch.cat([self.timestep(1, count, draw) for draw in draws]).to(latents.device)
        noise = torch.stack([torch.randn(latents.shape[1:], generator=draw) for draw in draws]).to(latents)
        prediction = model.denoise(schedule.add_noise(latents, noise, t), t, batch["states"])
        loss = self.loss(prediction, schedule.target(latents, noise, t), draws[0])
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {self.global_step}")
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer over the embeddings. Raises InputError if it refuses its settings."""
        try:
            return self.make_optimizer(self.embeddings.parameters())
        except (TypeError, ValueError) as error:
            raise InputError(f"method.optimizer can't be made: {error}; as in method.optimizer.lr=0.05") from error


class ReferenceData(pl.LightningDataModule):
    """The prepared reference, endlessly: latents, text states and the number of the draw."""

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
        index = self.start
        while True:
            yield {"latents": self.reference.latents[0], "states": self.reference.states[0], "index": index}
            index += 1

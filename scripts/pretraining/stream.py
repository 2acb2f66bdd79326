"""An endless, deterministic stream of rendered and captioned scenes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from motion_inversion.data.shapes.random_scene import DROPPED, WORLD, Mixture, captions_at_random, scenes_at_random
from motion_inversion.data.shapes.render import SceneBatch
from motion_inversion.data.shapes.world import Scene


@dataclass(frozen=True)
class Captioned:
    """Scenes ready for rendering with one random caption each."""

    batch: SceneBatch
    captions: list[str]
    scenes: list[Scene]


class SceneStream(Dataset[Captioned]):
    """Batch k depends on (seed, k) alone, so a resumed run sees what an uninterrupted one would have."""

    def __init__(
        self,
        seed: int,
        size: int,
        frames: int = 16,
        start: int = 0,
        mixture: Mixture = WORLD,
        dropped: tuple[float, ...] = DROPPED,
    ) -> None:
        self.seed, self.size, self.frames, self.start = seed, size, frames, start
        self.mixture, self.dropped = mixture, dropped

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> Captioned:
        random = np.random.default_rng([self.seed, self.start + index])
        scenes = scenes_at_random(random, self.size, self.frames, self.mixture)
        return Captioned(SceneBatch.pack(scenes), captions_at_random(random, scenes, self.dropped), scenes)

    def __iter__(self) -> Iterator[Captioned]:
        return iter(self.loader(0))

    def loader(self, workers: int) -> "DataLoader[Captioned]":
        """Batches in order, made ahead by `workers` processes."""
        return DataLoader(
            self,
            batch_size=None,
            sampler=_Count(),
            num_workers=workers,
            prefetch_factor=8 if workers else None,
            worker_init_fn=_one_thread,
        )


class _Count:
    """0, 1, 2, … without the permutation that a sized sampler would allocate."""

    def __iter__(self) -> Iterator[int]:
        index = 0
        while True:
            yield index
            index += 1


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def pick_frames(batch: SceneBatch, count: int, generator: torch.Generator) -> SceneBatch:
    """`count` random frames of every scene: enough where motion doesn't matter."""
    frames = batch.camera.shape[1]
    index = torch.randint(frames, (count,), generator=generator).to(batch.camera.device)
    return batch.map(lambda value: value[:, index] if value.ndim == 3 and value.shape[1] == frames else value)

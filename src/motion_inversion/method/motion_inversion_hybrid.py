"""Motion Inversion's hybrid variant: motion embeddings learnt beside MotionDirector's spatial path."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import ClassVar

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.shape import Latents, Scalar
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.training.noised import Noised
from motion_inversion.method.training.spatial_path import PART, SpatialPath


@dataclass(frozen=True)
class MotionInversionHybrid(MotionInversion):
    """Motion Inversion whose training has a spatial LoRA to take up the appearance (arXiv 2403.20193, public code).

    Embeddings, their file and sampling are Motion Inversion's; the spatial LoRA serves training alone and isn't kept.

    Args:
        spatial: The spatial LoRA and its training.

    The public code names this loss in two ways, neither of which runs: one builds no LoRA, the other finds no loss.
    This is what both together mean to do.
    """

    name: ClassVar[str] = "motion_inversion_hybrid"

    spatial: SpatialPath = field(kw_only=True)

    def require(self, model: Backbone) -> None:
        """Raises InputError if its layers for space and time aren't separate: the spatial path needs its own."""
        model.require(self.name, "separate layers for space and time")

    def _learn(self, model: Backbone, embeddings: MotionEmbeddings, reference: Reference, fitting: Fitting) -> int:
        from motion_inversion.method.training.fit import run_trainer
        from motion_inversion.method.training.module import MotionLearning

        lora, motion = self.spatial.lora(model, fitting.seed), self.losses(model)

        def losses(noised: Noised) -> dict[str, Scalar]:
            return {**self.spatial.losses(model, lora, noised), **motion(noised)}

        parts, rates = {"motion": embeddings, PART: lora}, {PART: self.spatial.lr}
        module = MotionLearning(
            model, parts, losses, self.timestep, self.optimizer, fitting.seed, rates, self.train_mode
        )
        with ExitStack() as injected, lora.attached(model.network), model.checkpointed():
            preview = self._previewing(model, embeddings, injected)

            def sample(noise: Latents, request: Request) -> Latents:
                lora.use(0.0)
                return preview(noise, request)

            return run_trainer(module, reference, fitting, self, sample)

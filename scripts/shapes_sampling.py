"""A model of the shapes world with the CLIP that judges it: sampling, encoding and decoding."""

from dataclasses import dataclass
from pathlib import Path

import hydra
import torch
from jaxtyping import Float
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.composition import build
from motion_inversion.core.sampler import Ddim
from motion_inversion.metric.encoder import FolderClip, LoadedClip
from shapes_judge import Video

CONF = Path(__file__).parents[1] / "conf"
JUDGE = "embedded:shapes_shared/clip"


@dataclass(frozen=True)
class ShapesModel:
    """A loaded model, and the small CLIP."""

    backbone: Backbone
    clip: LoadedClip

    @classmethod
    def load(cls, overrides: list[str], clip: str = JUDGE) -> "ShapesModel":
        """The model that overrides of the configuration choose, such as `model=shapes_dit`."""
        with hydra.initialize_config_dir(str(CONF.absolute()), version_base="1.3"):
            model = build(hydra.compose("config", overrides)).model
        backbone = model.load()
        return cls(backbone, FolderClip(clip).load(backbone.device))

    @torch.no_grad()
    def generate(
        self, prompts: list[str], noise: Float[Tensor, "b c f h w"], steps: int, guidance: float
    ) -> list[Video]:
        """One clip per prompt, sampled deterministically with classifier-free guidance."""
        model = self.backbone
        condition, negative = model.embed(prompts), model.embed([""]).expand(len(prompts))
        latents = Ddim(steps).sample(
            model.process, lambda x, t: model.guided(x, t, condition, negative, guidance), noise.to(model.device)
        )
        return [self.decode(each) for each in latents.split(1)]

    def encode(self, video: Video) -> Float[Tensor, "1 c f h w"]:
        """The latents' mean."""
        return self.backbone.encode(video)

    def decode(self, latents: Float[Tensor, "1 c f h w"]) -> Video:
        """Latents as 8-bit frames."""
        return self.backbone.decode(latents)

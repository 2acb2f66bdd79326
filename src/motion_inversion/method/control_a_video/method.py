"""Control-A-Video (arXiv 2305.13840): an image model and its ControlNet led through a clip's edges or depth."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor

from motion_inversion.backbone.family import HasControlNet
from motion_inversion.backbone.model import Backbone
from motion_inversion.core.process import Stop
from motion_inversion.core.sampler import Ddim
from motion_inversion.core.shape import Latents
from motion_inversion.error import InputError
from motion_inversion.method.control_a_video.detector import Detector, require_kind
from motion_inversion.method.control_a_video.guidance import ControlMaps, GuidedClip
from motion_inversion.method.control_a_video.noise import change, residual_noise
from motion_inversion.method.layer.frame_attention import full, sparse_causal
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.state import read_state, write_state

log = logging.getLogger(__name__)

FirstFrames = Float[Tensor, "b c 1 h w"]


@dataclass(frozen=True)
class ControlAVideo:
    """ControlNet sampling of a whole clip: frames attend to each other, and the first is made beforehand.

    Fitting finds the reference's control maps, unless some come with the clip, and how much it changes from frame
    to frame. Sampling makes the first frame as a picture of its own and puts its clean latents z_0 in the place of
    frame 0 at every step, whatever the step's noise level is. All frames start from residual noise: whichever noise
    is given, positions that don't change in the reference keep that of the frame before. The prediction is
    ε = ε_img + s_v (ε_∅ − ε_img) + s_t (ε_text − ε_∅), s_t being the sampler's guidance and ε_img made frame by frame.

    Args:
        detector: Finds the maps.
        first_frame_steps: Sampling steps of the first frame.
        video_scale: s_v; 1 is classifier-free guidance alone and spares ε_img, above 1 favours what joins frames.
        threshold: The share of the clip's largest change above which a position counts as changed; null leaves the
            given noise as it is.
        full_attention: Whether frames attend to all frames, or to the first and the one before.
        frame_pooled_groupnorm: Whether the group norms of residual layers and output, in UNet and ControlNet, take
            their statistics over all frames, as the public code's do, or over each as in the image model.
        faithful_interleave: Whether ε_img has the prompt in its odd frames, as in the public code by oversight, or
            in none.

    Raises:
        InputError: for values outside their ranges.

    This is the method without its temporal convolutions and attentions, which are the identity until they are
    trained and for which no training code is public: weights trained for them are not read. Where the public code
    differs otherwise: it makes one frame fewer than asked for, dropping the first, with which each of its chunks
    continues the one before; here a clip is one chunk, and its first frame is z_0, so that frames stay those of the
    reference. It gives the first frame, taken as one-frame video or as a picture (the same without those layers), a
    noise of its own and draws from the autoencoder's distribution; here it has the noise of frame 0 and the
    distribution's mean. It finds edges at the footage's own size, here at the model's, and maps have 8 bits.
    It takes s_v = 0 for 1, a threshold of 0 for null, and guides only above s_t = 5.
    """

    name: ClassVar[str] = "control_a_video"
    fits: ClassVar[bool] = True
    state_file: ClassVar[str] = "control.safetensors"
    at_sampling: ClassVar[frozenset[str]] = frozenset(
        {
            "first_frame_steps",
            "video_scale",
            "threshold",
            "full_attention",
            "frame_pooled_groupnorm",
            "faithful_interleave",
        }
    )
    reads_control_maps: ClassVar[bool] = True
    appearance_invariant: ClassVar[bool] = False

    detector: Detector
    first_frame_steps: int = 20
    video_scale: Annotated[float, Interval(ge=0, le=1000)] = 1.5
    threshold: float | None = 0.1
    full_attention: bool = True
    frame_pooled_groupnorm: bool = True
    faithful_interleave: bool = False

    def __post_init__(self) -> None:
        if self.first_frame_steps < 1:
            raise InputError(
                f"method.first_frame_steps={self.first_frame_steps}: at least 1 is needed; "
                "set method.first_frame_steps=20"
            )
        for key, usual in {"video_scale": 1.5, "threshold": 0.1}.items():
            given = getattr(self, key)
            if not (given is None or 0 <= given < float("inf")):
                raise InputError(f"method.{key}={given}: accepted are 0 or more; set method.{key}={usual}")

    def require(self, model: Backbone) -> None:
        """Raises InputError if the model isn't one for images with a ControlNet."""
        model.require(self.name, "frames on their own", "control maps")
        _require_controlnet(model)

    def require_detector(self, model: Backbone) -> None:
        """Raises InputError if the detector finds other maps than the ControlNet follows, or can't be loaded."""
        require_kind(self.detector, _followed(model))
        self.detector.check()

    def fit(self, model: Backbone, reference: Reference, fitting: Fitting) -> int:
        """Saves the reference's control maps and changes; no parameter is trained.

        Raises:
            InputError: if the model isn't one for images with a ControlNet, or that was trained for other maps than
                the detector finds.
        """
        self.require(model)
        maps = reference.control_maps
        if maps is None:
            require_kind(self.detector, _followed(model))
            log.info("finding %s maps", self.detector.kind)
            maps = self.detector(reference.video, model.device)
        *_, rows, columns = model.latent_shape
        tensors = {"control_maps": torch.tensor(maps), "change": change(reference.video, rows, columns)}
        write_state(fitting.state, self.name, model, tensors)
        return 0

    @torch.no_grad()
    def sample(self, model: Backbone, state: Path | None, noise: Latents, request: Request) -> Latents:
        """Guided sampling; the network sees one clip at a time, so that memory doesn't grow with their number.

        Raises:
            InputError: if the model isn't one for images with a ControlNet, or the state is of another model, size
                or clip length.
        """
        assert state is not None
        self.require(model)
        model.process.timesteps(self.first_frame_steps, "method.first_frame_steps")
        fitted = self._read(state, model)
        maps = _scaled(fitted["control_maps"])
        noise = noise.to(model.device)
        if self.threshold is not None:
            noise = residual_noise(noise, (fitted["change"] > self.threshold).to(model.device))
        frames = noise.shape[2]
        sources = full(frames) if self.full_attention else sparse_causal(frames)
        guides = [
            GuidedClip(
                model,
                sources,
                maps,
                request.negative,
                condition,
                request.sampler.guidance,
                self.video_scale,
                self.faithful_interleave,
                self.frame_pooled_groupnorm,
            )
            for condition in request.condition.split()
        ]
        first = self._first_frames(model, guides, noise[:, :, :1])

        def denoise(latents: Latents, t: Stop) -> Latents:
            return _each(guides, _starting(first, latents), t)

        return _starting(first, request.sampler.sample(model.process, denoise, noise, request.progress))

    def _first_frames(self, model: Backbone, guides: Sequence[GuidedClip], noise: FirstFrames) -> FirstFrames:
        """Made as pictures of their own, and encoded anew."""
        alone = [
            replace(guide, sources=full(1), control_maps=guide.control_maps[:, :, :1], video_scale=1.0)
            for guide in guides
        ]

        def denoise(latents: Latents, t: Stop) -> Latents:
            return _each(alone, latents, t)

        made = Ddim(self.first_frame_steps).sample(model.process, denoise, noise)
        return torch.cat([model.encode(model.decode(frame)) for frame in made.split(1)])

    def _read(self, state: Path, model: Backbone) -> dict[str, Tensor]:
        config, (*_, frames, rows, columns) = model.config, model.latent_shape
        expected = {
            "control_maps": torch.empty(frames, config.height, config.width, 3, dtype=torch.uint8, device="meta"),
            "change": torch.empty(frames - 1, rows, columns, device="meta"),
        }
        return read_state(state, self.name, model, expected)


def _require_controlnet(model: Backbone) -> None:
    """Raises InputError, saying how to give one, if there is no ControlNet; a hub is not asked."""
    if not model.has("controlnet"):
        raise InputError(
            f"model={model.config.name} has no ControlNet; give a folder or hub id of one that fits the UNet: "
            "++model.parts.controlnet=/path/to/controlnet, and model.family.controlnet=canny, depth or hed, as it was "
            "trained"
        )


def _followed(model: Backbone) -> str:
    """What the model's ControlNet was trained to follow."""
    family = model.config.family
    assert isinstance(family, HasControlNet)
    return family.controlnet


def _scaled(maps: Tensor) -> ControlMaps:
    """What the ControlNet takes, from 8-bit maps (f, height, width, 3)."""
    return (maps.float() / 255).permute(3, 0, 1, 2)[None]


def _starting(first: FirstFrames, latents: Latents) -> Latents:
    """The clips with other first frames."""
    return torch.cat([first, latents[:, :, 1:]], 2)


def _each(guides: Sequence[GuidedClip], latents: Latents, t: Stop) -> Latents:
    """The predictions for clips, one by one."""
    return torch.cat([guide(clip, t) for guide, clip in zip(guides, latents.split(1), strict=True)])

"""What a ControlNet is led by: detectors of the edges or the depth in a clip's frames."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from motion_inversion.backbone.autoencoder import Pixels
from motion_inversion.backbone.hub import require_reachable
from motion_inversion.error import InputError

_UNUSED = "neck.fusion_stage.layers.0.residual_layer1."  # published networks lack it: that layer has nothing to fuse


@runtime_checkable
class Detector(Protocol):
    """Finds control maps: one picture per frame, of the frames' size, grey on all three channels.

    kind: what the maps show, as `model.family.controlnet` calls it.
    """

    kind: ClassVar[str]

    def check(self) -> None:
        """Raises InputError if what it finds maps with can't be loaded."""
        ...

    def __call__(self, video: Pixels, device: torch.device) -> Pixels: ...


@dataclass(frozen=True)
class Canny:
    """White edges on black, found by OpenCV in every frame by itself.

    Args:
        low, high: Gradients, of 8-bit values, from which a pixel may continue an edge and from which it starts one.

    Raises:
        InputError: unless 0 ≤ low ≤ high.
    """

    kind: ClassVar[str] = "canny"

    low: Annotated[int, Ge(0)] = 100
    high: Annotated[int, Ge(0)] = 200

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise InputError(
                f"method.detector.low={self.low} and high={self.high}: accepted are 0 ≤ low ≤ high; "
                "set method.detector.low=100 method.detector.high=200"
            )

    def check(self) -> None:
        """Nothing is loaded."""

    def __call__(self, video: Pixels, device: torch.device) -> Pixels:
        edges = np.stack([cv2.Canny(frame, self.low, self.high) for frame in video])
        return np.repeat(edges[..., None], 3, axis=-1)


@dataclass(frozen=True)
class Depth:
    """Inverse depth, estimated in every frame by a DPT network (arXiv 2103.13413); the nearest is white.

    The whole clip shares one scale: its least value becomes 0, its greatest 255; a clip without any depth is black.

    Args:
        path: A local folder or hub id of a network that transformers reads as DPTForDepthEstimation.
        chunk: Frames at a time.

    Raises:
        InputError: for a chunk of none.
    """

    kind: ClassVar[str] = "depth"

    path: str = "Intel/dpt-hybrid-midas"
    chunk: Annotated[int, Ge(1)] = field(default=8, metadata={"digest": False})

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise InputError(f"method.detector.chunk={self.chunk}: at least one frame at a time; set it to 8")

    def check(self) -> None:
        """Loads the network, and lets go of it. Raises InputError if there is none at `path`."""
        self._load()

    @torch.no_grad()
    def __call__(self, video: Pixels, device: torch.device) -> Pixels:
        """The maps of a clip.

        Raises:
            InputError: if there is no such network at `path`.
        """
        network = self._load().to(device)
        frames = torch.from_numpy(np.array(video)).permute(0, 3, 1, 2)
        depth = torch.cat([_depth(network, part.to(device)) for part in frames.split(self.chunk)])
        range_ = depth.max() - depth.min()
        grey = (255 * (depth - depth.min()) / range_ if range_ > 0 else depth * 0).round().to(torch.uint8)
        return grey[..., None].expand(-1, -1, -1, 3).cpu().numpy()

    def _load(self) -> Any:
        from transformers import DPTForDepthEstimation
        from transformers.utils.logging import disable_progress_bar

        option = f"method.detector.path={self.path}"
        if not Path(self.path).is_dir():
            require_reachable(option, self.path)
        disable_progress_bar()
        reader: Any = DPTForDepthEstimation  # its annotations don't know that an account may come with the network
        try:
            network, account = reader.from_pretrained(self.path, output_loading_info=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"{option} is no DPT network ({reason}); give a local copy of Intel/dpt-hybrid-midas: "
                "method.detector.path=/path/to/dpt"
            ) from error
        if absent := sorted(key for key in account["missing_keys"] if not key.startswith(_UNUSED)):
            raise InputError(
                f"{option} lacks {len(absent)} weights of a DPT network, such as {absent[0]}; give a complete copy: "
                "method.detector.path=/path/to/dpt"
            )
        return network.requires_grad_(False).eval()


def _depth(network: Any, frames: Tensor) -> Float[Tensor, "n height width"]:
    """Of some 8-bit frames (n, 3, height, width), which the network sees at its own size and in [−1, 1]."""
    side = network.config.image_size
    seen = interpolate(frames.float() / 127.5 - 1, (side, side), mode="bicubic", antialias=True)
    found = network(pixel_values=seen).predicted_depth[:, None]
    return interpolate(found, frames.shape[-2:], mode="bicubic")[:, 0]


def require_kind(detector: Detector, trained: str) -> None:
    """Raises InputError, saying where maps can be had, unless these are such as the ControlNet was trained for."""
    if detector.kind == trained:
        return
    if trained in (Canny.kind, Depth.kind):
        remedy = (
            f"set detector={trained}, or model.family.controlnet={detector.kind} with a ControlNet trained for that"
        )
    else:
        remedy = (
            f"no detector of {trained} is included: make the maps elsewhere (of HED edges with the package "
            "controlnet_aux, say) and give them with the clip: dataset.control_maps=maps.mp4"
        )
    raise InputError(
        f"the ControlNet follows {trained} (model.family.controlnet), the detector finds {detector.kind}; {remedy}"
    )

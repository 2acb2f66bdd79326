"""Which models a method can run on."""

from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from torch import nn

from motion_inversion.backbone.image_diffusion import ImageModel
from motion_inversion.backbone.video_diffusion import VideoModel
from motion_inversion.core.error import InputError


def require_temporal(unet: nn.Module, method: str) -> None:
    """Raises InputError, naming the models that will do, unless `unet` has temporal transformers."""
    if not any(isinstance(module, TransformerTemporalModel) for module in unet.modules()):
        raise InputError(
            f"method={method} needs the temporal transformers of a text-to-video UNet, which {type(unet).__name__} "
            "lacks; accepted are model=shapes, zeroscope, modelscope and videocrafter2; set model=shapes"
        )


def require_image(model: VideoModel, method: str) -> ImageModel:
    """The model as one for images. Raises InputError, naming the models that will do, if it is one for video."""
    if not isinstance(model, ImageModel):
        raise InputError(
            f"method={method} makes an image model work on clips, and {model.config.name} is a video model; "
            "accepted are model=shapes_image and stable_diffusion; set model=shapes_image"
        )
    return model

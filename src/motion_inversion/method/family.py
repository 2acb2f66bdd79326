"""Which models a method can run on: those for video or those for images, told apart without reading weights."""

from motion_inversion.backbone.image_diffusion import ImageModel
from motion_inversion.backbone.video_diffusion import VideoModel
from motion_inversion.core.error import InputError


def require_video(model: VideoModel, method: str) -> None:
    """Raises InputError, naming the models that will do, if the model is one for images, without temporal layers."""
    if isinstance(model, ImageModel):
        raise InputError(
            f"method={method} works on the temporal layers of a video model, and {model.config.name} is an image "
            "model; accepted are model=shapes, zeroscope, modelscope and videocrafter2; set model=shapes"
        )


def require_image(model: VideoModel, method: str) -> ImageModel:
    """The model as one for images. Raises InputError, naming the models that will do, if it is one for video."""
    if not isinstance(model, ImageModel):
        raise InputError(
            f"method={method} makes an image model work on clips, and {model.config.name} is a video model; "
            "accepted are model=shapes_image and stable_diffusion; set model=shapes_image"
        )
    return model

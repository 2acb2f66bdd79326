"""Which models a method can run on."""

from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from torch import nn

from motion_inversion.core.error import InputError


def require_temporal(unet: nn.Module, method: str) -> None:
    """Raises InputError, naming the models that will do, unless `unet` has temporal transformers to learn in."""
    if not any(isinstance(module, TransformerTemporalModel) for module in unet.modules()):
        raise InputError(
            f"method={method} tunes the temporal transformers of a text-to-video UNet, which {type(unet).__name__} "
            "lacks; accepted are model=shapes, zeroscope, modelscope and videocrafter2; set model=shapes"
        )

"""Methods meet models that they can't run on."""

import pytest
from torch import nn

from motion_inversion.backbone.video_diffusion import VideoModel
from motion_inversion.core.error import InputError
from motion_inversion.method.family import require_temporal


def test_a_video_model_will_do(model: VideoModel):
    require_temporal(model.unet, "vmc")


def test_an_image_model_is_refused_and_others_named():
    with pytest.raises(InputError, match=r"method=vmc .* which Sequential lacks; accepted are model=shapes, zeroscope"):
        require_temporal(nn.Sequential(nn.Linear(2, 2)), "vmc")

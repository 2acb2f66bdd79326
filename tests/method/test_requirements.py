"""Methods meet models that they can't run on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError
from motion_inversion.method.control_a_video.detector import Canny
from motion_inversion.method.control_a_video.method import ControlAVideo
from motion_inversion.method.dmt.loss import CosineChanges
from motion_inversion.method.dmt.method import Dmt
from motion_inversion.method.frozen import Frozen
from motion_inversion.method.method import Fitting, Reference, Request
from motion_inversion.method.tokenflow.method import TokenFlow

ON_VIDEO = {
    "method": "motion sites",
    "hybrid": "separate layers for space and time",
    "vmc": "attention over time alone",
    "motion_director": "separate layers for space and time",
}


@pytest.mark.parametrize("name", ON_VIDEO)
def test_what_learns_over_time_refuses_an_image_model(
    model: Backbone,
    image_model: Backbone,
    reference: Reference,
    fitting: Callable[..., Fitting],
    request: pytest.FixtureRequest,
    name: str,
):
    method = request.getfixturevalue(name)
    method.require(model)
    message = rf"method={method.name} needs a model with {ON_VIDEO[name]}; tiny has .*; set model=shapes"
    with pytest.raises(InputError, match=message) as caught:
        method.fit(image_model, reference, fitting())
    assert "\n" not in str(caught.value)


def test_motion_inversion_does_not_sample_with_an_image_model(
    image_model: Backbone, request: pytest.FixtureRequest, tmp_path: Path, brief: tuple[Tensor, Request]
):
    with pytest.raises(InputError, match="needs a model with motion sites"):
        request.getfixturevalue("method").sample(image_model, tmp_path / "none", *brief)


def test_dmt_refuses_an_image_model(
    model: Backbone, image_model: Backbone, reference: Reference, fitting: Callable[..., Fitting]
):
    method = Dmt(CosineChanges(), 2, 2)
    method.require(model)
    with pytest.raises(InputError, match=r"method=dmt needs a model with temporal convolutions; .*; set model=shapes"):
        method.fit(image_model, reference, fitting())


def test_what_joins_frames_takes_an_image_model(image_model: Backbone, request: pytest.FixtureRequest):
    for method in (TokenFlow(2, 2, batch=2), ControlAVideo(Canny()), request.getfixturevalue("tune_a_video")):
        method.require(image_model)


def test_plain_sampling_takes_any_model(model: Backbone, image_model: Backbone):
    for any_model in (model, image_model):
        Frozen().require(any_model)

"""Methods meet models that they can't run on."""

from collections.abc import Callable

import pytest
from motion_inversion.method.family import require_image, require_video

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.error import InputError
from motion_inversion.method.dmt.loss import CosineChanges
from motion_inversion.method.dmt.method import Dmt
from motion_inversion.method.method import Fitting, Reference


def test_a_video_model_will_do(model: Backbone):
    require_video(model, "vmc")


def test_an_image_model_is_refused_and_others_named(image_model: Backbone):
    with pytest.raises(InputError, match=r"method=vmc .* tiny is an image model; accepted are model=shapes, zeroscope"):
        require_video(image_model, "vmc")


@pytest.mark.parametrize("name", ["method", "motion_director", "vmc", "hybrid"])
def test_what_learns_in_temporal_transformers_refuses_an_image_model(
    image_model: Backbone,
    reference: Reference,
    fitting: Callable[..., Fitting],
    request: pytest.FixtureRequest,
    name: str,
):
    method = request.getfixturevalue(name)
    with pytest.raises(InputError, match=rf"method={method.name} works on .* tiny is an image model; accepted"):
        method.fit(image_model, reference, fitting())


def test_dmt_refuses_an_image_model(image_model: Backbone, reference: Reference, fitting: Callable[..., Fitting]):
    with pytest.raises(InputError, match=r"method=dmt works on .*; accepted are model=shapes, zeroscope"):
        Dmt(CosineChanges(), 2, 2).fit(image_model, reference, fitting())


def test_an_image_model_will_do_where_one_is_asked_for(image_model: Backbone):
    assert require_image(image_model, "tune_a_video") is image_model


def test_a_video_model_is_refused_where_an_image_model_is_asked_for(model: Backbone):
    with pytest.raises(InputError, match=r"tiny is a video model; accepted are model=shapes_image and stable"):
        require_image(model, "tune_a_video")

"""A model of the real conf/ by overrides."""

from collections.abc import Callable
from pathlib import Path

import hydra
import pytest

from motion_inversion.backbone.model import Model
from motion_inversion.composition import build

CONF = Path(__file__).parents[3] / "conf"


@pytest.fixture(scope="session")
def compose_model() -> Callable[..., Model]:
    """(*overrides) → what model= builds."""

    def compose(*overrides: str) -> Model:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            return build(hydra.compose("config", list(overrides))).model

    return compose

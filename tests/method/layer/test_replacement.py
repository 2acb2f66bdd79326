"""Modules exchanged for a while."""

import pytest
import torch
from torch import nn

from motion_inversion.method.layer.replacement import replaced


class Minus(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x


@pytest.fixture
def model() -> nn.Sequential:
    return nn.Sequential(nn.Identity(), nn.Sequential(nn.Identity(), nn.Linear(2, 2)), nn.Identity())


def test_others_run_in_the_context_and_the_same_as_before_afterwards(model: nn.Sequential):
    x = torch.ones(1, 2)
    before, names, modules = model(x), [*model.state_dict()], [*model.modules()]
    with replaced(model, {"0": Minus(), "1.0": Minus()}):
        assert torch.equal(model(x), before)  # two signs cancel
        with replaced(model, {"2": Minus()}):
            assert torch.equal(model(x), -before)
        assert torch.equal(model(x), before)
        assert [*model.state_dict()] == names
    assert [*model.modules()] == modules
    assert torch.equal(model(x), before)


def test_an_exception_restores_too(model: nn.Sequential):
    modules = [*model.modules()]
    with pytest.raises(RuntimeError, match="stop"), replaced(model, {"1.1": Minus()}):
        raise RuntimeError("stop")
    assert [*model.modules()] == modules


def test_a_name_that_is_not_there_changes_nothing(model: nn.Sequential):
    modules = [*model.modules()]
    with pytest.raises(AttributeError), replaced(model, {"0": Minus(), "1.7": Minus()}):
        pass
    assert [*model.modules()] == modules

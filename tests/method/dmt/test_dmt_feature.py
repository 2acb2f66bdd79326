"""Reading features: the right layers, no more work than needed, and nothing left in the model."""

import pytest
import torch
from torch import Tensor, nn

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import Condition
from motion_inversion.error import InputError
from motion_inversion.method.dmt.feature import feature_layers, read_features


def hooks(unet: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in unet.modules())


@pytest.fixture
def inputs(noise: Tensor, reference) -> tuple[Tensor, int, Condition]:
    return noise[:1], 501, reference.condition


@torch.no_grad()
def test_features_are_what_the_layers_give_in_a_whole_pass(model: Backbone, inputs: tuple[Tensor, int, Condition]):
    seen: dict[str, Tensor] = {}
    names = ("up_blocks.1.resnets.1", "up_blocks.1.temp_convs.1", "up_blocks.1.upsamplers.0")
    handles = []
    for name in names:
        layer = model.network.get_submodule(name)

        def note(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor, name: str = name) -> None:
            seen[name], seen[f"{name} input"] = output, given[0]

        handles.append(layer.register_forward_hook(note))
    model.predict(*inputs)
    for handle in handles:
        handle.remove()
    convolved, in_time, upsampled = read_features(model, *inputs, feature_layers(model.network, 1, 1))
    # The residual layer adds its input (through a 1x1 convolution, as widths differ) to the feature.
    shortcut = model.network.get_submodule("up_blocks.1.resnets.1.conv_shortcut")
    torch.testing.assert_close(shortcut(seen[f"{names[0]} input"]) + convolved, seen[names[0]])
    assert torch.equal(in_time, seen[names[1]])
    assert torch.equal(upsampled, seen[names[2]])
    assert [tuple(found.shape) for found in (convolved, in_time, upsampled)] == [(4, 32, 2, 2)] * 2 + [(4, 32, 4, 4)]


@torch.no_grad()
def test_the_rest_of_the_network_is_left_out(model: Backbone, inputs: tuple[Tensor, int, Condition]):
    ran: list[int] = []
    watched = [model.network.get_submodule(name) for name in ("up_blocks.1", "up_blocks.2", "conv_out")]
    handles = [module.register_forward_hook(lambda *_: ran.append(1)) for module in watched]
    read_features(model, *inputs, feature_layers(model.network, 1, 1))
    for handle in handles:
        handle.remove()
    assert ran == []


@torch.no_grad()
def test_the_model_is_as_before_also_after_a_failure(model: Backbone, inputs: tuple[Tensor, int, Condition]):
    layers, before = feature_layers(model.network, 1, 1), model.predict(*inputs)
    read_features(model, *inputs, layers)
    with pytest.raises(RuntimeError):
        read_features(model, inputs[0][:, :3], *inputs[1:], layers)  # three channels instead of four
    assert hooks(model.network) == 0
    assert torch.equal(model.predict(*inputs), before)


def test_gradients_reach_the_latents_alone(model: Backbone, inputs: tuple[Tensor, int, Condition]):
    latents = inputs[0].clone().requires_grad_()
    features = read_features(model, latents, *inputs[1:], feature_layers(model.network, 1, 1))
    for feature in features:
        [gradient] = torch.autograd.grad(feature.square().sum(), latents, retain_graph=True)
        assert gradient.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.network.parameters())


@pytest.mark.parametrize(
    ("block", "resnet", "message"),
    [
        (3, 1, r"method\.block=3: the up blocks that upsample are 0, 1, 2; set method\.block=2"),
        (-1, 1, r"method\.block=-1"),
        (1, 3, r"method\.resnet=3: up block 1 has layers 0 to 2; set method\.resnet=2"),
    ],
)
def test_layers_that_are_not_there_are_refused(model: Backbone, block: int, resnet: int, message: str):
    with pytest.raises(InputError, match=message):
        feature_layers(model.network, block, resnet)


def test_a_model_without_temporal_convolutions_is_refused():
    with pytest.raises(InputError, match=r"Linear has not; accepted are model=shapes, zeroscope"):
        feature_layers(nn.Linear(1, 1), 1, 1)

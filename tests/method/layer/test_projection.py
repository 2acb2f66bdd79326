"""Copies of linear layers that stand in for a model's own."""

import torch
from torch import nn
from trial import randn

from motion_inversion.method.layer.projection import Projections, TunedLinear


def test_a_copy_answers_as_its_layer_does_with_weights_of_its_own():
    for bias in (True, False):
        layer = nn.Linear(3, 5, bias=bias)
        copy = TunedLinear.like(layer)
        assert torch.equal(copy(randn(1, 2, 3)), layer(randn(1, 2, 3)))
        assert not {p.data_ptr() for p in copy.parameters()} & {p.data_ptr() for p in layer.parameters()}
        assert all(parameter.requires_grad for parameter in copy.parameters())


def test_a_copy_keeps_single_precision_and_answers_in_the_inputs():
    layer = nn.Linear(3, 5).to(torch.bfloat16)
    copy = TunedLinear.like(layer)
    assert {parameter.dtype for parameter in copy.parameters()} == {torch.float32}
    tokens = randn(1, 2, 3).to(torch.bfloat16)
    assert torch.equal(copy(tokens), layer(tokens))


def test_copies_stand_in_for_the_layers_of_their_names_alone():
    model = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3)))
    own, tokens = model(randn(1, 2, 3)), randn(1, 2, 3)
    tuned = Projections(model, ["1.0"])
    assert tuned.tensors().keys() == {"1.0.weight", "1.0.bias"}
    tuned.load({name: torch.zeros_like(tensor) for name, tensor in tuned.tensors().items()} | {"other": tokens})
    with tuned.attached(model):
        assert not model(tokens).any()
    assert torch.equal(model(tokens), own)

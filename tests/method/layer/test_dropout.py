"""Dropout drawn for a key: which layers drop, when, and how much."""

import pytest
import torch
from torch import nn
from trial import noised_reference, randn, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.method.layer.dropout import Dropouts, dropped
from motion_inversion.method.method import Reference


def test_a_share_is_dropped_and_the_rest_scaled_up():
    tensor = 1 + randn(1, 100, 100).abs()
    found = dropped(tensor, 0.25, 3, "layer")
    kept = found != 0
    assert abs(float(kept.float().mean()) - 0.75) < 0.02
    torch.testing.assert_close(found[kept], tensor[kept] / 0.75)
    assert torch.equal(found, dropped(tensor, 0.25, 3, "layer"))
    for other in (dropped(tensor, 0.25, 4, "layer"), dropped(tensor, 0.25, 3, "another")):
        assert not torch.equal(other, found)


@torch.no_grad()
def test_layers_that_drop_in_training_mode_drop_while_there_is_a_key(convolving: Backbone, reference: Reference):
    batch = noised_reference(convolving, reference)

    def predicted() -> torch.Tensor:
        return convolving.predict(batch.latents, batch.t, batch.condition)

    own, dropouts = predicted(), Dropouts()
    expected = [each for each in convolving.network.modules() if isinstance(each, nn.Dropout) and each.p > 0]
    with untouched(convolving), dropouts.attached(convolving.network) as count:
        assert count == len(expected) > 0
        assert torch.equal(predicted(), own)
        dropouts.key = 1
        one, again = predicted(), predicted()
        dropouts.key = 2
        other = predicted()
    assert torch.equal(one, again)
    assert len({float(each.sum()) for each in (own, one, other)}) == 3
    assert torch.equal(predicted(), own)


@torch.no_grad()
def test_it_strays_as_far_as_the_network_in_training_mode_does(convolving: Backbone, reference: Reference):
    batch, dropouts = noised_reference(convolving, reference), Dropouts()

    def strays() -> float:
        return float((convolving.predict(batch.latents, batch.t, batch.condition) - own).square().mean().sqrt())

    own = convolving.predict(batch.latents, batch.t, batch.condition)
    with dropouts.attached(convolving.network):
        found = []
        for key in range(6):
            dropouts.key = key
            found.append(strays())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        convolving.network.train()
        try:
            plain = [strays() for _ in range(6)]
        finally:
            convolving.network.eval()
    assert sum(plain) > 0.1
    assert sum(found) == pytest.approx(sum(plain), rel=0.15)

"""Temporal convolutions as two-dimensional ones, against PyTorch's three-dimensional ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from motion_inversion.backbone.temporal_convolution import TemporalConvolution, specialise


@given(
    kernel=st.sampled_from([1, 3, 5]),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    size=st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5)),
    bias=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_output_and_gradients_are_those_of_the_convolution(
    kernel: int, channels: tuple[int, int], size: tuple[int, int, int, int], bias: bool
):
    torch.manual_seed(0)
    plain = nn.Conv3d(*channels, (kernel, 1, 1), padding=(kernel // 2, 0, 0), bias=bias)
    batch, frames, height, width = size
    one = torch.randn(batch, channels[0], frames, height, width, requires_grad=True)
    other = one.detach().clone().requires_grad_()
    expected, actual = plain(one), TemporalConvolution.like(plain)(other)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    cotangent = torch.randn_like(expected)
    expected.backward(cotangent)
    wanted = {name: parameter.grad for name, parameter in plain.named_parameters()}
    plain.zero_grad(set_to_none=True)
    actual.backward(cotangent)
    found = {name: parameter.grad for name, parameter in plain.named_parameters()}  # the twin's own, too
    torch.testing.assert_close((other.grad, found), (one.grad, wanted), atol=1e-4, rtol=1e-4)


def test_it_is_a_sum_over_neighbouring_frames():
    convolution = nn.Conv3d(1, 1, (3, 1, 1), padding=(1, 0, 0), bias=False)
    nn.init.ones_(convolution.weight)
    frames = torch.tensor([1.0, 10.0, 100.0, 1000.0]).view(1, 1, 4, 1, 1)
    summed = TemporalConvolution.like(convolution)(frames)
    assert summed.flatten().tolist() == [11, 111, 1110, 1100]


def test_only_temporal_convolutions_are_replaced_and_their_parameters_are_kept():
    inner = nn.Sequential(nn.Conv3d(2, 2, (3, 1, 1), padding=(1, 0, 0)))
    model = nn.Sequential(
        inner,
        nn.Conv3d(2, 2, 3),
        nn.Conv3d(2, 2, (3, 1, 1), stride=(2, 1, 1)),
        nn.Conv2d(2, 2, 3),
    )
    before = model.state_dict(keep_vars=True)
    specialise(model)
    after = model.state_dict(keep_vars=True)
    assert [type(layer) for layer in (inner[0], *list(model)[1:])] == [
        TemporalConvolution,
        nn.Conv3d,
        nn.Conv3d,
        nn.Conv2d,
    ]
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dilation": (2, 1, 1)},
        {"groups": 2},
        {"padding": (1, 1, 1)},
        {"padding": "same"},
        {"padding": (1, 0, 0), "padding_mode": "circular"},
    ],
)
def test_convolutions_of_every_kind_give_what_they_gave(options: dict[str, object]):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(2, 2, (3, 1, 1), **options))  # pyright: ignore[reportArgumentType]
    video = torch.randn(1, 2, 6, 4, 4)
    expected = model(video)
    specialise(model)
    torch.testing.assert_close(model(video), expected)

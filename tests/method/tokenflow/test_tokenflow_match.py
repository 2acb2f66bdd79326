"""Nearest neighbours by direction."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trial import randn

from motion_inversion.method.tokenflow.match import nearest


@given(seed=st.integers(0, 1000), at_once=st.sampled_from([1, 12, 36, 2**24]))
@settings(max_examples=25, deadline=None)
def test_permuted_tokens_are_found_by_the_inverse_permutation_in_chunks_of_any_size(seed: int, at_once: int):
    permutation = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    tokens = randn(seed, 12, 16)
    assert torch.equal(nearest(tokens, tokens[permutation], at_once), permutation.argsort())


def test_it_is_the_direction_that_counts():
    among = torch.tensor([[10.0, 10.0], [0.1, 0.0], [0.0, 5.0]])
    tokens = torch.tensor([[3.0, 0.1], [0.2, 0.21], [-1.0, 0.0]])
    assert nearest(tokens, among).tolist() == [1, 0, 2]  # cosines of the last: −√½, −1, 0


@pytest.mark.parametrize("count", [1, 5])
def test_the_first_of_equals_is_taken(count: int):
    assert nearest(torch.ones(3, 2), torch.ones(count, 2)).tolist() == [0, 0, 0]

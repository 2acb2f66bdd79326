"""Sites of transformers, by the names of their blocks."""

import pytest
import torch
from torch import nn

from motion_inversion.embedding.site import Site
from motion_inversion.embedding.unified import find_sites


def block(width: int) -> nn.Module:
    return nn.ModuleDict({"attn": nn.ModuleDict({"to_q": nn.Linear(width, 2 * width)}), "ff": nn.Linear(width, width)})


@pytest.fixture
def network() -> nn.Module:
    with torch.device("meta"):
        parts = {
            "double_blocks": nn.ModuleList([block(8) for _ in range(2)]),
            "single_blocks": nn.ModuleList([block(16) for _ in range(11)]),
            "refiner": nn.ModuleDict({"double_blocks": nn.ModuleList([block(8)])}),
        }
        return nn.ModuleDict(parts)


def test_blocks_are_found_by_their_whole_names_in_forward_order(network: nn.Module):
    sections = {"double": (r"double_blocks\.(\d+)", "attn", 0), "single": (r"single_blocks\.(\d+)", "attn", 7)}
    assert find_sites(network, sections, (3, 4, 6)) == (
        *(Site(f"double_blocks.{k}", "double", k, 8, (4, 6), 3, ("attn",), 0) for k in range(2)),
        *(Site(f"single_blocks.{k}", "single", k, 16, (4, 6), 3, ("attn",), 7) for k in range(11)),
    )


def test_blocks_over_time_alone_have_no_start(network: nn.Module):
    [site] = find_sites(network, {"block": (r"refiner\.double_blocks\.(\d+)", "attn", None)}, (3, 4, 6))
    assert site.start is None

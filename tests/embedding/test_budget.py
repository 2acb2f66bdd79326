"""What embeddings cost, said and refused before a training."""

import logging

import pytest
import torch

from motion_inversion.embedding import budget
from motion_inversion.embedding.embeddings import MotionEmbeddings
from motion_inversion.embedding.layout import Layout
from motion_inversion.embedding.site import Site
from motion_inversion.error import InputError

SITES = tuple(Site(f"b.{index}", "block", index, 64, (8, 8), 4, ("attn",), 0) for index in range(6))
CPU = torch.device("cpu")


def test_the_number_of_parameters_and_their_memory_are_said(caplog):
    with caplog.at_level(logging.INFO):
        budget.say_parameters(Layout(["all"], True, True), SITES)
    # 6 blocks of 4 frames of 64 channels: once, and at 64 positions.
    assert f"{6 * 4 * 64 * 65:,} parameters in 6 of 6 blocks, 1.5 MiB" in caplog.text


@pytest.mark.parametrize(
    ("available", "remedy"),
    [(700_000, "value_grid=2$"), (40_000, "value_grid=8 .*early"), (25_000, "value=false$"), (1, "blocks=.early.,")],
)
def test_what_cannot_fit_is_refused_with_a_layout_that_does(available, remedy, monkeypatch):
    monkeypatch.setattr(budget, "available_memory", lambda device: available)
    with pytest.raises(InputError, match=f"99,840 parameters.*1.5 MiB.*method.layout.{remedy}") as caught:
        budget.require_memory(Layout(["all"], True, True), SITES, CPU)
    assert ("no smaller layout of these blocks fits" in str(caught.value)) == (available == 1)


@pytest.mark.parametrize("only", [{"query_key": True, "value": False}, {"query_key": False, "value": True}])
def test_a_layout_of_one_kind_is_never_told_to_have_none(only, monkeypatch):
    monkeypatch.setattr(budget, "available_memory", lambda device: 1)
    with pytest.raises(InputError, match="no smaller layout of these blocks fits") as caught:
        budget.require_memory(Layout(["all"], **only), SITES, CPU)
    assert "value=false" not in str(caught.value)


def test_what_is_told_to_set_can_be_set(monkeypatch):
    monkeypatch.setattr(budget, "available_memory", lambda device: 25_000)
    with pytest.raises(
        InputError, match=r"value=false method\.layout\.value_grid=1 method\.layout\.value_blocks=null$"
    ):
        budget.require_memory(Layout(["all"], True, True, ["late"], 2), SITES, CPU)


def test_blocks_that_no_step_reached_are_named(caplog):
    embeddings = MotionEmbeddings.zeros(SITES, query_key=True, value=True)
    with torch.no_grad():
        embeddings.query_key(SITES[0]).fill_(1)  # pyright: ignore[reportOptionalMemberAccess]
    budget.warn_of_idle(embeddings)
    assert "5 of 6 blocks took no part" in caplog.text and "b.1" in caplog.text


def test_there_is_memory():
    assert budget.available_memory(CPU) > 0

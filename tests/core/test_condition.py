"""What a model is told: tensors by name that are joined, split and repeated clip by clip."""

import pytest
import torch

from motion_inversion.core.condition import CONTROL_MAPS, PROMPT_EMBEDS, PROMPT_MASK, Condition

CPU = torch.device("cpu")


def told(*values: int) -> Condition:
    """One clip for each value, whose tensors are full of it."""
    embeds = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1).repeat(1, 2, 3)
    mask = torch.tensor(values).view(-1, 1).repeat(1, 2)
    return Condition({PROMPT_EMBEDS: embeds, PROMPT_MASK: mask})


def values(condition: Condition) -> list[int]:
    """The inverse of `told`."""
    assert torch.equal(condition[PROMPT_EMBEDS][:, 0, 0].long(), condition[PROMPT_MASK][:, 0])
    return condition[PROMPT_MASK][:, 0].tolist()


def test_clips_are_the_first_axis_of_each() -> None:
    assert len(told(1, 2, 3)) == 3
    with pytest.raises(AssertionError, match="equally many clips"):
        Condition({PROMPT_EMBEDS: torch.zeros(2, 3, 4), PROMPT_MASK: torch.zeros(1, 3)})


def test_batches_are_joined_and_split_in_order() -> None:
    assert values(Condition.cat([told(3), told(1, 2)])) == [3, 1, 2]
    assert [values(each) for each in told(3, 1).split()] == [[3], [1]]


def test_one_clip_is_expanded_and_many_are_repeated_in_a_row() -> None:
    assert values(told(4).expand(3)) == [4, 4, 4]
    assert values(told(1, 2).repeat_interleave(2)) == [1, 1, 2, 2]


def test_a_type_is_for_real_numbers_and_masks_keep_theirs() -> None:
    half = told(1).to(CPU, torch.bfloat16)
    assert half[PROMPT_EMBEDS].dtype == torch.bfloat16
    assert half[PROMPT_MASK].dtype == torch.int64
    assert told(1).to(CPU)[PROMPT_EMBEDS].dtype == torch.float32


def test_more_is_told_beside_or_instead() -> None:
    plain, maps = told(1, 2), torch.rand(2, 3, 4, 8, 8)
    more = plain.having(**{CONTROL_MAPS: maps})
    assert torch.equal(more[CONTROL_MAPS], maps) and values(more) == [1, 2]
    assert CONTROL_MAPS not in plain.tensors
    assert torch.equal(more.having(**{CONTROL_MAPS: maps.flip(0)})[CONTROL_MAPS], maps.flip(0))

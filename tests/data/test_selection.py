"""Which clips of a set a job gets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motion_inversion.data.clip import Clip, VideoFile
from motion_inversion.data.selection import select
from motion_inversion.error import InputError


def clips(*names: str) -> list[Clip]:
    return [Clip(name, VideoFile(f"{name}.mp4"), "object", "a car", ("a tank",), (3,)) for name in names]


def names(chosen: tuple[Clip, ...]) -> list[str]:
    return [clip.name for clip in chosen]


def test_everything_is_taken_unless_something_is_named() -> None:
    assert select(clips("a", "b", "c")) == tuple(clips("a", "b", "c"))
    assert names(select(clips("a", "b", "c"), only=["c", "a"])) == ["a", "c"]


def test_given_seeds_go_before_the_clips_own() -> None:
    assert [clip.seeds for clip in select(clips("a"), seeds=[1, 2])] == [(1, 2)]
    assert [clip.seeds for clip in select(clips("a"))] == [(3,)]


@settings(max_examples=25)
@given(count=st.integers(1, 12), data=st.data())
def test_every_clip_goes_to_exactly_one_shard(count: int, data: st.DataObject) -> None:
    shards = data.draw(st.integers(1, count))
    everything = clips(*(f"clip{index}" for index in range(count)))
    dealt = [select(everything, shard=shard, shards=shards) for shard in range(shards)]
    assert sorted(names(sum(dealt, ()))) == sorted(names(tuple(everything)))
    sizes = [len(share) for share in dealt]
    assert 1 <= min(sizes) <= max(sizes) <= min(sizes) + 1


def test_shards_share_the_clips_that_were_named() -> None:
    chosen = [select(clips("a", "b", "c", "d"), ["b", "c", "d"], shard=shard, shards=2) for shard in (0, 1)]
    assert [names(share) for share in chosen] == [["b", "d"], ["c"]]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"clips": []}, r"the dataset has no clips; choose another with dataset=…"),
        ({"clips": clips("a", "b", "a")}, r"two clips of the dataset are called 'a'"),
        ({"only": ["z"]}, r"dataset\.only: no clip 'z'; accepted are a, b$"),
        ({"shards": 3}, r"dataset\.shards=3: 2 clips .* set dataset\.shards=2"),
        ({"shards": 2, "only": ["a"]}, r"dataset\.shards=2: 1 clips .* set dataset\.shards=1"),
        ({"shards": 0}, r"dataset\.shards=0: .* set dataset\.shards=1"),
        ({"shards": 2, "shard": 2}, r"dataset\.shard=2: accepted are 0 to 1; set dataset\.shard=0"),
        ({"shard": -1}, r"dataset\.shard=-1: accepted are 0 to 0"),
    ],
)
def test_what_is_refused_names_the_override(arguments: dict, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        select(**{"clips": clips("a", "b"), **arguments})

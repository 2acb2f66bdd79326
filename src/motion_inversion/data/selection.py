"""Which clips of a set a job takes: named ones, and one of several shares of those."""

from collections.abc import Sequence
from dataclasses import replace

from motion_inversion.data.clip import Clip
from motion_inversion.error import InputError


def select(
    clips: Sequence[Clip], only: Sequence[str] = (), seeds: Sequence[int] = (), shard: int = 0, shards: int = 1
) -> tuple[Clip, ...]:
    """The clips that a job takes, in the order of the set.

    Args:
        clips: The whole set.
        only: Names of the clips to take; all if empty.
        seeds: For every clip in place of its own, if given.
        shard, shards: The clips are dealt out in turn to `shards` jobs, of which this is number `shard`, counted
            from 0. Every clip goes to exactly one of them, and which one depends on nothing but the order of the
            clips.

    Raises:
        InputError: an empty set, two clips of one name, an unknown name, or a shard that there isn't or that
            would be empty.
    """
    names = [clip.name for clip in clips]
    if not names:
        raise InputError("the dataset has no clips; choose another with dataset=… or dataset.path=…")
    if repeated := [name for index, name in enumerate(names) if name in names[:index]]:
        raise InputError(f"two clips of the dataset are called {repeated[0]!r}; give each a name of its own")
    for name in only:
        if name not in names:
            raise InputError(f"dataset.only: no clip {name!r}; accepted are {', '.join(names)}")
    chosen = [clip for clip in clips if not only or clip.name in only]
    if not 1 <= shards <= len(chosen):
        raise InputError(
            f"dataset.shards={shards}: {len(chosen)} clips can be shared by 1 to {len(chosen)} jobs; "
            f"set dataset.shards={min(max(shards, 1), len(chosen))}"
        )
    if not 0 <= shard < shards:
        raise InputError(
            f"dataset.shard={shard}: accepted are 0 to {shards - 1}; set dataset.shard=0 or a larger dataset.shards"
        )
    dealt = chosen[shard::shards]
    return tuple(replace(clip, seeds=tuple(seeds)) if seeds else clip for clip in dealt)

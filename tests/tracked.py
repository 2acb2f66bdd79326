"""What an offline run of Weights & Biases has in its file."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

Entry: Any = wandb_internal_pb2.__dict__["Record"]  # made at run time, unseen by type checkers


def entries(run: Path) -> list[Any]:
    """Everything in the run file of an offline run."""
    return [Entry.FromString(message) for message in messages(next(run.glob("*.wandb")).read_bytes())]


def messages(content: bytes) -> Iterator[bytes]:
    """The messages of a LevelDB log, which a run file is after 7 bytes of its own.

    It has blocks of 32 KiB; in these, pieces of a message with a checksum (4 bytes), their length (2) and their
    kind (1): whole, first, middle, last. Less than 7 bytes at a block's end are padding.
    """
    place, message = 7, b""
    while place < len(content):
        if (left := 2**15 - place % 2**15) < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<4xHB", content, place)
        message += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield message
            message = b""

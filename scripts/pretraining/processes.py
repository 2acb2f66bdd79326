"""The processes that train one model together on a CPU, started by torchrun; without it there is one, on its own.

Two processes of one thread train this small model faster than one of two: its operations are too short to
be worth splitting.
"""

import os

import torch
from torch import distributed, nn

from pretraining.optimizer import gradient_of


def join() -> None:
    """Joins the others, if torchrun started this process."""
    if "RANK" in os.environ:
        distributed.init_process_group("gloo")


def rank() -> int:
    """The number of this process; 0 logs and saves."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def wait() -> None:
    """Until all of them are here."""
    if distributed.is_initialized():
        distributed.barrier()


def agree(value: float) -> float:
    """The first process's value."""
    if not distributed.is_initialized():
        return value
    shared = torch.tensor(value, dtype=torch.float64)
    distributed.broadcast(shared, 0)
    return shared.item()


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Over all processes; a missing gradient counts as zero."""
    if not distributed.is_initialized():
        return
    flat = torch.cat([gradient_of(p).flatten() for p in parameters])
    distributed.all_reduce(flat)
    parts = flat.div_(size()).split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)

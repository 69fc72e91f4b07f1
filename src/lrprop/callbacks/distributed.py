"""Several processes of one run: what they tell each other, and who goes first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import lightning.pytorch as pl
import torch.distributed as dist

from lrprop.metrics.processes import Processes

_NO_TIMEOUT = timedelta(days=365)


def processes_of(trainer: pl.Trainer) -> Processes:
    """The processes that run this trainer together."""
    return Processes(trainer.global_rank, trainer.world_size, _gather)


def _gather(part: Any) -> list[Any]:
    if not dist.is_initialized():
        return [part]
    parts = [None] * dist.get_world_size()
    dist.all_gather_object(parts, part)
    return parts


@contextmanager
def first_of_node_first(trainer: pl.Trainer) -> Iterator[None]:
    """Lets the first process of every node do the block alone; the others wait, however long, and do it then.

    What it leaves on the node's disk, the others find.
    """
    if trainer.world_size == 1:
        yield
        return
    # A group of its own: the default one gives up after minutes, and on GPUs it would keep them busy waiting.
    group: Any = dist.new_group(backend="gloo", timeout=_NO_TIMEOUT)
    if trainer.local_rank:
        dist.barrier(group)
    yield
    if not trainer.local_rank:
        dist.barrier(group)
    dist.destroy_process_group(group)

"""The processes that share the work of an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _alone(part: Any) -> list[Any]:
    return [part]


@dataclass(frozen=True)
class Processes:
    """The processes that evaluate the same videos together; one, unless told otherwise.

    Attributes:
        rank: which of them this is.
        size: how many there are.
        gather: from this process's part to copies of everybody's, in the order of ranks; all must call it.
    """

    rank: int = 0
    size: int = 1
    gather: Callable[[Any], list[Any]] = _alone

    def of_others(self, part: Any) -> list[Any]:
        """The parts of all processes but this one; all processes must call it."""
        return [other for rank, other in enumerate(self.gather(part)) if rank != self.rank]


ALONE = Processes()

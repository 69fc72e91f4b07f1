"""The progress bar of a loop over files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def tracked(items: Iterable[T], doing: str, few: int = 50) -> Iterable[T]:
    """Shows on stderr how far a loop has come; the bar is gone at its end.

    Args:
        items: what is looped over, taken as a list.
        doing: what the loop does, in front of the bar.
        few: so many items or fewer need no bar.
    """
    listed = list(items)
    console = Console(stderr=True)
    return track(listed, doing, console=console, transient=True, disable=len(listed) <= few)

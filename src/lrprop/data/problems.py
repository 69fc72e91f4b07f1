"""Bad files that are to be listed, and not to end the work at the first of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from lrprop.errors import InputError

_log = logging.getLogger("lrprop")


class Problems(Protocol):
    """What gathers problems, such as a list."""

    def append(self, problem: str, /) -> None:
        """Adds what is wrong with a file."""


class Skipped:
    """The videos that a run leaves out because they cannot be read (`data.on_error: skip`); each is named in the log.

    Attributes:
        problems: what is wrong with each, by the video's id, or by itself where the video never got one.
    """

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def append(self, problem: str, id: str = "") -> None:
        """Adds a video, unless it is known."""
        if (id or problem) not in self.problems:
            self.problems[id or problem] = problem
            _log.warning("skipped: %s", problem)


@contextmanager
def noted(problems: Problems | None) -> Iterator[None]:
    """Adds the message of an InputError to the problems and goes on behind the block; raises it where they are None."""
    try:
        yield
    except InputError as error:
        if problems is None:
            raise
        problems.append(str(error))

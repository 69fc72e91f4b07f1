"""Bad files that are to be listed, and not to end the work at the first of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lrprop.errors import InputError


@contextmanager
def noted(problems: list[str] | None) -> Iterator[None]:
    """Adds the message of an InputError to the problems and goes on behind the block; raises it where they are None."""
    try:
        yield
    except InputError as error:
        if problems is None:
            raise
        problems.append(str(error))

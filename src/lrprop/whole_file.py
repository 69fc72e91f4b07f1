"""Files that are there whole or not at all, whatever interrupts the writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lrprop.errors import InputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a path to write to; what was written there takes the place of the file once it is complete.

    Its folder is made. Until then, and if anything is raised, the file stays as it was.

    Raises:
        InputError: it cannot be written: the disk is full, or it is not ours.
    """
    unfinished = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        problem = f"{path}: cannot be written ({error.strerror or error})"
        raise InputError(f"{problem}; what was there stays. Make room, or choose another folder.") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()

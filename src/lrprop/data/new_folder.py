"""Folders that are either complete or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lrprop.errors import InputError


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target that takes its name at the end, and is gone after an error.

    Raises:
        InputError: if `target` is there already, or cannot be written.
    """
    if target.exists():
        raise InputError(f"{target}: is there already; delete it, or choose another folder")
    part = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield part
        part.rename(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); choose another folder") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)

"""What becomes of the memory of freed tensors."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# Options of mallopt in glibc's malloc.h, and their values in bytes.
_TRIM_THRESHOLD, _KEPT = -1, 256 << 20
_MMAP_THRESHOLD, _LARGEST_FROM_HEAP = -3, 32 << 20  # the most that glibc accepts


def keep_freed_memory() -> None:
    """Lets freed tensors of up to 32 MiB be reused where they are; without glibc it does nothing.

    glibc gives their pages back to the system, and every training step would have them cleared and mapped anew: a
    seventh of its time on a CPU.
    """
    with suppress(AttributeError, TypeError):  # a C library without mallopt; Windows
        libc = ctypes.CDLL(None)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST_FROM_HEAP)

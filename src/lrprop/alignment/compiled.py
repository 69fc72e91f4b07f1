"""How the kernels that Python calls are compiled: without the GIL, and once for all processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's `njit`, cached on disk wherever there is a place to cache it.

    Where there is none (a read-only installation and home), every process compiles for itself; the environment variable
    NUMBA_CACHE_DIR names a place.
    """
    compiled: Callable[..., Any]
    try:
        compiled = njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # cannot cache function: no locator available
        compiled = njit(nogil=True, error_model="numpy")(function)
    return compiled

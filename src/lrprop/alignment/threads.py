"""Many pairs on several threads, for kernels that release the GIL.

Numba's own `parallel=True` is left alone: its OpenMP pool does not survive a fork, and the workers of a DataLoader are
forks.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise

import torch

# Below this much work (seconds, one thread) waking the threads costs more than they save.
_WORTH_THREADS = 5e-4
_CHUNKS_PER_THREAD = 4


def over_pairs(run: Callable[[int, int], None], pairs: int, seconds: float) -> None:
    """run(start, stop) over all pairs, on as many threads as torch may use (`torch.set_num_threads`).

    Args:
        run: does the pairs start .. stop - 1.
        pairs: how many there are.
        seconds: what all of them take on one thread, about.
    """
    threads = min(torch.get_num_threads(), pairs)
    if threads < 2 or seconds < _WORTH_THREADS:
        run(0, pairs)
        return
    chunks = min(pairs, threads * _CHUNKS_PER_THREAD)
    edges = [pairs * chunk // chunks for chunk in range(chunks + 1)]
    waiting = deque(pairwise(edges))

    def work() -> None:
        while waiting:
            try:
                chunk = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            run(*chunk)

    # The caller works too: one thread less to wake, and none to wait for where the others are slow to start.
    others = [_threads(threads - 1).submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        wait(others)
    for other in others:
        other.result()


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="lrprop-alignment")


# Threads do not live on in a forked process, so that a pool inherited from the parent would wait for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)

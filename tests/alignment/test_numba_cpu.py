"""Threads and forks: what only the CPU backend has to survive."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from lrprop.alignment import dtw, dtw_distance, soft_dtw, threads

COST = torch.rand(9, 40, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LENGTHS = torch.tensor([[40, 30], [1, 1], [40, 2], [3, 30], [20, 20], [7, 9], [39, 30], [2, 2], [40, 29]])
THREADS = 3


def align() -> torch.Tensor:
    """Values, gradients, distances and first matches in one tensor, in both precisions and with and without limits."""
    parts: list[torch.Tensor] = []
    for dtype, open_end in ((torch.float64, False), (torch.float32, True)):
        cost = COST.to(dtype).requires_grad_()
        value = soft_dtw(cost, 0.1, LENGTHS, open_end=open_end, backend="numba")
        (grad,) = torch.autograd.grad(value.sum(), cost)
        hard = dtw(cost, LENGTHS, open_end=open_end, backend="numba")
        alone = dtw_distance(cost, LENGTHS, open_end=open_end, backend="numba")
        parts += [value.detach(), grad, hard.distance, hard.first_match(), alone]
    return torch.cat([part.flatten().double() for part in parts])


@pytest.fixture
def parallel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Several threads, for any amount of work."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    monkeypatch.setattr(threads, "_WORTH_THREADS", 0.0)
    threads._threads.cache_clear()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def serial() -> Iterator[torch.Tensor]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield align()
    torch.set_num_threads(before)


def test_threads_give_exactly_the_serial_result(serial: torch.Tensor, parallel: None) -> None:
    assert torch.equal(align(), serial)
    assert threads._threads.cache_info().currsize == 1


def test_little_work_starts_no_threads(parallel: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_WORTH_THREADS", 1e9)
    align()
    assert threads._threads.cache_info().currsize == 0


def test_many_threads_may_call_at_once(serial: torch.Tensor, parallel: None) -> None:
    with ThreadPoolExecutor(8) as callers:
        for result in callers.map(lambda _: align(), range(40)):
            assert torch.equal(result, serial)


class Aligned(Dataset[torch.Tensor]):
    """Each item is an alignment, computed in a DataLoader's worker on threads of its own."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        torch.set_num_threads(THREADS)  # a worker starts with 1; as many as the parent, to ask for the parent's pool
        return align()


def test_forked_workers_align_after_a_parallel_call_in_the_parent(serial: torch.Tensor, parallel: None) -> None:
    align()
    assert threads._threads.cache_info().currsize == 1
    loader = DataLoader(Aligned(), batch_size=None, num_workers=2, multiprocessing_context="fork", timeout=60)
    results = list(loader)
    assert len(results) == 4
    assert all(torch.equal(result, serial) for result in results)
    assert torch.equal(align(), serial)

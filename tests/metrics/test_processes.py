"""Processes that share an evaluation: threads stand for them here, tests/test_distributed.py has real ones."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrprop.metrics import evaluate
from lrprop.metrics.functional import distances
from lrprop.metrics.processes import ALONE, Processes
from tests.metrics.embedded_samples import random_samples

Result = TypeVar("Result")


def by_processes(size: int, work: Callable[[Processes], Result]) -> list[Result]:
    """What each of several processes makes of the same work."""
    parts: list[Any] = [None] * size
    barrier = Barrier(size)

    def gather_as(rank: int) -> Callable[[Any], list[Any]]:
        def gather(part: Any) -> list[Any]:
            parts[rank] = pickle.dumps(part)
            barrier.wait(timeout=30)
            everybody = [pickle.loads(each) for each in parts]
            barrier.wait(timeout=30)
            return everybody

        return gather

    with ThreadPoolExecutor(size) as threads:
        return list(threads.map(work, [Processes(rank, size, gather_as(rank)) for rank in range(size)]))


@pytest.mark.filterwarnings("ignore:.*no phase labels", "ignore:no labelled")
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.tuples(st.integers(1, 5), st.integers(0, 7)),
    size=st.integers(2, 5),
    tile=st.sampled_from([1, 200, 2**19]),
    grid=st.booleans(),
)
def test_every_process_gets_the_values_of_one_alone(
    seed: int, counts: tuple[int, int], size: int, tile: int, grid: bool
) -> None:
    """To the last bit, with ties, without labels, and where there are more processes than pairs of videos."""
    train, val = (random_samples(seed + side, count, grid).videos() for side, count in enumerate(counts))
    train[0] = replace(train[0], labels=None)
    options: dict[str, Any] = {"ks": (1, 3, 30), "fractions": (0.5, 1.0)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(distances, "_TILE", tile)
        expected = evaluate(train, val, **options)
        found = by_processes(size, lambda processes: evaluate(train, val, **options, processes=processes))
    assert found == [expected] * size


def test_the_work_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    filled: Callable[..., None] = distances.fill_distances  # type: ignore[attr-defined]

    def counted(*args: Any) -> None:
        counts.append(1)
        filled(*args)

    monkeypatch.setattr(distances, "_TILE", 1)  # a tile for every pair of videos
    monkeypatch.setattr(distances, "fill_distances", counted)
    train, val = random_samples(0, 2, missing=0).videos(), random_samples(1, 6, missing=0).videos()
    evaluate(train, val)
    pairs = len(counts)
    assert pairs == 15
    by_processes(3, lambda processes: evaluate(train, val, processes=processes))
    assert len(counts) == 2 * pairs


def test_one_process_has_nobody_to_ask() -> None:
    assert ALONE.of_others(np.zeros(2)) == []

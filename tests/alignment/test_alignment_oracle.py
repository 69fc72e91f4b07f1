"""Who judges the judge: the oracle's recursions against the list of all paths."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle import all_paths, allowed_cells, dtw_oracle, soft_dtw_oracle

SHAPES = [(1, 1), (1, 4), (4, 1), (3, 3), (3, 5), (5, 3)]
BANDS = [None, 0.5, 1]
ENDS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (2, 2)), (13, (3, 3)), (63, (4, 4))])
def test_the_number_of_paths_is_the_delannoy_number(count: int, shape: tuple[int, int]) -> None:
    assert len(all_paths(*shape)) == count


def test_open_ends_begin_and_end_anywhere_but_match_every_row() -> None:
    paths = all_paths(3, 4, open_begin=True, open_end=True)
    assert {path[0] for path in paths} == {(0, j) for j in range(4)}
    assert {path[-1] for path in paths} == {(2, j) for j in range(4)}
    assert all({i for i, _ in path} == {0, 1, 2} for path in paths)
    assert len({tuple(path) for path in paths}) == len(paths)


@pytest.mark.parametrize(
    ("shape", "band", "rows"),
    [
        ((3, 3), 0, ["100", "010", "001"]),
        ((3, 5), 0.0, ["10000", "00100", "00001"]),  # no path: a gap between the rows
        ((3, 5), 1, ["11000", "01110", "00011"]),
        ((3, 5), 0.25, ["11000", "01110", "00011"]),
        ((4, 3), 0.5, ["110", "110", "011", "011"]),
        ((1, 3), 0.0, ["111"]),
    ],
)
def test_a_band_follows_the_slope(shape: tuple[int, int], band: float, rows: list[str]) -> None:
    assert ["".join(str(int(cell)) for cell in row) for row in allowed_cells(*shape, band)] == rows


def test_without_a_path_the_distance_is_infinite() -> None:
    assert dtw_oracle(np.zeros((3, 5)), band=0.0) == (np.inf, [])
    assert all_paths(3, 5, band=0.0) == []
    assert len(all_paths(3, 3, band=0)) == 1


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_dtw_is_the_least_of_all_paths(shape: tuple[int, int], ends: tuple[bool, bool], band: float | None) -> None:
    cost = np.random.default_rng(0).normal(size=shape)
    distance, path = dtw_oracle(cost, *ends, band)
    paths = all_paths(*shape, *ends, band)
    totals = [sum(cost[cell] for cell in cells) for cells in paths]
    assert distance == pytest.approx(min(totals), abs=1e-12)
    assert path == paths[int(np.argmin(totals))]


@pytest.mark.parametrize("gamma", [1.0, 0.05])
@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_soft_dtw_weighs_all_paths(
    shape: tuple[int, int], ends: tuple[bool, bool], band: float | None, gamma: float
) -> None:
    cost = np.random.default_rng(1).normal(size=shape)
    paths = all_paths(*shape, *ends, band)
    weights = np.exp([-sum(cost[cell] for cell in path) / gamma for path in paths])
    alignment = np.zeros(shape)
    for weight, path in zip(weights / weights.sum(), paths, strict=True):
        for cell in path:
            alignment[cell] += weight
    value, soft_alignment = soft_dtw_oracle(cost, gamma, *ends, band)
    assert value == pytest.approx(-gamma * np.log(weights.sum()), abs=1e-10)
    np.testing.assert_allclose(soft_alignment, alignment, atol=1e-10)

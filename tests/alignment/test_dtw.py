from __future__ import annotations

import numpy as np
import pytest
import torch

from lrprop.alignment import dtw, dtw_distance
from lrprop.alignment.traceback import first_matches, trace_paths
from tests.alignment.conftest import Place


def whole_costs(shape: tuple[int, ...], seed: int, levels: int = 4) -> torch.Tensor:
    """Whole-number costs, so that ties are everywhere and sums are exact."""
    return torch.randint(-1, levels, shape, generator=torch.Generator().manual_seed(seed)).double()


def test_all_ties_go_diagonal_then_up_then_left(place: Place) -> None:
    zeros = torch.zeros(2, 4, 4, device=place.device)
    result = dtw(zeros, torch.tensor([[4, 2], [2, 4]]), backend=place.backend)
    assert result.path(0).tolist() == [[0, 0], [1, 0], [2, 0], [3, 1]]
    assert result.path(1).tolist() == [[0, 0], [0, 1], [0, 2], [1, 3]]


def test_up_wins_a_tie_over_left(place: Place) -> None:
    cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]], device=place.device)
    cost[0, 0, 0] = 5.0
    cost = torch.nn.functional.pad(cost, (1, 0, 1, 0), value=0.0)
    # Cell (2, 2) can come from (1, 1) = 5, (1, 2) = 1 or (2, 1) = 1.
    assert [1, 2] in dtw(cost, backend=place.backend).path(0).tolist()


def test_an_open_end_takes_the_earliest_of_equal_columns(place: Place) -> None:
    result = dtw(torch.zeros(1, 2, 5, device=place.device), open_begin=True, open_end=True, backend=place.backend)
    assert result.path(0).tolist() == [[0, 0], [1, 0]]


def test_open_ends_find_a_sequence_inside_a_longer_one(place: Place) -> None:
    long = torch.arange(20.0)
    cost = (long[7:12, None] - long).abs()[None].to(place.device)
    result = dtw(cost, open_begin=True, open_end=True, backend=place.backend)
    assert result.distance.item() == 0
    assert result.path(0).tolist() == [[i, i + 7] for i in range(5)]


def test_first_match_is_the_smallest_on_the_path_for_rows_and_columns(place: Place) -> None:
    lengths = torch.tensor([[7, 5], [3, 9], [1, 1], [9, 9]])
    cost = torch.rand(4, 9, 9, generator=torch.Generator().manual_seed(3)).to(place.device)
    result = dtw(cost, lengths, backend=place.backend)
    rows, columns = result.first_match(), result.first_match(axis=1)
    for b, (n, m) in enumerate(lengths.tolist()):
        path = result.path(b).tolist()
        assert rows[b].tolist() == [min(j for i, j in path if i == row) for row in range(n)] + [0] * (9 - n)
        assert columns[b].tolist() == [min(i for i, j in path if j == column) for column in range(m)] + [0] * (9 - m)


def test_first_match_of_an_unmatched_column_is_minus_one(place: Place) -> None:
    long = torch.arange(6.0)
    cost = (long[2:4, None] - long).abs()[None].to(place.device)
    result = dtw(cost, torch.tensor([[2, 5]]), open_begin=True, open_end=True, backend=place.backend)
    assert result.first_match(axis=1).tolist() == [[-1, -1, 0, 1, -1, 0]]
    assert result.first_match().tolist() == [[2, 3]]


def test_first_match_refuses_another_axis() -> None:
    with pytest.raises(ValueError, match="axis must be 0"):
        dtw(torch.zeros(1, 2, 2)).first_match(axis=2)


def test_padding_is_never_read(place: Place) -> None:
    lengths = torch.tensor([[3, 4], [5, 2], [5, 6]])
    cost = whole_costs((3, 5, 6), 0)
    clean = dtw(cost.to(place.device), lengths, backend=place.backend)
    for filler in (torch.nan, torch.inf, -torch.inf, -1e9):
        dirty = cost.clone()
        for b, (n, m) in enumerate(lengths.tolist()):
            dirty[b, n:] = filler
            dirty[b, :, m:] = filler
        result = dtw(dirty.to(place.device), lengths, backend=place.backend)
        assert torch.equal(result.distance, clean.distance)
        assert torch.equal(result.first_match(), clean.first_match())
        assert [result.path(b).tolist() for b in range(3)] == [clean.path(b).tolist() for b in range(3)]


def test_an_empty_batch_gives_empty_results(place: Place) -> None:
    result = dtw(torch.zeros(0, 3, 4, device=place.device), backend=place.backend)
    assert result.distance.shape == (0,)
    assert result.first_match().shape == (0, 3)
    assert result.first_match(axis=1).shape == (0, 4)


def test_strided_and_requires_grad_costs_are_welcome(place: Place) -> None:
    cost = torch.rand(3, 8, 6, generator=torch.Generator().manual_seed(0)).to(place.device)
    strided = cost.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    assert not strided.is_contiguous()
    result = dtw(strided, backend=place.backend)
    assert torch.equal(result.distance, dtw(cost, backend=place.backend).distance)
    assert not result.distance.requires_grad


def test_long_sequences_need_no_recursion_and_one_byte_a_cell(place: Place) -> None:
    result = dtw(torch.zeros(1, 1500, 3, device=place.device), backend=place.backend)
    assert len(result.path(0)) == 1500
    assert result.directions.element_size() == 1


def test_float32_costs_are_summed_in_float64(place: Place) -> None:
    cost = torch.full((1, 3000, 1), 0.1, device=place.device)
    distance = dtw(cost, backend=place.backend).distance
    assert distance.dtype == torch.float32
    assert distance.item() == torch.tensor(3000 * cost[0, 0, 0].double().item()).item()


def test_distances_carry_no_gradient(place: Place) -> None:
    cost = torch.rand(2, 5, 4, device=place.device, requires_grad=True)
    assert not dtw_distance(cost, backend=place.backend).requires_grad
    assert not dtw(cost, backend=place.backend).distance.requires_grad


def test_a_band_of_the_whole_width_changes_nothing_and_a_narrow_one_costs(place: Place) -> None:
    cost = torch.rand(3, 12, 30, generator=torch.Generator().manual_seed(1)).to(place.device)
    free = dtw(cost, backend=place.backend)
    for band in (1.0, 29):
        assert torch.equal(dtw(cost, band=band, backend=place.backend).first_match(), free.first_match())
    for band in (0.05, 2):
        assert (dtw_distance(cost, band=band, backend=place.backend) > free.distance).all()


def test_a_result_keeps_its_lengths_whatever_becomes_of_the_callers() -> None:
    lengths = torch.tensor([[5, 5]])
    result = dtw(torch.zeros(1, 9, 9), lengths)
    lengths.fill_(9)
    assert result.lengths.tolist() == [[5, 5]]
    assert len(result.path(0)) == 5


def test_a_result_shares_its_lengths_with_no_other_call() -> None:
    cost = torch.zeros(2, 6, 6)
    dtw(cost).lengths[0, 0] = 2
    assert dtw(cost).lengths.tolist() == [[6, 6], [6, 6]]
    assert len(dtw(cost).path(0)) == 6


@pytest.mark.parametrize("end", [10**8, -3])
def test_a_path_that_ends_outside_the_matrix_is_refused(end: int) -> None:
    result = dtw(torch.zeros(1, 9, 9))
    result.lengths[0, 0] = end
    with pytest.raises(ValueError, match="a path ends outside its matrix"):
        result.path(0)
    with pytest.raises(ValueError, match="a path ends outside its matrix"):
        result.first_match()
    directions, inside, outside = np.zeros((1, 3, 4), np.int8), np.array([2]), np.array([end])
    with pytest.raises(ValueError, match="a path ends outside its matrix"):
        trace_paths(directions, inside, outside)


def test_first_matches_are_never_written_beyond_their_size() -> None:
    paths = trace_paths(np.zeros((1, 5, 5), np.int8), np.array([4]), np.array([4]))
    with pytest.raises(ValueError, match="beyond `size`"):
        first_matches(paths, np.array([[5, 5]]), 0, 3)

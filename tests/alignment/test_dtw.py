from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrprop.alignment import dtw
from tests.alignment.conftest import Place
from tests.oracle import dtw_oracle

ENDS = st.tuples(st.booleans(), st.booleans())


def whole_costs(shape: tuple[int, ...], seed: int, levels: int = 4) -> torch.Tensor:
    """Whole-number costs, so that ties are everywhere and sums are exact."""
    return torch.randint(-1, levels, shape, generator=torch.Generator().manual_seed(seed)).double()


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
    levels=st.integers(0, 6),
    ends=ENDS,
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_matches_the_oracle_ties_and_padding_included(
    place: Place, sizes: list[tuple[int, int]], seed: int, levels: int, ends: tuple[bool, bool], dtype: torch.dtype
) -> None:
    lengths = torch.tensor(sizes)
    cost = whole_costs((len(sizes), *lengths.amax(0)), seed, levels).to(dtype)
    result = dtw(cost.to(place.device), lengths, open_begin=ends[0], open_end=ends[1], backend=place.backend)
    for b, (n, m) in enumerate(sizes):
        distance, path = dtw_oracle(cost[b, :n, :m].numpy(), *ends)
        assert result.distance[b].item() == distance
        assert result.path(b).tolist() == [list(cell) for cell in path]
    assert result.distance.dtype == dtype


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 20), m=st.integers(1, 20), seed=st.integers(0, 2**32), ends=ENDS)
def test_a_path_is_monotone_connected_and_adds_up_to_its_distance(
    place: Place, n: int, m: int, seed: int, ends: tuple[bool, bool]
) -> None:
    cost = torch.rand(1, n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    result = dtw(cost.to(place.device), open_begin=ends[0], open_end=ends[1], backend=place.backend)
    path = result.path(0).cpu()
    assert {tuple(step) for step in path.diff(dim=0).tolist()} <= {(1, 1), (1, 0), (0, 1)}
    assert path[0, 0] == 0
    assert path[-1, 0] == n - 1
    assert ends[0] or path[0, 1] == 0
    assert ends[1] or path[-1, 1] == m - 1
    assert cost[0, path[:, 0], path[:, 1]].sum().item() == pytest.approx(result.distance.item(), rel=1e-12)


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


def test_a_batch_equals_its_pairs_one_by_one(place: Place) -> None:
    cost = torch.rand(5, 12, 17, generator=torch.Generator().manual_seed(0)).to(place.device)
    together = dtw(cost, backend=place.backend)
    for b in range(5):
        alone = dtw(cost[b : b + 1], backend=place.backend)
        assert alone.distance[0] == together.distance[b]
        assert torch.equal(alone.path(0), together.path(b))


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

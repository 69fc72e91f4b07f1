"""Bands and lengths on their way to the backends, and what is said of values that came out wrong."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from lrprop.alignment import dtw_distance
from lrprop.alignment.limits import pair_without_path, path_limits
from lrprop.alignment.validation import refuse_nan
from lrprop.errors import InputError
from tests.oracle import dtw_oracle

SIZES = list(product(range(1, 13), repeat=2))


@pytest.mark.parametrize("band", [0, 1, 2, 3, 0.0, 0.05, 0.1, 0.2, 0.34, 0.5])
def test_a_band_is_refused_exactly_where_it_leaves_no_path(band: int | float) -> None:
    refused = [pair_without_path(torch.tensor([size]), band) == 0 for size in SIZES]
    assert refused == [np.isinf(dtw_oracle(np.zeros(size), band=band)[0]) for size in SIZES]
    first = refused.index(True) if True in refused else None
    assert pair_without_path(torch.tensor(SIZES), band) == first


@pytest.mark.parametrize("band", [2**31, 2**62, 2**63, 10**30])
@pytest.mark.parametrize("lengths", [None, [[9, 7]]])
def test_a_band_wider_than_int64_is_no_band(band: int, lengths: Any) -> None:
    cost = torch.rand(1, 9, 7, generator=torch.Generator().manual_seed(0))
    assert path_limits(cost, lengths, band, open_begin=False, open_end=False).cells(9, 7).all()
    assert torch.equal(dtw_distance(cost, lengths, band=band), dtw_distance(cost, lengths))


@pytest.mark.parametrize(("band", "plain"), [(np.int64(2), 2), (np.uint8(2), 2), (np.float32(0.5), 0.5)])
def test_a_band_may_be_a_number_of_numpy(band: Any, plain: int | float) -> None:
    cost = torch.zeros(1, 9, 7)
    cells = [path_limits(cost, None, b, open_begin=False, open_end=False).cells(9, 7) for b in (band, plain)]
    assert torch.equal(*cells)
    assert not cells[0].all()


@pytest.mark.parametrize("band", [True, np.True_, 1j, torch.tensor(1)])
def test_a_band_must_be_a_number(band: Any) -> None:
    with pytest.raises(InputError, match="band must be None"):
        dtw_distance(torch.zeros(1, 9, 7), band=band)


def test_limits_keep_a_copy_of_the_lengths() -> None:
    lengths = torch.tensor([[5, 5]])
    limits = path_limits(torch.zeros(1, 9, 9), lengths, None, open_begin=False, open_end=False)
    lengths.fill_(9)
    assert limits.lengths.tolist() == [[5, 5]]


def test_nan_of_finite_costs_is_put_down_to_their_size() -> None:
    cost = torch.full((2, 3, 3), 1e308, dtype=torch.float64)
    limits = path_limits(cost, None, None, open_begin=False, open_end=False)
    with pytest.raises(ValueError, match="cost of pair 1 is too large to be summed; scale it down"):
        refuse_nan(torch.tensor([0.0, torch.nan]), cost, limits, check=False)

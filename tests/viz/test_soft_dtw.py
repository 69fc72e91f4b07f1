"""SoftDTW against gamma, below the distance of DTW."""

from __future__ import annotations

import numpy as np
import pytest

from lrprop.viz import draw_smoothing
from tests.viz.readable import trouble, written


def test_the_curve_and_what_it_tends_to() -> None:
    figure = draw_smoothing([0.01, 0.1, 1.0], [4.9, 4.0, -3.0], 5.0)
    (axes,) = figure.axes
    limit, curve = axes.lines
    assert set(np.asarray(limit.get_ydata()).tolist()) == {5.0}
    np.testing.assert_array_equal(curve.get_xydata(), [(0.01, 4.9), (0.1, 4.0), (1.0, -3.0)])
    assert axes.get_xscale() == "log"
    assert "DTW 5.00" in written(figure)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("gamma (unit of the cost)", "SoftDTW (unit of the cost)")
    assert trouble(figure) == []


@pytest.mark.parametrize(("gammas", "values"), [([0.1], [1.0]), ([0.1, 1], [1.0]), ([0.0, 1], [1.0, 2])])
def test_a_value_for_each_of_two_positive_gammas(gammas: list[float], values: list[float]) -> None:
    with pytest.raises(ValueError, match="give one for each of at least two gammas > 0"):
        draw_smoothing(gammas, values, 1.0)

"""Matrices: values, path and phases where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from lrprop.batch import EmbeddedVideo
from lrprop.viz import Matrix, align, draw_costs, draw_matrices
from lrprop.viz.drawing import NO_PHASE, phase_colour
from tests.viz.readable import trouble


def video(name: str, n: int, labels: bool = True) -> EmbeddedVideo:
    phases = np.where(np.arange(n) == 0, -1, np.arange(n) * 3 // n)
    return EmbeddedVideo(name, np.linspace(0, n, n)[:, None], phases if labels else None)


def panels(axes: list[Axes]) -> list[Axes]:
    return [one for one in axes if one.get_xlabel().startswith("frame of")]


def test_values_path_and_names() -> None:
    values = np.arange(12.0).reshape(3, 4)
    path = np.array([(0, 0), (1, 1), (2, 3)])
    figure = draw_matrices([Matrix("cost", values, "distance", path=path)], video("one", 3), video("two", 4))
    axes, scale = figure.axes
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), values)
    assert axes.images[0].origin == "lower"
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), path[:, ::-1])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("frame of two", "frame of one")
    assert (axes.get_title("left"), scale.get_ylabel()) == ("cost", "distance")
    assert axes.images[0].get_clim() == (0, 11)
    assert trouble(figure) == []


def test_phases_lie_along_the_axes() -> None:
    figure = draw_matrices([Matrix("m", np.ones((6, 3)), "x")], video("one", 6), video("two", 3, labels=False))
    rows, columns = (np.asarray(axes.images[0].get_array()) for axes in figure.axes[0].child_axes)
    assert [tuple(colour) for colour in rows[:, 0].tolist()] == [
        *(NO_PHASE, phase_colour(0), phase_colour(1), phase_colour(1), phase_colour(2), phase_colour(2))
    ]
    assert (columns == NO_PHASE).all()
    assert columns.shape == (1, 3, 3)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_pairs_share_one_scale_and_can_be_read(count: int) -> None:
    videos = [video(f"val/clip_{k:04d}", 20 + 10 * k) for k in range(count + 1)]
    pairs = [align(videos[k], videos[k + 1]) for k in range(count)]
    figure = draw_costs(pairs)
    drawn = panels(figure.axes)
    assert [axes.get_ylabel() for axes in drawn] == [f"frame of val/clip_{k:04d}" for k in range(count)]
    assert {axes.images[0].get_clim() for axes in drawn} == {(0, max(pair.cost.max() for pair in pairs))}
    titles = [axes.get_title("left") for axes in drawn]
    assert titles == [f"{pair.accuracy:.0%} of the path within one phase" for pair in pairs]
    assert trouble(figure) == []


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_costs([])
    with pytest.raises(ValueError, match=r"m: \(2, 2\) does not fit videos of 3 and 2 frames"):
        draw_matrices([Matrix("m", np.ones((2, 2)), "x")], video("a", 3), video("b", 2))

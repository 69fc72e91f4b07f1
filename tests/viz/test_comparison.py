"""Figures of comparisons: every mark where its number says, nothing outside the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from lrprop.viz import comparison
from lrprop.viz.comparison import (
    FactorPanel,
    IntervalPanel,
    RankPanel,
    draw_factor,
    draw_intervals,
    draw_ranks,
)

NAMES = ["lrprop", "a", "b", "lrprop-with-a-long-name", "d"]
INTERVALS = np.array([[90, 89, 91], [88, 87, 89], [86, 84, 88], [85.5, 85, 86], [89, 88.5, 90]], float)
FLOORS = {"time only": 84.0, "raw input": -210.0, "untrained": 99.0}


def intervals(title: str = "tau") -> IntervalPanel:
    return IntervalPanel(title, NAMES, INTERVALS, FLOORS)


def ranks(title: str = "tau") -> RankPanel:
    return RankPanel(title, NAMES, np.array([1.2, 2.5, 2.5, 4, 4.8]), 2.3, [(1.2, 2.5), (2.5, 4.8)])


def factor(title: str = "tau") -> FactorPanel:
    line = np.array([[90, 89, 91], [np.nan] * 3, [88, 88, 88]])
    return FactorPanel(title, ["0", "0.25", "1"], {"squat": line, "bowl": line - 5})


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were drawn, for a look at what is in them."""
    drawn: list[Figure] = []
    save = comparison._save

    def keep(figure: Figure, out: Path) -> Path:
        drawn.append(figure)
        return save(figure, out)

    monkeypatch.setattr(comparison, "_save", keep)
    return drawn


def visible_texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def tick_labels(axes: Axes) -> list[Text]:
    low, high = sorted(axes.get_ylim())
    return [label for label in axes.get_yticklabels() if axes.axison and low <= label.get_position()[1] <= high]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts of which one covers the other, and texts that leave the picture."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    texts = [text for axes in figure.axes for text in [*axes.texts, axes._left_title, *tick_labels(axes)]]  # type: ignore[attr-defined]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]
    width, height = figure.bbox.width, figure.bbox.height
    outside = [
        (name, "the border") for name, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
    ]
    pairs = [(a, b) for k, (a, box) in enumerate(boxes) for b, other in boxes[k + 1 :] if box.overlaps(other)]
    return outside + pairs


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7])
def test_texts_neither_overlap_nor_leave_the_picture(count: int, figures: list[Figure], tmp_path: Path) -> None:
    titles = [f"DTW accuracy, open ends {k}" for k in range(count)]
    draw_intervals([intervals(title) for title in titles], tmp_path / "a.png")
    draw_ranks([ranks(f"{title}: all 7 actions, p-value 0.123") for title in titles], tmp_path / "b.png")
    draw_factor([factor(title) for title in titles], tmp_path / "c.png", factor="gamma", base=2)
    for figure in figures:
        assert overlaps(figure) == []
        assert len(figure.axes) == count
    for name in "abc":
        assert Image.open(tmp_path / f"{name}.png").width == 1600


def test_means_and_floors_are_written_and_marked_on_the_axis(figures: list[Figure], tmp_path: Path) -> None:
    draw_intervals([intervals()], tmp_path / "a.png")
    (axes,) = figures[0].axes
    assert [text.strip() for text in visible_texts(axes)] == [
        *("90.0", "88.0", "86.0", "85.5", "89.0", "84.0", "-210.0", "99.0")
    ]
    low, high = axes.get_xlim()
    assert low < 84 < 91 < high < 99, "a floor far away does not squeeze the methods"
    lines = [line for line in axes.lines if len(line.get_xdata()) == 2]  # type: ignore[arg-type]
    ends = [tuple(np.asarray(line.get_xdata(), float)) for line in lines]
    assert ends[:5] == [(89, 91), (87, 89), (84, 88), (85, 86), (88.5, 90)]
    assert (84, 84) in ends, "the near floor is a line through the methods"
    assert [line.get_marker() for line in axes.lines if line.get_marker() in ("<", ">")] == ["<", ">"]


def test_methods_hang_from_their_ranks_and_cliques_join_them(figures: list[Figure], tmp_path: Path) -> None:
    draw_ranks([ranks()], tmp_path / "b.png")
    (axes,) = figures[0].axes
    hanging = {text.split("  ")[0]: text.split("  ")[1] for text in visible_texts(axes) if text.split("  ")[0] in NAMES}
    assert hanging == {"lrprop": "1.20", "a": "2.50", "b": "2.50", "lrprop-with-a-long-name": "4.00", "d": "4.80"}
    assert "critical difference 2.30" in visible_texts(axes)
    stems = sorted({float(np.asarray(line.get_xdata())[0]) for line in axes.lines if len(line.get_xdata()) == 3})  # type: ignore[arg-type]
    at = [np.interp(rank, [1.2, 4.8], [stems[0], stems[-1]]) for rank in (1.2, 2.5, 4, 4.8)]
    assert stems == pytest.approx(at)
    bars = [np.asarray(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 4.5]
    assert [(bar[0] + 4, bar[1] - 4) for bar in bars] == [
        pytest.approx((stems[0], stems[1])),
        pytest.approx((stems[1], stems[3])),
    ]


def test_a_missing_point_breaks_the_line_and_nothing_else(figures: list[Figure], tmp_path: Path) -> None:
    draw_factor([factor()], tmp_path / "c.png", factor="gamma", base=2)
    (axes,) = figures[0].axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [90, np.nan, 88])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.25", "1"]
    (legend,) = figures[0].legends
    assert [text.get_text() for text in legend.get_texts()][:2] == ["squat", "bowl"]
    styles = {(line.get_marker(), line.get_linestyle()) for line in axes.lines}
    assert len(styles) == 2, "told apart without colour"


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    with pytest.raises(ValueError, match="panels is empty"):
        draw_intervals([], out)
    with pytest.raises(ValueError, match="panels is empty"):
        draw_ranks([], out)
    with pytest.raises(ValueError, match="panels is empty"):
        draw_factor([], out, factor="gamma")
    other = RankPanel("ap", ["x", "y"], np.array([1.0, 2.0]), 1.0, [])
    with pytest.raises(ValueError, match=r"panel 'ap' is of \['x', 'y'\], the first of \['lrprop'"):
        draw_ranks([ranks(), other], out)
    assert not out.exists()

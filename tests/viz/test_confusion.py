"""Confusion of phases: shares of each row, legible on any colour, a panel an action."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps

from lrprop.viz.confusion import draw_confusion
from lrprop.viz.plots import PROBABILITY_MAP, TEXT

COUNTS = np.array([[9, 1, 0], [5, 5, 0], [0, 0, 0]])


def test_rows_are_shares_of_the_true_phase() -> None:
    (axes,) = draw_confusion({"squat": COUNTS}).axes
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert shown == {(0, 0): "90", (1, 0): "10", (2, 0): "0", (0, 1): "50", (1, 1): "50", (2, 1): "0"}
    assert axes.get_title(loc="left") == "squat: 70.0 % right"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0\n(10)", "1\n(10)", "2\n(0)"]


def test_every_action_has_a_panel() -> None:
    figure = draw_confusion({f"action {k}": COUNTS for k in range(6)})
    assert len(figure.axes) == 6
    assert len({axes.get_title(loc="left") for axes in figure.axes}) == 6


def lightness(colour: tuple[float, ...]) -> float:
    return float(np.dot(colour[:3], (0.299, 0.587, 0.114)))


def test_colours_keep_their_order_in_grey_and_letters_stand_out() -> None:
    scale = [lightness(colormaps[PROBABILITY_MAP](share / 100)) for share in range(101)]
    assert np.all(np.diff(scale) > 0)
    counts = np.array([[100 - share for share in (0, 100)], [49, 51]])
    (axes,) = draw_confusion({"squat": counts}).axes
    for text in axes.texts:
        share = float(text.get_text())
        ink = 0.15 if text.get_color() == TEXT else 1.0
        assert abs(scale[int(share)] - ink) > 0.3


@pytest.mark.parametrize(("counts", "message"), [({}, "empty"), ({"squat": np.ones((2, 3))}, r"squat.*\(2, 3\)")])
def test_what_cannot_be_drawn(counts: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_confusion(counts)

"""What improved when: the best of every metric is marked, whichever way it improves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lrprop.viz import draw_improvement
from lrprop.viz.improvement import reached
from tests.viz.readable import trouble, written

VALUES = {"val/ap@5": (0.2, 0.6, 0.4), "val/canonical_error": (0.3, 0.2, 0.1), "val/kendalls_tau": (0.5, 0.5, 0.5)}


def history(run: str = "a") -> pd.DataFrame:
    rows = [
        (run, step, step, metric, value)
        for metric, values in VALUES.items()
        for step, value in zip((0, 15, 31), values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["run", "step", "epoch", "metric", "value"])


def test_the_way_is_from_worst_to_best() -> None:
    shares = reached(np.array(list(VALUES.values())), list(VALUES))
    np.testing.assert_allclose(shares, np.array([[0, 1, 0.5], [0, 0.5, 1], [1, 1, 1]]))


def test_cells_dots_and_numbers() -> None:
    figure = draw_improvement(history(), list(VALUES))
    axes = figure.axes[0]
    (image,) = axes.images
    np.testing.assert_allclose(np.asarray(image.get_array()), [[0, 100, 50], [0, 50, 100], [100, 100, 100]])
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [(1, 0), (2, 1), (0, 2)])
    texts = written(figure)
    assert {"20.0 → 60.0 → 40.0", "30.0 → 10.0 → 10.0", "time error (val)", "15", "31"} <= set(texts)
    assert trouble(figure) == []


def test_one_run_and_metrics_of_the_same_steps() -> None:
    with pytest.raises(ValueError, match="history is of the runs a, b; choose one"):
        draw_improvement(pd.concat([history("a"), history("b")]), list(VALUES))
    holes = history().drop(index=1)
    with pytest.raises(ValueError, match=r"metrics val/ap@5 were not evaluated at every step \[0, 15, 31\]"):
        draw_improvement(holes, list(VALUES))
    with pytest.raises(ValueError, match="metrics val/ap@1 were not evaluated"):
        draw_improvement(history(), ["val/ap@1"])

"""Rows of Q and P: the curves are the rows, the divergence is KL."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from lrprop.viz import draw_prior_rows
from lrprop.viz.priors import divergence
from tests.viz.readable import trouble, written

RNG = np.random.default_rng(0)
PRIOR, MATCHES = (softmax(RNG.normal(size=(6, 9)), axis=1) for _ in range(2))


def test_divergence_is_that_of_scipy_and_0_for_equals() -> None:
    assert divergence(PRIOR[0], MATCHES[0]) == pytest.approx(rel_entr(PRIOR[0], MATCHES[0]).sum())
    assert divergence(PRIOR[0], PRIOR[0]) == 0
    assert divergence(np.array([0.0, 1.0]), np.array([0.5, 0.5])) == pytest.approx(np.log(2))


def test_curves_are_the_rows_in_percent() -> None:
    figure = draw_prior_rows(PRIOR, MATCHES, [4, 0, 5])
    for axes, frame in zip(figure.axes, (4, 0, 5), strict=True):
        expected, found = axes.lines
        np.testing.assert_allclose(np.asarray(expected.get_ydata(), float), 100 * PRIOR[frame])
        np.testing.assert_allclose(np.asarray(found.get_ydata(), float), 100 * MATCHES[frame])
        assert axes.get_title("left") == f"frame {frame}: KL(Q‖P) = {divergence(PRIOR[frame], MATCHES[frame]):.2f} nats"
        assert axes.get_xlabel() == "frame j of the other video"
    assert figure.axes[0].get_ylabel() == "probability, %"
    assert {"Q: expected from the path", "P: found by the embeddings"} <= set(written(figure))
    assert trouble(figure) == []


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"prior has shape \(6, 9\) and matches \(6, 8\)"):
        draw_prior_rows(PRIOR, MATCHES[:, 1:], [0])
    with pytest.raises(ValueError, match="frames hold 6, but the first video has the frames 0 to 5"):
        draw_prior_rows(PRIOR, MATCHES, [6])

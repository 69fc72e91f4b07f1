"""Names of metrics, and lines that differ without colour."""

from __future__ import annotations

import pytest

from lrprop.viz.plots import line_styles, lower_is_better, metric_name, percent_factor, unit


@pytest.mark.parametrize(
    ("metric", "name", "expected_unit", "factor"),
    [
        ("kendalls_tau", "Kendall's tau", "%", 100),
        ("val/loose/ap@5", "loose AP@5 (val)", "%", 100),
        ("tune/phase_classification@10", "phase classification@10 (tune)", "%", 100),
        ("squat/dtw_accuracy_open", "squat DTW accuracy, open ends", "%", 100),
        ("train/loss", "training loss", "loss", 1),
        ("train/contrast", "contrast (train)", "loss", 1),
        ("val/kendalls_tau_undefined", "pairs without Kendall's tau (val)", "pairs", 1),
    ],
)
def test_a_metric_has_a_name_and_a_unit(metric: str, name: str, expected_unit: str, factor: float) -> None:
    assert (metric_name(metric), unit(metric), percent_factor(metric)) == (name, expected_unit, factor)


def test_which_metrics_are_better_when_smaller() -> None:
    lower = ["train/loss", "canonical_error", "val/loose/canonical_error", "kendalls_tau_undefined"]
    assert all(map(lower_is_better, lower))
    assert not any(map(lower_is_better, ["kendalls_tau", "val/ap@5", "dtw_accuracy_open"]))


def test_lines_differ_without_their_colour() -> None:
    styles = line_styles(30)
    assert len(styles) == 30
    assert len({(str(style["ls"]), style["marker"]) for style in styles}) == 30

"""One factor at a time: a metric against the value of the factor, as a figure and its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lrprop.benchmark.pages.columns import cells_of, gap_notes, of_protocol
from lrprop.benchmark.pages.markdown import NOTHING, table, title
from lrprop.benchmark.results import Results, Scores, name_of
from lrprop.viz.comparison import FactorPanel, draw_factor


def sensitivity(results: Results, protocol: str, out: Path) -> str:
    """The part of a page on one protocol, its figures being drawn beside the page."""
    if not of_protocol(results, protocol):
        return ""
    factors = dict.fromkeys(factor for method in results.grid.methods for factor in method.values)
    sections = [_factor(results, factor, protocol, out) for factor in factors]
    return "\n\n".join([f"## {protocol.capitalize()}", *sections])


def _factor(results: Results, factor: str, protocol: str, out: Path) -> str:
    values = {method.name: method.values[factor] for method in results.grid.methods if factor in method.values}
    methods = sorted(values, key=values.__getitem__)
    labels = [f"{values[method]:g}" for method in methods]
    metrics = of_protocol(results, protocol)
    scores = {(m, a, n): results.scores(m, [n], [a]) for m in metrics for a in results.grid.actions for n in methods}
    rows = [
        [f"{action}, {label}", *(cells_of(scores[metric, action, method]).get(method, NOTHING) for metric in metrics)]
        for action in results.grid.actions
        for method, label in zip(methods, labels, strict=True)
    ]
    panels = [
        FactorPanel(title(name_of(metric)), labels, _lines(results, scores, metric, methods)) for metric in metrics
    ]
    base = results.grid.base
    place = methods.index(base) if base in values else None
    name = f"{out.stem}-{factor}-{protocol}.png"
    draw_factor(panels, out.with_name(name), factor=factor, base=place)
    gaps = {title(name_of(m)): [gap for key, s in scores.items() if key[0] == m for gap in s.gaps] for m in metrics}
    heading = f"### {factor}" + (f", {labels[place]} in {base}" if place is not None else "")
    picture = f"![The metrics against {factor}, {protocol}]({name})"
    text = table([f"action, {factor}", *(title(name_of(metric)) for metric in metrics)], rows)
    return "\n\n".join([heading, picture, text, *gap_notes(gaps)])


def _lines(
    results: Results, scores: dict[tuple[str, str, str], Scores], metric: str, methods: list[str]
) -> dict[str, np.ndarray]:
    """For each action the means and intervals (K, 3) in percent; NaN where there is no value."""
    return {
        action: np.array([_point(scores[metric, action, method], method) for method in methods])
        for action in results.grid.actions
    }


def _point(scores: Scores, method: str) -> list[float]:
    return [100 * x for x in scores.interval(method)] if scores.actions else [np.nan] * 3

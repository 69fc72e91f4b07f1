"""Methods against each other: means, ranks, leads and each action by itself, as tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from lrprop.benchmark import statistics
from lrprop.benchmark.pages.columns import MARK, action_column, columns_table, gap_notes, means_column, of_protocol
from lrprop.benchmark.pages.markdown import NOTHING, bold, difference, number, p_value, table, title
from lrprop.benchmark.results import Results, name_of
from lrprop.viz.comparison import IntervalPanel, RankPanel, draw_intervals, draw_ranks

Panel = TypeVar("Panel")

PROTOCOLS = {
    "trimmed": "the val videos as they are",
    "loose": "the val videos cut at random at both ends and re-timed at random",
}


def comparison(results: Results, protocol: str, out: Path) -> str:
    """The part of a page on one protocol, its figures being drawn beside the page."""
    metrics = of_protocol(results, protocol)
    if not metrics:
        return ""
    sections = [f"## {protocol.capitalize()}: {PROTOCOLS.get(protocol, 'a protocol of its own')}"]
    sections += ["### Means over actions", _means(results, metrics), _means_figure(results, metrics, protocol, out)]
    if len(results.methods) > 1:
        sections += ["### Average ranks", _ranks(results, metrics), _ranks_figure(results, metrics, protocol, out)]
        for method in results.grid.leads:
            if method in results.methods:
                sections += [f"### The lead of {method}", _leads(results, method, metrics)]
    sections += ["### By action", _by_action(results, metrics)]
    return "\n\n".join(section for section in sections if section)


def _means(results: Results, metrics: Sequence[str]) -> str:
    beaten = {metric: _not_discriminating(results, metric) for metric in metrics}
    columns = [means_column(results, m, title(name_of(m)) + MARK * bool(beaten[m])) for m in metrics]
    notes = gap_notes({title(name_of(m)): column.gaps for m, column in zip(metrics, columns, strict=True)})
    where = [f"{title(name_of(metric))} on {', '.join(actions)}" for metric, actions in beaten.items() if actions]
    mark = f"†: does not discriminate, a row without training beats every method: {'; '.join(where)}."
    return "\n\n".join([columns_table(results, columns), *notes, *[mark] * bool(where)])


def _by_action(results: Results, metrics: Sequence[str]) -> str:
    parts, gaps = [], {}
    for metric in metrics:
        beaten, name = _not_discriminating(results, metric), title(name_of(metric))
        marked = {action: action + MARK * (action in beaten) for action in results.grid.actions}
        columns = [action_column(results, metric, action, heading) for action, heading in marked.items()]
        parts.append(f"{name}:\n\n{columns_table(results, columns)}")
        gaps[name] = [gap for column in columns for gap in column.gaps]
    return "\n\n".join([*parts, *gap_notes(gaps)])


def _not_discriminating(results: Results, metric: str) -> list[str]:
    kept = results.discriminating(metric)
    return [action for action in results.scores(metric, results.methods).actions if action not in kept]


def _ranks(results: Results, metrics: Sequence[str]) -> str:
    rows = []
    for metric in metrics:
        all_actions, kept = results.scores(metric, results.methods).actions, results.discriminating(metric)
        rows.append(_rank_row(results, metric, kept, f"{len(kept)} of {len(all_actions)}"))
        if kept != all_actions:
            rows.append(_rank_row(results, metric, all_actions, f"all {len(all_actions)}"))
    text = """The mean over actions of a method's rank there, 1 being the best, by the mean over seeds. The first row of
a metric leaves out the actions that do not discriminate; where there is a second, it ranks over all. p is that of
Friedman's test; two ranks differ where they are further apart than the critical difference (Nemenyi, 5 %)."""
    return f"{text}\n\n{table(['', 'actions', *results.methods, 'p', 'critical difference'], rows)}"


def _rank_row(results: Results, metric: str, actions: Sequence[str], how_many: str) -> list[str]:
    ranking = results.ranking(metric, actions)
    head = [title(name_of(metric)), how_many]
    if ranking is None:
        return [*head, *[NOTHING] * (len(results.methods) + 2)]
    ranks = [bold(number(rank), rank == ranking.ranks.min()) for rank in ranking.ranks]
    return [*head, *ranks, p_value(ranking.p), number(ranking.difference)]


def _leads(results: Results, method: str, metrics: Sequence[str]) -> str:
    text = f"""Paired differences in points between {method} and each other method, positive where {method} is better,
with 95 % bootstrap intervals over the actions and seeds for which both have values; bold where that excludes 0."""
    everywhere = {metric: list(results.grid.actions) for metric in metrics}
    discriminating = {
        metric: results.discriminating(metric) for metric in metrics if _not_discriminating(results, metric)
    }
    parts = [text, _leads_table(results, method, everywhere)]
    if any(discriminating.values()):
        parts += [
            "The same without the actions that do not discriminate:",
            _leads_table(results, method, discriminating),
        ]
    return "\n\n".join(parts)


def _leads_table(results: Results, method: str, actions: Mapping[str, list[str]]) -> str:
    """The leads of a method in some metrics, each over some actions, whose number the heading says if it is not all."""
    kept = {metric: of_metric for metric, of_metric in actions.items() if of_metric}
    counts = {m: f" ({len(a)} of {len(results.grid.actions)})" * (a != results.grid.actions) for m, a in kept.items()}
    rows = []
    for other in results.methods:
        if other != method:
            leads = [results.lead(metric, method, other, of_metric) for metric, of_metric in kept.items()]
            rows.append([other, *(NOTHING if lead is None else difference(lead) for lead in leads)])
    return table(["", *(title(name_of(metric)) + count for metric, count in counts.items())], rows)


def _figure(draw: Callable[[list[Panel], Path], Path], panels: list[Panel], out: Path, what: str, caption: str) -> str:
    """Draws the panels beside the page, and shows them there; nothing without a panel."""
    if not panels:
        return ""
    name = f"{out.stem}-{what}.png"
    draw(panels, out.with_name(name))
    return f"![{caption}]({name})"


def _means_figure(results: Results, metrics: Sequence[str], protocol: str, out: Path) -> str:
    panels = [panel for metric in metrics if (panel := _interval_panel(results, metric))]
    caption = f"Means over actions with 95 % intervals, {protocol}"
    return _figure(draw_intervals, panels, out, f"means-{protocol}", caption)


def _interval_panel(results: Results, metric: str) -> IntervalPanel | None:
    scores = results.scores(metric, results.methods)
    if not scores.actions:
        return None
    of_floors = {floor: results.scores(metric, [floor], scores.actions) for floor in results.floors}
    floors = {
        title(floor): 100 * of_floor.interval(floor).mean
        for floor, of_floor in of_floors.items()
        if of_floor.actions == scores.actions
    }
    return IntervalPanel(
        title=title(name_of(metric)),
        names=list(results.methods),
        intervals=100 * np.array([scores.interval(method) for method in results.methods]),
        floors=floors,
    )


def _ranks_figure(results: Results, metrics: Sequence[str], protocol: str, out: Path) -> str:
    panels = [panel for metric in metrics if (panel := _rank_panel(results, metric))]
    return _figure(draw_ranks, panels, out, f"ranks-{protocol}", f"Critical-difference diagrams, {protocol}")


def _rank_panel(results: Results, metric: str) -> RankPanel | None:
    """Over the actions that discriminate; over all where those are fewer than two."""
    all_actions, kept = results.scores(metric, results.methods).actions, results.discriminating(metric)
    ranking = results.ranking(metric, kept if len(kept) > 1 else all_actions)
    if ranking is None:
        return None
    which = f"{len(ranking.actions)} of {len(all_actions)} actions"
    if len(ranking.actions) > len(kept):
        which = f"all {len(all_actions)} actions ({len(kept)} discriminating)"
    return RankPanel(
        title=f"{title(name_of(metric))}: {which}, p-value {p_value(ranking.p)}",
        names=list(results.methods),
        ranks=ranking.ranks,
        critical_difference=ranking.difference,
        cliques=statistics.cliques(ranking.ranks, ranking.difference),
    )

"""What a table says of a grid: gaps are named, stale and foreign cells play no part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrprop.benchmark import Cell, Plan, read_grid
from lrprop.benchmark.table import Table
from tests.benchmark.tables import EXPERIMENTS, Rows, read_results, write_grid, write_table

TAU = "kendalls_tau"


def grid_of(folder: Path, **changes: object) -> Path:
    return write_grid(
        folder, **{"methods": ["lrprop", "tcn"], "actions": ["squat", "bowl"], "seeds": [0, 1], **changes}
    )


def test_scores_are_the_tables_values_and_floors_their_means(tmp_path: Path) -> None:
    def rows(cell: Cell) -> Rows:
        value = {"lrprop": 0.5, "tcn": 0.25}[cell.method] + 0.01 * cell.seed + 0.1 * (cell.action == "bowl")
        return {"final": {TAU: value}, "untrained": {TAU: value - 0.2}}

    grid = grid_of(tmp_path)
    write_table(grid, rows)
    results = read_results(grid)
    scores = results.scores(TAU, results.methods)
    assert scores.actions == ["squat", "bowl"]
    assert not scores.gaps
    assert not results.missing
    np.testing.assert_allclose(scores.of_entries["lrprop"], [[0.5, 0.51], [0.6, 0.61]])
    np.testing.assert_allclose(scores.of_entries["tcn"], [[0.25, 0.26], [0.35, 0.36]])
    np.testing.assert_allclose(scores.signed, [[0.505, 0.255], [0.605, 0.355]])
    floor = results.scores(TAU, ["untrained"]).of_entries["untrained"][0]
    np.testing.assert_allclose(floor, [(0.5 + 0.25) / 2 - 0.2, (0.51 + 0.26) / 2 - 0.2])


def test_a_missing_seed_is_named_and_the_others_count(tmp_path: Path) -> None:
    gone = [Cell("tcn", "squat", 1)]
    grid = grid_of(tmp_path)
    write_table(grid, lambda cell: None if cell in gone else {"final": {TAU: 0.5 + cell.seed}})
    results = read_results(grid)
    scores = results.scores(TAU, results.methods)
    assert scores.actions == ["squat", "bowl"]
    assert [of_seeds.tolist() for of_seeds in scores.of_entries["lrprop"]] == [[0.5, 1.5], [0.5, 1.5]]
    assert [of_seeds.tolist() for of_seeds in scores.of_entries["tcn"]] == [[0.5], [0.5, 1.5]]
    assert scores.gaps == [("tcn (seed 1)", "squat")]
    assert results.missing == gone


def test_a_lead_is_over_the_actions_and_seeds_that_both_have(tmp_path: Path) -> None:
    values = {"lrprop": [0.5, 0.9], "tcn": [0.4, 0.3]}
    gone = Cell("tcn", "squat", 1)
    metric = "loose/canonical_error"
    grid = grid_of(tmp_path)
    write_table(grid, lambda cell: None if cell == gone else {"final": {metric: values[cell.method][cell.seed]}})
    lead = read_results(grid).lead(metric, "tcn", "lrprop", ["squat", "bowl"])
    assert lead is not None
    assert lead.mean == pytest.approx((0.1 + (0.1 + 0.6) / 2) / 2), "lower errors are better"
    alone = read_results(grid).lead(metric, "tcn", "lrprop", ["squat"])
    assert alone is None, "one pair of values has no interval"


def test_an_undefined_value_is_a_gap_though_the_cell_is_there(tmp_path: Path) -> None:
    def rows(cell: Cell) -> Rows:
        is_collapsed, has_labels = cell.method == "tcn", cell.action == "squat"
        return {"final": {TAU: None if is_collapsed else 0.5, "ap@5": 0.9 if has_labels else None, "ap@1": None}}

    grid = grid_of(tmp_path, seeds=[0])
    write_table(grid, rows)
    results = read_results(grid)
    assert results.missing == []
    assert results.scores(TAU, results.methods).gaps == [("tcn (seed 0)", "squat"), ("tcn (seed 0)", "bowl")]
    assert results.scores("ap@5", results.methods).gaps == [("any method (seed 0)", "bowl")]
    assert results.metrics == ["ap@5", TAU]
    assert results.undefined == ["ap@1"]


def test_a_method_that_lacks_actions_keeps_nothing_from_the_others(tmp_path: Path) -> None:
    write_table(grid_of(tmp_path), lambda cell: None if cell.name == "bowl-tcn-1" else {"final": {TAU: 0.5}})
    longer = read_results(grid_of(tmp_path, methods=["lrprop", "scl", "tcn", "sal"]))
    assert longer.begun == longer.methods == ["lrprop", "tcn"]
    assert len(longer.missing) == 2 * 4 + 1
    assert longer.scores(TAU, longer.methods).actions == ["squat", "bowl"]
    one_seed = read_results(grid_of(tmp_path, seeds=[1]))
    assert (one_seed.begun, one_seed.methods) == (["lrprop", "tcn"], ["lrprop"])
    assert one_seed.scores(TAU, one_seed.methods).actions == ["squat", "bowl"]


def test_methods_are_compared_over_what_they_share_before_one_is_complete(tmp_path: Path) -> None:
    write_table(grid_of(tmp_path), lambda cell: {"final": {TAU: 0.5}} if cell.action == "squat" else None)
    results = read_results(grid_of(tmp_path))
    assert results.begun == results.methods == ["lrprop", "tcn"]
    assert results.scores(TAU, results.methods).actions == ["squat"]
    nothing = read_results(grid_of(tmp_path, methods=["scl", "sal"]))
    assert nothing.methods == ["scl", "sal"]


def test_cells_of_no_grid_or_of_another_configuration_play_no_part(tmp_path: Path) -> None:
    grid = grid_of(tmp_path)
    write_table(grid, lambda cell: {"final": {TAU: 0.5}})
    smaller = read_results(grid_of(tmp_path, methods=["lrprop"], seeds=[1]))
    assert [len(of_seeds) for of_seeds in smaller.scores(TAU, ["lrprop"]).of_entries["lrprop"]] == [1, 1]
    assert smaller.missing == []
    changed = read_results(grid_of(tmp_path, options={"data.num_frames": 13}))
    assert changed.metrics == []
    assert len(changed.missing) == 8
    assert len(Table(grid.with_suffix(".csv")).lines()) == 8, "nothing is taken out of the table"


@pytest.mark.parametrize(("metric", "best", "worst"), [("dtw_accuracy", 0.9, 0.1), ("loose/canonical_error", 0.1, 0.9)])
def test_an_action_where_a_floor_beats_every_method_does_not_discriminate(
    metric: str, best: float, worst: float, tmp_path: Path
) -> None:
    def rows(cell: Cell) -> Rows:
        floor = best if cell.action == "squat" else worst
        return {"final": {metric: {"lrprop": 0.5, "tcn": 0.6}[cell.method]}, "raw": {metric: floor}}

    grid = grid_of(tmp_path)
    write_table(grid, rows)
    results = read_results(grid)
    assert results.discriminating(metric) == ["bowl"]
    ranking = results.ranking(metric, ["bowl"])
    assert ranking is not None
    assert ranking.ranks.tolist() == ([2, 1] if best > worst else [1, 2])
    assert results.ranking(metric, []) is None


def test_pairs_without_a_tau_are_counted(tmp_path: Path) -> None:
    def rows(cell: Cell) -> Rows:
        undefined = 3.0 if cell.method == "tcn" and cell.action == "bowl" else 0.0
        return {"final": {TAU: 0.5, f"{TAU}_undefined": undefined, f"loose/{TAU}_undefined": 0.0}}

    grid = grid_of(tmp_path)
    write_table(grid, rows)
    results = read_results(grid)
    assert results.undefined_pairs("trimmed") == {"tcn": (6, ["bowl"])}
    assert results.undefined_pairs("loose") == {}


def test_a_model_of_all_actions_has_a_score_on_each(tmp_path: Path) -> None:
    together = {"name": "scl-all", "method": "scl", "together": True}
    grid = grid_of(tmp_path, methods=["lrprop", together], seeds=[0])

    def rows(cell: Cell) -> Rows:
        if cell.action != "all":
            return {"final": {TAU: 0.5, f"loose/{TAU}": 0.4}, "raw": {TAU: 0.1}}
        by_action = {f"{action}/{name}": 0.7 for action in ("squat", "bowl", "situp") for name in (TAU, f"loose/{TAU}")}
        return {"final": {TAU: 0.9, **by_action}}

    write_table(grid, rows)
    results = read_results(grid)
    assert [cell.action for cell in Plan(read_grid(grid), EXPERIMENTS).configs] == ["squat", "bowl", "all"]
    assert results.metrics == [TAU, f"loose/{TAU}"]
    scores = results.scores(TAU, results.methods)
    assert (scores.actions, scores.gaps) == (["squat", "bowl"], [])
    assert scores.of_entries == {"lrprop": [[0.5], [0.5]], "scl-all": [[0.7], [0.7]]}


def test_floors_are_measured_by_the_first_method(tmp_path: Path) -> None:
    plan = Plan(read_grid(grid_of(tmp_path)), EXPERIMENTS)
    floors = {cell.method: plan.options(cell)["floors"] for cell in plan.configs}
    assert floors == {"lrprop": True, "tcn": False}

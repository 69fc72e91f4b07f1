"""Grids: what is read, what is refused, and those that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrprop.benchmark import Method, read_grid
from lrprop.cli import main
from lrprop.errors import InputError
from tests.benchmark.tables import EXPERIMENTS, write_grid

SHIPPED = sorted((EXPERIMENTS / "benchmarks").glob("*.yaml"))


def test_a_method_is_a_layer_or_a_variant_of_one(tmp_path: Path) -> None:
    variant = {"name": "lrprop-open", "method": "lrprop", "options": {"data.region": "whole"}, "values": {"gamma": 0.1}}
    grid = read_grid(write_grid(tmp_path, methods=["scl", variant], seeds=[0, 1]))
    open_ends = Method("lrprop-open", "lrprop", {"data.region": "whole"}, {}, {"gamma": 0.1})
    assert grid.methods == [Method("scl", "scl"), open_ends]
    assert [cell.name for cell in grid.cells()] == [
        *("squat-scl-0", "squat-lrprop-open-0", "squat-scl-1", "squat-lrprop-open-1")
    ]
    assert grid.name == "tiny"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"methods": "lrprop"}, "methods: lrprop is not a list"),
        ({"seeds": []}, r"seeds: \[\] is not a list of at least one"),
        ({"methods": [{"name": "a"}]}, "give the name of a layer, or name, method and options"),
        ({"methods": ["scl", {"name": "scl", "method": "lrprop"}]}, "'scl' stands there twice"),
        ({"methods": [{"name": "all three", "method": "lrprop"}]}, "the name 'all three'"),
        ({"methods": [{"name": "raw", "method": "lrprop"}]}, "the name 'raw' is a floor row's"),
        ({"methods": [{"name": "a", "method": "lrprop", "values": {"../b": 1}}]}, "the name '../b'"),
        ({"action_options": {"sqat": {}}}, "'sqat', which is not among the actions"),
        ({"modality": "sound"}, "'sound' is neither poses nor pixels"),
        ({"paper": [5]}, "5 is none of the tables 1 to 4"),
        ({"leads": ["vava"]}, "leads: 'vava' is not among the methods"),
        ({"copy_from": ["bigger"]}, "copy_from: there is no grid 'bigger' beside this one"),
        ({"method": []}, "it needs root, profile, methods, actions and seeds"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], expected: str, tmp_path: Path) -> None:
    file = write_grid(tmp_path, **changes)
    with pytest.raises(InputError, match=expected) as error:
        read_grid(file)
    assert str(file) in str(error.value)


def test_a_broken_file_and_an_unknown_method_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("methods: [lrprop]", "", "- 1", "{"):
        broken = tmp_path / "broken.yaml"
        broken.write_text(text)
        assert main(["tables", str(broken)]) == 2
        assert "it needs root, profile, methods, actions and seeds" in capsys.readouterr().err
    unknown = write_grid(tmp_path, methods=["magic"])
    assert main(["tables", str(unknown), "--experiments", str(EXPERIMENTS)]) == 2
    assert "methods/magic.yaml does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_grids_have_the_sizes_that_they_promise(file: Path) -> None:
    grid = read_grid(file)
    sizes = {
        "penn_poses": (14, 7, 3),
        "penn_beyond": (6, 7, 3),
        "penn_other": (8, 6, 3),
        "penn_together": (4, 7, 3),
        "penn_ends": (4, 3, 3),
        "penn_ablation": (4, 7, 3),
        "penn_sensitivity": (19, 2, 1),
        "penn_schedule": (4, 2, 1),
        "synthetic_pixels": (8, 4, 3),
        "synthetic_ends": (4, 3, 3),
        "synthetic_ablation": (4, 1, 3),
    }
    assert (len(grid.methods), len(grid.actions), len(grid.seeds)) == sizes[grid.name]
    if grid.modality == "poses":
        assert grid.profile == "bench"
        epochs = grid.action_options.get("jumping_jacks", {}).get("trainer.max_epochs")
        assert epochs == (150 if any(cell.action == "jumping_jacks" for cell in grid.cells()) else None)

from __future__ import annotations

from pathlib import Path

import pytest

from lrprop.callbacks import keep_skipped, show_skipped, show_table
from lrprop.callbacks.report import COLUMNS
from lrprop.viz.plots import ROWS


def test_every_metric_of_both_protocols_fits_a_plain_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    values = {name: 0.11 + 0.05 * i for i, name in enumerate(COLUMNS)} | {"phase_progression": -2.412, "ap@30": 0.77777}
    show_table({row: dict(values) for row in ROWS}, "squat (a)")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    shown = [line for line in lines if any(name in line for name in ROWS.values())]
    assert len(shown) == len(ROWS)
    for line in shown:
        assert all(f"{100 * values[name]:.1f}" in line for name in COLUMNS), line
    assert "77.8" not in "".join(lines)


def test_skipped_videos_are_counted_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    show_skipped([])
    assert not capsys.readouterr().out
    show_skipped(["clips [old]/a.mp4: cut short; copy it again"])
    assert capsys.readouterr().out == "skipped 1 unreadable video: clips [old]/a.mp4\n"
    show_skipped(["a.mp4: cut short", "b.mp4: no frame"])
    assert capsys.readouterr().out == "skipped 2 unreadable videos: a.mp4, b.mp4\n"


def test_a_resumed_run_adds_to_what_it_skipped(tmp_path: Path) -> None:
    assert keep_skipped([], tmp_path) == []
    assert not list(tmp_path.iterdir())
    keep_skipped(["a.mp4: cut short"], tmp_path)
    assert keep_skipped(["b.mp4: no frame", "a.mp4: cut short"], tmp_path) == ["a.mp4: cut short", "b.mp4: no frame"]
    assert (tmp_path / "skipped.txt").read_text() == "a.mp4: cut short\nb.mp4: no frame\n"

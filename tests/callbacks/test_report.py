from __future__ import annotations

import pytest

from lrprop.callbacks import show_table
from lrprop.callbacks.report import COLUMNS, ROWS


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

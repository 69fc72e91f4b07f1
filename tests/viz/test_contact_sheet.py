"""`contact_sheet`: every row and every frame in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from lrprop.viz import contact_sheet
from lrprop.viz.contact_sheet import GAP, MARGIN
from lrprop.viz.drawing import HEADING_HEIGHT

TILE = 48


def row(name: str, levels: list[int], shape: tuple[int, int] = (30, 30)) -> tuple[str, np.ndarray]:
    frames = np.array(levels, np.uint8)[:, None, None, None]
    return name, np.broadcast_to(frames, (len(levels), *shape, 3))


@pytest.mark.parametrize("columns", [1, 2])
def test_rows_are_in_reading_order(tmp_path: Path, columns: Literal[1, 2]) -> None:
    rows = [row("a", [0, 30, 60]), row("b", [90, 120, 150]), row("c", [180, 210])]
    out = contact_sheet(rows, tmp_path / "new" / "sheet.png", tile=TILE, columns_of_rows=columns)
    sheet = np.asarray(Image.open(out).convert("L")).astype(int)
    step_x, step_y = 3 * TILE + 2 * GAP + 2 * MARGIN, HEADING_HEIGHT + TILE + MARGIN
    assert sheet.shape == (-(-3 // columns) * step_y + MARGIN // 2, columns * step_x)
    for k, (_, frames) in enumerate(rows):
        y = MARGIN // 2 + k // columns * step_y + HEADING_HEIGHT
        for i, level in enumerate(frames[:, 0, 0, 0]):
            x = MARGIN + k % columns * step_x + i * (TILE + GAP)
            assert sheet[y : y + TILE, x : x + TILE].mean() == pytest.approx(level, abs=3)


def test_fourteen_rows_of_six_frames_are_a_small_file(tmp_path: Path) -> None:
    noise = (
        np.random.default_rng(0).integers(0, 256, (6, 12, 12, 3), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    )
    out = contact_sheet([(f"action {k}", noise) for k in range(14)], tmp_path / "sheet.png", columns_of_rows=2)
    assert out.stat().st_size < 400_000


def test_errors_name_the_argument_and_its_value(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    with pytest.raises(ValueError, match="rows is empty"):
        contact_sheet([], out)
    with pytest.raises(ValueError, match=r"row 'b' must be a non-empty .* got uint8 of shape \(0, 9, 9, 3\)"):
        contact_sheet([row("a", [0]), ("b", np.zeros((0, 9, 9, 3), np.uint8))], out)
    with pytest.raises(ValueError, match="tile must be at least 16 pixels; got 4"):
        contact_sheet([row("a", [0])], out, tile=4)
    with pytest.raises(ValueError, match="columns_of_rows must be 1 or 2; got 3"):
        contact_sheet([row("a", [0])], out, columns_of_rows=3)  # type: ignore[arg-type]
    assert not out.exists()

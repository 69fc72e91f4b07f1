"""Rows of frames under their names, in one picture: a data set at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from lrprop.viz.clip import check_frames
from lrprop.viz.drawing import PAPER, common_tile, headed_row, letterbox, save_png

MARGIN = 12
GAP = 3


def contact_sheet(
    rows: Sequence[tuple[str, np.ndarray]], out: Path, *, tile: int = 96, columns_of_rows: Literal[1, 2] = 1
) -> Path:
    """Draw labelled rows of frames in one PNG.

    Args:
        rows: (name, (k, H, W, 3) uint8 frames) of each row; k may differ between rows.
        out: the PNG to write.
        tile: height of a frame in pixels; all tiles are as wide as the widest frame at that height, at most 4 times.
        columns_of_rows: 1: all rows below each other; 2: side by side in reading order.

    Returns:
        `out`.

    Raises:
        ValueError: where there are no rows, a row is not such an array, tile is below 16, or there are other columns.
    """
    if not rows:
        raise ValueError("rows is empty: a contact sheet needs at least one row")
    for name, frames in rows:
        check_frames(frames, f"row {name!r}")
    if tile < 16:
        raise ValueError(f"tile must be at least 16 pixels; got {tile}")
    if columns_of_rows not in (1, 2):
        raise ValueError(f"columns_of_rows must be 1 or 2; got {columns_of_rows}")
    width, height = common_tile([frames for _, frames in rows], tile, 4 * tile)
    strips = [headed_row(name, [letterbox(frame, width, height) for frame in frames], GAP) for name, frames in rows]
    return save_png(_grid(strips, columns_of_rows), out)


def _grid(strips: Sequence[Image.Image], columns: int) -> Image.Image:
    step_x = max(strip.width for strip in strips) + 2 * MARGIN
    step_y = strips[0].height + MARGIN
    lines = -(-len(strips) // columns)
    sheet = Image.new("RGB", (columns * step_x, lines * step_y + MARGIN // 2), PAPER)
    for k, strip in enumerate(strips):
        line, column = divmod(k, columns)
        sheet.paste(strip, (MARGIN + column * step_x, MARGIN // 2 + line * step_y))
    return sheet

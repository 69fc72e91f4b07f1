"""Where a path came from: one direction code a cell, and the path those codes spell.

From cell (i, j) a path goes back to (i-1, j-1), (i-1, j) or (i, j-1). A diagonal out of row 0 leaves the matrix: that
is where the path begins, at (0, 0) or, with an open beginning, at any (0, j).
"""

from __future__ import annotations

import numpy as np

from lrprop.alignment.compiled import kernel

# In the order that breaks ties.
DIAGONAL, UP, LEFT = 0, 1, 2


@kernel
def trace_paths(directions: np.ndarray, last_rows: np.ndarray, last_columns: np.ndarray) -> np.ndarray:
    """Follow the direction codes of every pair back from its last cell.

    Args:
        directions: (B, N, M) int8 codes.
        last_rows: (B,) int64, the row a path ends in.
        last_columns: (B,) int64, the column a path ends in.

    Returns:
        (B, N + M - 1, 2) int64, the matched (i, j) in ascending order at the end of each pair, -1 before them.

    Raises:
        ValueError: if a last cell lies outside (N, M).
    """
    batch, rows, columns = directions.shape
    paths = np.full((batch, rows + columns - 1, 2), -1, np.int64)
    for b in range(batch):
        i, j = last_rows[b], last_columns[b]
        if not (0 <= i < rows and 0 <= j < columns):
            raise ValueError(
                "a path ends outside its matrix of directions; lengths must be 1 <= n <= N and 1 <= m <= M"
            )
        position = rows + columns - 2
        while i >= 0 and j >= 0:  # the codes of a pair with NaN may lead out at the side
            paths[b, position, 0] = i
            paths[b, position, 1] = j
            position -= 1
            code = directions[b, i, j]
            if code != LEFT:
                i -= 1
            if code != UP:
                j -= 1
    return paths


@kernel
def first_matches(paths: np.ndarray, lengths: np.ndarray, axis: int, size: int) -> np.ndarray:
    """The smallest frame on the path that each frame of one sequence is matched with.

    Args:
        paths: (B, L, 2) int64, what `trace_paths` returns.
        lengths: (B, 2) int64, the frames n and m of each pair.
        axis: 0 asks for the frames of the first sequence, 1 for those of the second.
        size: N or M.

    Returns:
        (B, size) int64, -1 for a frame without a match, 0 on padding.

    Raises:
        ValueError: if a path visits a frame beyond `size`.
    """
    first = np.zeros((len(paths), size), np.int64)
    for b in range(len(paths)):
        first[b, : lengths[b, axis]] = -1
        for position in range(paths.shape[1] - 1, -1, -1):
            frame = paths[b, position, axis]
            if frame < 0:
                break
            if frame >= size:
                raise ValueError("a path visits a frame beyond `size`; give the N or M of its matrix")
            first[b, frame] = paths[b, position, 1 - axis]
    return first

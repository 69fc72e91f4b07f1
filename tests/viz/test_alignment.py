"""`alignment.png`: the frames that the path matches stand under one another, in the colours of their phases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrprop.viz import Clip, draw_alignment
from lrprop.viz.drawing import BORDER, CAPTION_HEIGHT, HEADING_HEIGHT, phase_colour

N, M, SIDE, COLUMNS = 21, 31, 40, 5


def grey_clip(name: str, n: int, labels: np.ndarray | None = None, shape: tuple[int, int] = (SIDE, SIDE)) -> Clip:
    """Frame i is a plain grey of level 8 i: the picture tells which frame it shows."""
    frames = np.broadcast_to((8 * np.arange(n, dtype=np.uint8))[:, None, None, None], (n, *shape, 3))
    return Clip(name, frames, labels, 25.0)


def bent_path(n: int, m: int) -> np.ndarray:
    """Along the first column for half of the second video, then diagonally."""
    wait = [(0, j) for j in range(m - n + 1)]
    return np.array(wait + [(i, m - n + i) for i in range(1, n)])


def strips(picture: np.ndarray, tile: int) -> tuple[list[list[int]], list[list[tuple[int, ...]]]]:
    """The frame numbers and the border colours that the three rows show, read from the pixels."""
    step_y = HEADING_HEIGHT + tile + 2 * BORDER + CAPTION_HEIGHT + 14
    tops = [picture.shape[0] - 14 - step_y * k + HEADING_HEIGHT for k in (3, 2, 1)]
    lefts = np.rint(40 + np.arange(COLUMNS) * ((1520 - tile - 2 * BORDER) // (COLUMNS - 1))).astype(int)
    inside = np.arange(BORDER, BORDER + tile)  # the mean of a tile: single pixels are dithered
    means = [[picture[np.ix_(top + inside, left + inside)].mean() for left in lefts] for top in tops]
    numbers = [[round(float(mean) / 8) for mean in row] for row in means]
    return numbers, [[tuple(picture[top + 1, left + 1].tolist()) for left in lefts] for top in tops]


@pytest.fixture
def picture(tmp_path: Path) -> np.ndarray:
    first = grey_clip("one", N, np.arange(N) // 7)
    second = grey_clip("two", M, np.arange(M) // 11)
    out = draw_alignment(first, second, np.ones((N, M)), bent_path(N, M), tmp_path / "a.png", columns=COLUMNS)
    assert out.stat().st_size < 600_000
    return np.asarray(Image.open(out).convert("RGB"))


def test_matched_frames_stand_under_each_other(picture: np.ndarray) -> None:
    numbers, _ = strips(picture, 240)
    assert picture.shape[1] == 1600
    assert numbers == [[0, 5, 10, 15, 20], [5, 15, 20, 25, 30], [0, 8, 15, 22, 30]]


def test_borders_have_the_colours_of_the_phases(picture: np.ndarray) -> None:
    numbers, borders = strips(picture, 240)
    for row, length in ((0, 7), (1, 11), (2, 11)):
        assert borders[row] == [phase_colour(number // length) for number in numbers[row]]


def test_two_sizes_without_labels_in_a_new_folder(tmp_path: Path) -> None:
    first, second = grey_clip("a$b$", 3, shape=(20, 50)), grey_clip("long " * 50, 1, shape=(50, 20))
    path = np.array([(0, 0), (1, 0), (2, 0)])
    out = draw_alignment(first, second, np.zeros((3, 1)), path, tmp_path / "new" / "a.png", title="$" * 400)
    assert Image.open(out).width == 1600


def test_matplotlibs_global_state_is_left_alone(tmp_path: Path, picture: np.ndarray) -> None:
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cost": np.ones((M, N))}, r"cost must have the videos' lengths \(21, 31\); got shape \(31, 21\)"),
        ({"cost": np.full((N, M), np.inf)}, r"cost must be finite; cost\[0, 0\] is inf"),
        ({"path": bent_path(N, M + 1)}, r"path holds \(20, 31\), but the videos have 21 and 31 frames"),
        ({"path": bent_path(N, M)[:-1]}, "path matches no frame of the second video to frame 20"),
        ({"columns": 1}, "columns must be from 2 to 16; got 1"),
        ({"columns": 17}, "columns must be from 2 to 16; got 17"),
    ],
)
def test_errors_name_the_argument_and_its_value(tmp_path: Path, change: dict[str, object], message: str) -> None:
    arguments = {"cost": np.ones((N, M)), "path": bent_path(N, M), **change}
    with pytest.raises(ValueError, match=message):
        draw_alignment(grey_clip("one", N), grey_clip("two", M), out=tmp_path / "a.png", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "a.png").exists()

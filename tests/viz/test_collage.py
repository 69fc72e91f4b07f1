"""Tiles and how they are put together."""

from __future__ import annotations

import numpy as np
from PIL import Image

from lrprop.viz.collage import below, beside, differ, tile
from lrprop.viz.drawing import BORDER, CAPTION_HEIGHT, phase_colour
from tests.viz.test_alignment import grey_clip


def test_images_keep_their_places() -> None:
    red, blue = Image.new("RGB", (4, 6), (255, 0, 0)), Image.new("RGB", (10, 3), (0, 0, 255))
    row, column = beside([red, blue], 2), below([red, blue], 2)
    assert (row.size, column.size) == ((16, 6), (10, 11))
    assert [row.getpixel(at) for at in ((3, 5), (4, 0), (6, 2), (15, 3))] == [
        (255, 0, 0),
        (255, 255, 255),
        (0, 0, 255),
        (255, 255, 255),
    ]
    assert [column.getpixel(at) for at in ((3, 5), (4, 5), (0, 6), (9, 8))] == [
        (255, 0, 0),
        (255, 255, 255),
        (255, 255, 255),
        (0, 0, 255),
    ]


def test_a_tile_has_the_colour_of_its_phase_and_a_mark_where_it_is_wrong() -> None:
    clip = grey_clip("a", 9, np.arange(9) // 3)
    right, wrong = tile(clip, 7, (40, 40)), tile(clip, 7, (40, 40), is_wrong=True)
    assert right.size == (40 + 2 * BORDER, 40 + 2 * BORDER + CAPTION_HEIGHT)
    assert right.getpixel((0, 0)) == phase_colour(2)
    assert right.getpixel((20, 20)) == (56, 56, 56)
    different = np.asarray(right) != np.asarray(wrong)
    assert different[-CAPTION_HEIGHT:].any()
    assert not different[:-CAPTION_HEIGHT].any()


def test_unknown_phases_neither_agree_nor_differ() -> None:
    assert [differ(1, 1), differ(1, 2), differ(None, 1), differ(0, None)] == [False, True, None, None]

"""What all pictures share: phase colours that mean the same everywhere, text in its box, frames in their shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lrprop.viz import Clip
from lrprop.viz.drawing import (
    MAT,
    NO_PHASE,
    PAPER,
    PHASE_COLOURS,
    common_tile,
    frame_caption,
    letterbox,
    phase_band,
    phase_colour,
    save_png,
    write,
)

FRAMES = np.zeros((4, 6, 8, 3), np.uint8)


def test_phases_are_the_same_colours_in_bands_and_captions() -> None:
    clip = Clip("a", FRAMES, np.array([-1, 0, 1, 8]), 25.0)
    assert [tuple(colour) for colour in phase_band(clip)] == [phase_colour(clip.phase(i)) for i in range(4)]
    assert phase_colour(None) == NO_PHASE
    assert phase_colour(8) == PHASE_COLOURS[1]
    assert [frame_caption(clip, i) for i in (0, 3)] == ["0 · no phase", "3 · phase 8"]


def test_without_labels_there_is_no_phase() -> None:
    clip = Clip("a", FRAMES, None, 25.0)
    assert (phase_band(clip) == NO_PHASE).all()
    assert frame_caption(clip, 2) == "frame 2"


@pytest.mark.parametrize(("height", "width"), [(20, 80), (80, 20), (31, 31)])
def test_letterbox_keeps_the_aspect_and_fills_with_the_mat(height: int, width: int) -> None:
    box = np.asarray(letterbox(np.zeros((height, width, 3), np.uint8), 60, 60))
    rows, columns = np.nonzero((box == 0).all(axis=-1))
    assert box.shape == (60, 60, 3)
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(width / height, rel=0.05)
    assert max(np.ptp(rows), np.ptp(columns)) == 59
    assert {tuple(pixel) for pixel in box.reshape(-1, 3)} <= {(0, 0, 0), MAT}


def test_common_tile_is_as_wide_as_the_widest_and_never_too_wide() -> None:
    tall, wide = np.zeros((1, 40, 20, 3)), np.zeros((1, 10, 20, 3))
    assert common_tile([tall, wide], 100, 500) == (200, 100)
    assert common_tile([tall, wide], 100, 150) == (150, 75)


@pytest.mark.parametrize("text", ["short", "a line that does not fit at any size " * 4])
def test_text_stays_in_its_box(text: str) -> None:
    image = Image.new("RGB", (200, 40), PAPER)
    write(ImageDraw.Draw(image), text, (20, 10, 120, 30))
    left, top, right, bottom = Image.eval(image, lambda value: 255 - value).getbbox() or (0, 0, 0, 0)
    assert 20 <= left < right <= 121
    assert 8 <= top < bottom <= 32


def test_a_png_of_a_photograph_keeps_the_phase_colours(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    pixels[:7, :7] = np.array(PHASE_COLOURS)[:, None]
    pixels[100:120], pixels[120:140] = PAPER, (250, 128, 114)
    saved = np.asarray(Image.open(save_png(Image.fromarray(pixels), tmp_path / "new" / "a.png")).convert("RGB"))
    np.testing.assert_array_equal(saved[:7, :7], pixels[:7, :7])
    assert (saved[101:119] == PAPER).all()
    assert np.abs(saved.astype(int) - pixels).mean() < 20

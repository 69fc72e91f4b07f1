"""What all pictures share: the phase colours, the typeface, captioned tiles and strips of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lrprop.viz.clip import Clip

Colour = tuple[int, int, int]

# Okabe & Ito's colour-blind-safe set, weak yellow near the end and no two alike side by side.
PHASE_COLOURS: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 114, 178),
    (204, 121, 167),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
)
NO_PHASE: Colour = (176, 180, 186)
PAPER: Colour = (255, 255, 255)
MAT: Colour = (240, 241, 243)
INK: Colour = (34, 38, 46)
CAPTION_HEIGHT = 24
HEADING_HEIGHT = 28
BORDER = 3


def phase_colour(phase: int | None) -> Colour:
    """The colour of a phase in every picture: seven colours, in turn; grey for a frame without a phase."""
    return NO_PHASE if phase is None else PHASE_COLOURS[phase % len(PHASE_COLOURS)]


def phase_band(clip: Clip) -> np.ndarray:
    """The phases of a clip as a line of colours, (n, 3) uint8."""
    labels = np.full(len(clip), -1) if clip.labels is None else np.asarray(clip.labels)
    colours = np.array(PHASE_COLOURS, np.uint8)[labels % len(PHASE_COLOURS)]
    return np.where(labels[:, None] < 0, np.array(NO_PHASE, np.uint8), colours)


def frame_caption(clip: Clip, index: int) -> str:
    """The line under a frame: its number, and its phase where the clip has labels."""
    if clip.labels is None:
        return f"frame {index}"
    phase = clip.phase(index)
    return f"{index} · no phase" if phase is None else f"{index} · phase {phase}"


def ink_on(background: Colour) -> Colour:
    """Black or white, whichever reads better on a background (by Rec. 601 luma)."""
    return INK if np.dot(background, (0.299, 0.587, 0.114)) > 118 else PAPER


@lru_cache
def typeface(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib ships it, so that plots and frames share one typeface on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def write(
    draw: ImageDraw.ImageDraw,
    text: str,
    box: tuple[int, int, int, int],
    *,
    colour: Colour = INK,
    size: int = 14,
    bold: bool = False,
    centred: bool = False,
) -> None:
    """Write one line inside a box: smaller where it does not fit, down to 9 pixels, then cut with an ellipsis.

    Args:
        draw: what to write on.
        text: the line.
        box: left, top, right, bottom in pixels.
        colour: of the letters.
        size: the wanted height of the typeface in pixels.
        bold: whether to use the bold face.
        centred: centred in the box, else from its left edge.
    """
    left, top, right, bottom = box
    while size > 9 and typeface(size, bold).getlength(text) > right - left:
        size -= 1
    face = typeface(size, bold)
    while len(text) > 1 and face.getlength(text) > right - left:
        text = text[:-2] + "…"
    x = (left + right) / 2 if centred else left
    draw.text((x, (top + bottom) / 2), text, fill=colour, font=face, anchor="mm" if centred else "lm")


def letterbox(frame: np.ndarray, width: int, height: int) -> Image.Image:
    """A frame scaled to fit a box with its aspect kept, centred on the mat.

    Args:
        frame: (H, W, 3) uint8.
        width: of the box in pixels.
        height: of the box in pixels.

    Returns:
        an RGB image of exactly width x height.
    """
    scale = min(width / frame.shape[1], height / frame.shape[0])
    size = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
    tile = Image.new("RGB", (width, height), MAT)
    image = Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    tile.paste(image, ((width - size[0]) // 2, (height - size[1]) // 2))
    return tile


def captioned(frame: np.ndarray, caption: str, colour: Colour, width: int, height: int) -> Image.Image:
    """A frame in a border of its phase's colour, over a caption on the same colour.

    Args:
        frame: (H, W, 3) uint8.
        caption: one line.
        colour: of the border and the caption's ground.
        width: of the letterboxed frame in pixels.
        height: of the letterboxed frame in pixels.

    Returns:
        an RGB image, `2 * BORDER` wider than the frame, `2 * BORDER + CAPTION_HEIGHT` higher.
    """
    tile = Image.new("RGB", (width + 2 * BORDER, height + 2 * BORDER + CAPTION_HEIGHT), colour)
    tile.paste(letterbox(frame, width, height), (BORDER, BORDER))
    box = (BORDER, height + BORDER, tile.width - BORDER, tile.height - 1)
    write(ImageDraw.Draw(tile), caption, box, colour=ink_on(colour), centred=True)
    return tile


def headed_row(heading: str, tiles: Sequence[Image.Image], gap: int) -> Image.Image:
    """Tiles of one size side by side under a heading.

    Args:
        heading: one line.
        tiles: at least one image, all of one size.
        gap: pixels between two tiles.

    Returns:
        an RGB image.
    """
    step = tiles[0].width + gap
    row = Image.new("RGB", (step * len(tiles) - gap, HEADING_HEIGHT + tiles[0].height), PAPER)
    write(ImageDraw.Draw(row), heading, (0, 0, row.width, HEADING_HEIGHT - 2), size=16, bold=True)
    for k, tile in enumerate(tiles):
        row.paste(tile, (k * step, HEADING_HEIGHT))
    return row


def common_tile(clips: Sequence[np.ndarray], height: int, widest: int) -> tuple[int, int]:
    """The box for frames of several sizes: a common height, lower where that makes the widest too wide.

    Args:
        clips: stacks of frames, (n, H, W, 3) each.
        height: wanted, in pixels.
        widest: the largest width allowed, in pixels.

    Returns:
        width and height in pixels.
    """
    aspect = max(frames.shape[2] / frames.shape[1] for frames in clips)
    height = min(height, round(widest / aspect))
    return min(widest, round(aspect * height)), height


def save_png(image: Image.Image, out: Path, exact: Sequence[Colour] = ()) -> Path:
    """Write a PNG of at most 256 colours: photographs take a third of the bytes of full colour.

    Phase colours, ink and paper are kept as they are, so that a colour means the same in every picture; the rest of
    the palette is the image's own.

    Args:
        image: RGB.
        out: the file; its folder is made.
        exact: at most 200 more colours to keep as they are.

    Returns:
        `out`.
    """
    kept = np.array([*PHASE_COLOURS, NO_PHASE, PAPER, MAT, INK, *exact])
    # k-means takes half the error off the median cut, and a sixteenth of the pixels is enough for it.
    sample = image.resize((-(-image.width // 4), -(-image.height // 4)), Image.Resampling.NEAREST)
    own = np.reshape(sample.quantize(256 - len(kept), Image.Quantize.MEDIANCUT, kmeans=1).getpalette() or [], (-1, 3))
    # Pillow looks a colour up by the lower corner of its cell, 4 levels wide: what lies within 8 could take its place.
    distinct = own[np.abs(own[:, None] - kept).max(axis=2).min(axis=1) > 8]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([kept, distinct]).ravel().tolist())
    out.parent.mkdir(parents=True, exist_ok=True)
    image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(out, "PNG", optimize=True)
    return out

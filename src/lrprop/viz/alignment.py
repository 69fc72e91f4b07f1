"""`alignment.png`: the cost, the path through it, and the frames that it brings together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from PIL import Image, ImageDraw

from lrprop.viz.clip import Clip
from lrprop.viz.drawing import (
    BORDER,
    INK,
    NO_PHASE,
    PAPER,
    PHASE_COLOURS,
    Colour,
    captioned,
    common_tile,
    frame_caption,
    headed_row,
    phase_band,
    phase_colour,
    save_png,
    write,
)
from lrprop.viz.warp import check_path, matched_frames, same_time_frames

WIDTH, MARGIN, GAP, SPACING = 1600, 40, 8, 14
TITLE_HEIGHT, PLOTS_HEIGHT, DPI = 64, 480, 100
TILE_HEIGHT = 240
COLOUR_MAP = "magma"
HALO = [withStroke(linewidth=4, foreground="#22262e")]
SAME_TIME_LINE: dict[str, Any] = {"color": "#b4b4bc", "lw": 1.3, "ls": (0, (4, 4))}
PATH_LINE: dict[str, Any] = {"color": "white", "lw": 2, "path_effects": HALO}
SHOWN_DOTS: dict[str, Any] = {
    "color": "white",
    "marker": "o",
    "ms": 6.5,
    "mec": "#22262e",
    "mew": 1.4,
    "ls": "none",
    "clip_on": False,
}


def draw_alignment(
    first: Clip,
    second: Clip,
    cost: np.ndarray,
    path: np.ndarray,
    out: Path,
    *,
    title: str | None = None,
    columns: int = 8,
) -> Path:
    """Draw how a path aligns two videos.

    Top left the cost matrix with the path; top right both time lines with the matches between them; below, evenly
    spaced frames of the first video, the frames of the second that the path matches to them (the middle match of
    several), and for contrast those at the same normalised time. Phases are colours, the same everywhere.

    Args:
        first: n frames; rows of the cost.
        second: m frames; columns of the cost.
        cost: (n, m) finite distances between frames.
        path: (L, 2) integers, the matched pairs (i, j); every i has a match.
        out: the PNG to write, 1600 pixels wide.
        title: one line over the picture; the two ids where it is None.
        columns: how many frames to show, from 2 to 16; a video with fewer shows some twice.

    Returns:
        `out`.

    Raises:
        ValueError: naming the argument that does not fit the clips, and its value.
    """
    path = check_path(path, len(first), len(second))
    _check(first, second, np.asarray(cost), columns)
    shown = np.rint(np.linspace(0, len(first) - 1, columns)).astype(np.int64)
    matched = matched_frames(path, len(first), len(second))[shown]
    unaligned = same_time_frames(len(first), len(second))[shown]
    rows = [
        (first.id, first, shown),
        (f"{second.id}, aligned: the frames that the path matches", second, matched),
        (f"{second.id}, not aligned: the same normalised time", second, unaligned),
    ]
    plots = _plots(first, second, np.asarray(cost), path, np.stack([shown, matched], axis=1))
    room = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) // columns - 2 * BORDER
    tile = common_tile([first.frames, second.frames], TILE_HEIGHT, room)
    strips = [_strip(heading, clip, indices, tile) for heading, clip, indices in rows]
    return save_png(_stack(title or f"{first.id} and {second.id}", plots, strips), out, exact=_exact_colours())


def _check(first: Clip, second: Clip, cost: np.ndarray, columns: int) -> None:
    if cost.shape != (len(first), len(second)):
        raise ValueError(f"cost must have the videos' lengths ({len(first)}, {len(second)}); got shape {cost.shape}")
    if not np.isfinite(cost).all():
        i, j = np.argwhere(~np.isfinite(cost))[0]
        raise ValueError(f"cost must be finite; cost[{i}, {j}] is {cost[i, j]}")
    if not 2 <= columns <= 16:
        raise ValueError(f"columns must be from 2 to 16; got {columns}")


def _strip(heading: str, clip: Clip, indices: np.ndarray, tile: tuple[int, int]) -> Image.Image:
    tiles = [captioned(clip.frames[i], frame_caption(clip, i), phase_colour(clip.phase(i)), *tile) for i in indices]
    # Tiles narrower than their share spread over the full width.
    gap = (WIDTH - 2 * MARGIN - len(tiles) * tiles[0].width) // max(len(tiles) - 1, 1)
    return headed_row(heading, tiles, gap)


def _stack(title: str, plots: Image.Image, strips: Sequence[Image.Image]) -> Image.Image:
    height = TITLE_HEIGHT + plots.height + sum(strip.height + SPACING for strip in strips) + SPACING
    picture = Image.new("RGB", (WIDTH, height), PAPER)
    write(ImageDraw.Draw(picture), title, (MARGIN, 12, WIDTH - MARGIN, TITLE_HEIGHT), size=26, bold=True)
    picture.paste(plots, (0, TITLE_HEIGHT))
    y = TITLE_HEIGHT + plots.height
    for strip in strips:
        picture.paste(strip, (MARGIN, y))
        y += strip.height + SPACING
    return picture


def _plots(first: Clip, second: Clip, cost: np.ndarray, path: np.ndarray, shown: np.ndarray) -> Image.Image:
    figure = Figure(figsize=(WIDTH / DPI, PLOTS_HEIGHT / DPI), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    _draw_cost(figure, first, second, cost, path, shown)
    _draw_time_lines(figure, first, second, path, shown)
    pixels, size = canvas.print_to_buffer()  # type: ignore[no-untyped-call]
    return Image.frombuffer("RGBA", size, pixels).convert("RGB")


def _axes(figure: Figure, left: int, top: int, width: int, height: int) -> Axes:
    """Axes at pixels of the plots' picture, counted from its upper left corner."""
    return figure.add_axes((left / WIDTH, 1 - (top + height) / PLOTS_HEIGHT, width / WIDTH, height / PLOTS_HEIGHT))


def _draw_cost(
    figure: Figure, first: Clip, second: Clip, cost: np.ndarray, path: np.ndarray, shown: np.ndarray
) -> None:
    side, left, top, band = 370, 130, 18, 12
    axes = _axes(figure, left, top, side, side)
    image = axes.imshow(cost, origin="lower", aspect="auto", cmap=COLOUR_MAP, interpolation="nearest")
    axes.plot([0, len(second) - 1], [0, len(first) - 1], **SAME_TIME_LINE)
    axes.plot(path[:, 1], path[:, 0], clip_on=False, **PATH_LINE)
    axes.plot(shown[:, 1], shown[:, 0], **SHOWN_DOTS)
    axes.set_axis_off()
    rows = _axes(figure, left - band - 3, top, band, side)
    rows.imshow(phase_band(first)[:, None], origin="lower", aspect="auto", interpolation="nearest")
    rows.set(xticks=[], ylabel=f"{_short(first.id, 28)}  (frame)")
    columns = _axes(figure, left, top + side + 3, side, band)
    columns.imshow(phase_band(second)[None], aspect="auto", interpolation="nearest")
    columns.set(yticks=[], xlabel=f"{_short(second.id, 28)}  (frame)")
    scale = _axes(figure, left + side + 14, top, band, side)
    figure.colorbar(image, cax=scale, label="cost").outline.set_visible(False)
    for ax in (rows, columns, scale):
        ax.tick_params(labelsize=10.5, length=3, color="#888888")
        for label in (ax.xaxis.label, ax.yaxis.label):
            label.set(fontsize=12, parse_math=False)
        ax.spines[:].set_visible(False)


def _draw_time_lines(figure: Figure, first: Clip, second: Clip, path: np.ndarray, shown: np.ndarray) -> None:
    left, width, bar, top, bottom = 690, WIDTH - MARGIN - 690, 24, 48, 300
    for clip, bar_top, text_at in ((first, top, top - 16), (second, bottom, bottom + bar + 16)):
        axes = _axes(figure, left, bar_top, width, bar)
        axes.imshow(phase_band(clip)[None], aspect="auto", interpolation="nearest")
        axes.set_axis_off()
        text = f"{_short(clip.id, 60)}:  {len(clip)} frames,  {len(clip) / clip.fps:.1f} s"
        figure.text(left / WIDTH, 1 - text_at / PLOTS_HEIGHT, text, fontsize=12, va="center", parse_math=False)
    axes = _axes(figure, left, top + bar, width, bottom - top - bar)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_axis_off()
    colours = _tint(phase_band(first)[path[:, 0]]) / 255
    axes.add_collection(LineCollection(_matches(path, first, second), colors=colours, linewidths=1))
    axes.add_collection(LineCollection(_matches(shown, first, second), colors=_hex(INK), linewidths=1.6))
    for handles, y in ((_mark_keys(), 364), (_phase_keys(first, second), 396)):
        corner = ((left - 12) / WIDTH, 1 - y / PLOTS_HEIGHT)
        figure.legend(handles=handles, ncols=6, loc="upper left", bbox_to_anchor=corner, frameon=False, fontsize=12)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _matches(pairs: np.ndarray, first: Clip, second: Clip) -> list[np.ndarray]:
    """L lines (2, 2) from the upper to the lower time line; both run over the full width."""
    x = (pairs + 0.5) / (len(first), len(second))
    y = np.broadcast_to([1.0, 0.0], x.shape)
    return list(np.stack([x, y], axis=2))


def _phase_keys(first: Clip, second: Clip) -> list[Patch]:
    phases = [clip.phase(i) for clip in (first, second) if clip.labels is not None for i in range(len(clip))]
    known = sorted({phase for phase in phases if phase is not None})
    keys = [Patch(color=_hex(phase_colour(phase)), label=f"phase {phase}") for phase in known]
    return keys + [Patch(color=_hex(NO_PHASE), label="no phase")] * (None in phases)


def _mark_keys() -> list[Line2D]:
    return [
        Line2D([], [], label="path", **PATH_LINE),
        Line2D([], [], label="same normalised time", **SAME_TIME_LINE),
        Line2D([], [], label="frames shown below", **SHOWN_DOTS),
    ]


def _tint(colours: np.ndarray) -> np.ndarray:
    """Lighter colours, for the many lines that must not drown the few."""
    return np.rint(255 - 0.6 * (255 - colours.astype(np.float64)))


def _exact_colours() -> list[Colour]:
    """The tints, and enough of the colour map that the cost shows no bands."""
    cost = colormaps[COLOUR_MAP](np.linspace(0, 1, 64), bytes=True)[:, :3]
    red_green_blue = np.concatenate([_tint(np.array(PHASE_COLOURS)), cost]).astype(int)
    return [(r, g, b) for r, g, b in red_green_blue.tolist()]


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)

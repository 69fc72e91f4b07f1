"""`alignment.mp4`: the second video played on the first one's time line, beside what it shows without alignment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lrprop.data.videofile import write_video
from lrprop.viz.clip import Clip
from lrprop.viz.drawing import (
    INK,
    PAPER,
    captioned,
    common_tile,
    frame_caption,
    headed_row,
    phase_band,
    phase_colour,
)
from lrprop.viz.warp import matched_frames, same_time_frames

MARGIN, GAP = 12, 12
BAR_HEIGHT, BAR_MARGIN = 10, 5
TALLEST, WIDEST, NARROWEST = 480, 640, 200


def write_alignment_video(first: Clip, second: Clip, path: np.ndarray, out: Path) -> Path:
    """Write the two videos side by side: the first, the second warped onto its time line, and the second not aligned.

    Frame t shows frame t of the first video, the middle one of the frames of the second that the path matches to it,
    and the frame of the second at the same normalised time. Under each: its number, its phase, and a time line in
    phase colours with a marker, which in the warped panel runs faster or slower, or waits.

    Args:
        first: n frames; its fps is that of the file.
        second: m frames.
        path: (L, 2) integers, the matched pairs (i, j); every i has a match.
        out: the video to write, of n frames and even sides.

    Returns:
        `out`.

    Raises:
        ValueError: where the path does not fit the clips.
    """
    n, m = len(first), len(second)
    panels = [
        (first.id, first, np.arange(n)),
        (f"{second.id}, aligned", second, matched_frames(path, n, m)),
        (f"{second.id}, not aligned", second, same_time_frames(n, m)),
    ]
    write_video(out, _frames(panels), first.fps)
    return out


def _frames(panels: Sequence[tuple[str, Clip, np.ndarray]]) -> Iterator[np.ndarray]:
    stacks = [clip.frames for _, clip, _ in panels]
    # Frames are not blown up, and a narrow panel would have no room for its caption.
    width, height = common_tile(stacks, min(TALLEST, max(stack.shape[1] for stack in stacks)), WIDEST)
    width = max(width, NARROWEST)
    for t in range(len(panels[0][2])):
        yield _side_by_side([_panel(heading, clip, shown[t], width, height) for heading, clip, shown in panels])


def _panel(heading: str, clip: Clip, index: int, width: int, height: int) -> Image.Image:
    tile = captioned(clip.frames[index], frame_caption(clip, index), phase_colour(clip.phase(index)), width, height)
    headed = headed_row(heading, [tile], 0)
    panel = Image.new("RGB", (headed.width, headed.height + BAR_HEIGHT + 2 * BAR_MARGIN), PAPER)
    panel.paste(headed, (0, 0))
    _draw_bar(panel, clip, index, headed.height + BAR_MARGIN)
    return panel


def _draw_bar(panel: Image.Image, clip: Clip, index: int, top: int) -> None:
    """The clip's time line in phase colours, with a marker at one frame."""
    bar = Image.fromarray(phase_band(clip)[None]).resize((panel.width, BAR_HEIGHT), Image.Resampling.NEAREST)
    panel.paste(bar, (0, top))
    x = round((index + 0.5) / len(clip) * panel.width)
    marker = [x - 3, top - BAR_MARGIN + 1, x + 3, top + BAR_HEIGHT + BAR_MARGIN - 2]
    ImageDraw.Draw(panel).rounded_rectangle(marker, radius=3, fill=INK, outline=PAPER)


def _side_by_side(panels: Sequence[Image.Image]) -> np.ndarray:
    step = panels[0].width + GAP
    width, height = step * len(panels) - GAP + 2 * MARGIN, panels[0].height + 2 * MARGIN
    # H.264 in yuv420p needs even sides.
    canvas = Image.new("RGB", (width + width % 2, height + height % 2), PAPER)
    for k, panel in enumerate(panels):
        canvas.paste(panel, (MARGIN + k * step, MARGIN))
    return np.asarray(canvas)

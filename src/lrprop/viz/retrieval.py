"""Query-frame retrieval: frames of one video and what each method takes for the same moment in others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from lrprop.batch import EmbeddedVideo
from lrprop.viz.clip import Clip
from lrprop.viz.collage import below, beside, differ, tile
from lrprop.viz.drawing import BORDER, PAPER, common_tile, write

TILE_HEIGHT, WIDEST, GAP, BLOCK_GAP = 110, 140, 4, 36
HEADING_HEIGHT, NAME_HEIGHT = 26, 16


@dataclass(frozen=True, eq=False)
class Retrieved:
    """A frame that was found, or asked for.

    Attributes:
        clip: its video.
        index: its number.
        wanted: the phase of the query; None where it has none, or for the query itself.
    """

    clip: Clip
    index: int
    wanted: int | None = None

    @property
    def phase(self) -> int | None:
        """Its own phase."""
        return self.clip.phase(self.index)

    @property
    def is_wrong(self) -> bool | None:
        """Whether it is of another phase than the query; None where one of the two has no phase."""
        return differ(self.phase, self.wanted)


def nearest_frames(embedding: np.ndarray, videos: Sequence[EmbeddedVideo]) -> list[int]:
    """The frame of each video whose embedding is nearest to a given one, by Euclidean distance.

    Args:
        embedding: (D,) of the query frame.
        videos: those to look in.

    Returns:
        A frame number for each video; the first of several that are equally near.
    """
    return [int(np.linalg.norm(video.embeddings - embedding, axis=1).argmin()) for video in videos]


def draw_retrieval(
    clips: Sequence[Clip],
    methods: Mapping[str, Sequence[EmbeddedVideo]],
    query: int = 0,
    *,
    queries: int = 6,
    others: int = 3,
) -> Image.Image:
    """Draw query frames and their nearest frames in other videos, methods side by side (as LRProp, Figure 3).

    A row for each of some evenly spaced frames of the query video. Borders and captions tell the phases; "≠" marks a
    frame that is not of the query's phase, and the headings count those that are.

    Args:
        clips: the frames of the videos, all of one action.
        methods: the same videos in the same order, as embedded by each method.
        query: index of the video that the queries are from.
        queries: number of query frames, the first and the last frame being left out.
        others: number of other videos to look in, the first that there are.

    Returns:
        An RGB picture.

    Raises:
        ValueError: fewer than 2 clips, or embeddings of other videos.
    """
    _check(clips, methods)
    shown = np.rint(np.linspace(0, len(clips[query]) - 1, queries + 2)[1:-1]).astype(int).tolist()
    targets = [k for k in range(len(clips)) if k != query][:others]
    size = common_tile([clip.frames for clip in clips], TILE_HEIGHT, WIDEST)
    asked = [Retrieved(clips[query], i) for i in shown]
    blocks = [_block("query", [[frame] for frame in asked], size)]
    for method, videos in methods.items():
        found = [nearest_frames(videos[query].embeddings[i], [videos[k] for k in targets]) for i in shown]
        rows = [
            [Retrieved(clips[k], j, frame.phase) for k, j in zip(targets, frames, strict=True)]
            for frame, frames in zip(asked, found, strict=True)
        ]
        blocks.append(_block(f"{method}{_tally(rows)}", rows, size))
    return beside(blocks, BLOCK_GAP)


def _check(clips: Sequence[Clip], methods: Mapping[str, Sequence[EmbeddedVideo]]) -> None:
    if len(clips) < 2 or not methods:
        raise ValueError(f"{len(clips)} clip(s) and {len(methods)} method(s): give at least 2 clips and 1 method")
    for method, videos in methods.items():
        if [video.id for video in videos] != [clip.id for clip in clips]:
            raise ValueError(f"{method} has embeddings of other videos than the clips {[clip.id for clip in clips]}")
        for video, clip in zip(videos, clips, strict=True):
            if len(video.embeddings) != len(clip):
                raise ValueError(f"{method}: {clip.id} has {len(clip)} frames and {len(video.embeddings)} embeddings")


def _tally(rows: Sequence[Sequence[Retrieved]]) -> str:
    judged = [frame.is_wrong for row in rows for frame in row if frame.is_wrong is not None]
    return f": {judged.count(False)} of {len(judged)} in the query's phase" if judged else ""


def _block(heading: str, rows: Sequence[Sequence[Retrieved]], size: tuple[int, int]) -> Image.Image:
    """Rows of frames under the names of their videos, these under the heading."""
    tiles = [beside([tile(frame.clip, frame.index, size, bool(frame.is_wrong)) for frame in row], GAP) for row in rows]
    names = beside([_name(frame.clip.id, size[0] + 2 * BORDER) for frame in rows[0]], GAP)
    return below([_line(heading, tiles[0].width, HEADING_HEIGHT, bold=True), names, *tiles], GAP)


def _name(text: str, width: int) -> Image.Image:
    return _line(text, width, NAME_HEIGHT, bold=False)


def _line(text: str, width: int, height: int, bold: bool) -> Image.Image:
    line = Image.new("RGB", (width, height), PAPER)
    write(ImageDraw.Draw(line), text, (0, 0, width, height), size=15 if bold else 12, bold=bold)
    return line

"""The worst-aligned pairs of videos, and what a number such as 62 % looks like in frames."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nsmallest
from itertools import combinations

import numpy as np
from PIL import Image

from lrprop.batch import EmbeddedVideo
from lrprop.viz.aligned_pair import AlignedPair, align
from lrprop.viz.clip import Clip
from lrprop.viz.collage import below, differ, tile
from lrprop.viz.drawing import BORDER, common_tile, headed_row
from lrprop.viz.warp import matched_frames

WIDTH, GAP, TILE_HEIGHT = 1200, 6, 120


def worst_pairs(videos: Sequence[EmbeddedVideo], count: int = 3) -> list[AlignedPair]:
    """The pairs of videos of one action that are aligned worst, by their DTW accuracy.

    Args:
        videos: with phases; of n videos all n (n - 1) / 2 pairs are aligned.
        count: how many pairs, at least 1.

    Returns:
        At most `count` pairs, the worst first; a pair whose accuracy is not known is left out.

    Raises:
        ValueError: no pair has an accuracy, for want of labels or of videos.
    """
    pairs = (align(first, second) for first, second in combinations(videos, 2) if first.action == second.action)
    worst = nsmallest(count, (pair for pair in pairs if not np.isnan(pair.accuracy)), key=lambda pair: pair.accuracy)
    if not worst:
        raise ValueError(f"no pair of the {len(videos)} videos has phase labels on both sides, which judge a path")
    return worst


def draw_worst_pairs(pairs: Sequence[AlignedPair], clips: Sequence[Clip], columns: int = 10) -> Image.Image:
    """Draw pairs of videos as two rows of frames each: evenly spaced ones of the first, and their matches below.

    Borders and captions tell the phases; "≠" marks a match of another phase, where the path is wrong.

    Args:
        pairs: such as `worst_pairs` returns; at least one.
        clips: the frames of their videos, among others.
        columns: how many frames of the first video.

    Returns:
        An RGB picture.

    Raises:
        ValueError: no pair, or a video without its clip.
    """
    if not pairs:
        raise ValueError("pairs is empty: a picture needs at least one")
    by_id = {clip.id: clip for clip in clips}
    lacking = {video.id for pair in pairs for video in (pair.first, pair.second)} - by_id.keys()
    if lacking:
        raise ValueError(f"clips lack {', '.join(sorted(lacking))}")
    return below([below(_rows(pair, by_id, columns), GAP) for pair in pairs], 3 * GAP)


def _rows(pair: AlignedPair, clips: dict[str, Clip], columns: int) -> list[Image.Image]:
    first, second = clips[pair.first.id], clips[pair.second.id]
    shown = np.rint(np.linspace(0, len(first) - 1, columns)).astype(int).tolist()
    matched = matched_frames(pair.path, len(first), len(second))[shown]
    room = WIDTH // columns - GAP - 2 * BORDER
    size = common_tile([first.frames, second.frames], TILE_HEIGHT, room)
    below_each = [
        tile(second, j, size, bool(differ(first.phase(i), second.phase(j))))
        for i, j in zip(shown, matched.tolist(), strict=True)
    ]
    return [
        headed_row(str(pair), [tile(first, i, size) for i in shown], GAP),
        headed_row(f"{second.id}: the frames that the path matches", below_each, GAP),
    ]

"""Retrieval: the nearest frame of every other video, counted where it is of another phase."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrprop.batch import EmbeddedVideo
from lrprop.viz import draw_retrieval, retrieval
from lrprop.viz.drawing import BORDER, CAPTION_HEIGHT
from lrprop.viz.retrieval import Retrieved, nearest_frames
from tests.viz.test_alignment import grey_clip

N = 8


def embedded(shift: int) -> list[EmbeddedVideo]:
    """Three videos that run alike, the last one some frames late."""
    time = np.arange(N, dtype=float)[:, None]
    return [EmbeddedVideo(name, time - (shift if name == "c" else 0)) for name in "abc"]


CLIPS = [grey_clip(name, N, np.arange(N) // 4) for name in "abc"]


def test_the_nearest_frame_of_each_video() -> None:
    assert nearest_frames(np.array([3.2]), embedded(2)) == [3, 3, 5]
    assert nearest_frames(np.array([2.5]), embedded(0)[:1]) == [2], "the first of two that are equally near"


def test_queries_and_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[tuple[str, list[list[tuple[str, int]]]]] = []
    block = retrieval._block

    def keep(heading: str, rows: list[list[Retrieved]], size: tuple[int, int]) -> object:
        blocks.append((heading, [[(frame.clip.id, frame.index) for frame in row] for row in rows]))
        return block(heading, rows, size)

    monkeypatch.setattr(retrieval, "_block", keep)
    picture = draw_retrieval(CLIPS, {"right": embedded(0), "late": embedded(2)}, query=1, queries=2)
    assert blocks == [
        ("query", [[("b", 2)], [("b", 5)]]),
        ("right: 4 of 4 in the query's phase", [[("a", 2), ("c", 2)], [("a", 5), ("c", 5)]]),
        ("late: 3 of 4 in the query's phase", [[("a", 2), ("c", 4)], [("a", 5), ("c", 7)]]),
    ]
    tile = 110 + 2 * BORDER
    assert picture.width == 5 * tile + 2 * 4 + 2 * 36
    assert picture.height == 26 + 16 + 2 * (tile + CAPTION_HEIGHT) + 3 * 4


def test_frames_without_a_phase_are_not_counted() -> None:
    bare = [grey_clip(name, N) for name in "abc"]
    assert Retrieved(bare[0], 1, wanted=0).is_wrong is None
    assert Retrieved(CLIPS[0], 1, wanted=None).is_wrong is None
    assert Retrieved(CLIPS[0], 1, wanted=1).is_wrong is True
    assert draw_retrieval(bare, {"x": embedded(0)}).width > 0


def test_what_does_not_belong_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give at least 2 clips and 1 method"):
        draw_retrieval(CLIPS[:1], {"x": embedded(0)[:1]})
    with pytest.raises(ValueError, match=r"x has embeddings of other videos than the clips \['a', 'b', 'c'\]"):
        draw_retrieval(CLIPS, {"x": embedded(0)[::-1]})
    short = [*embedded(0)[:2], EmbeddedVideo("c", np.zeros((3, 1)))]
    with pytest.raises(ValueError, match="x: c has 8 frames and 3 embeddings"):
        draw_retrieval(CLIPS, {"x": short})

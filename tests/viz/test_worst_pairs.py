"""The worst pairs: found, and shown with the frames that their path matches."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from PIL import Image

from lrprop.batch import EmbeddedVideo
from lrprop.viz import align, draw_worst_pairs, worst_pairs
from lrprop.viz.clip import Clip
from lrprop.viz.collage import tile
from lrprop.viz.drawing import BORDER, CAPTION_HEIGHT, HEADING_HEIGHT
from tests.viz.test_alignment import grey_clip

N = 12


def videos() -> list[EmbeddedVideo]:
    """`odd` has its phases the other way round, `late` half of them wrong."""
    labels = np.arange(N) // 6
    time = np.arange(N)[:, None] / N
    tracks = {"good": labels, "fair": labels, "late": np.arange(N) // 9, "odd": 1 - labels}
    return [EmbeddedVideo(name, time, track, action="squat") for name, track in tracks.items()]


def test_the_worst_come_first() -> None:
    pairs = worst_pairs(videos(), count=3)
    assert pairs[0].accuracy == 0
    assert {pair.second.id for pair in pairs} == {"odd"}
    assert [pair.accuracy for pair in pairs] == sorted(pair.accuracy for pair in pairs)
    assert len(worst_pairs(videos(), count=100)) == 6


def test_pairs_are_of_one_action_and_have_labels() -> None:
    good, fair, late, odd = videos()
    (pair,) = worst_pairs([good, replace(fair, labels=None), late, replace(odd, action="bowl")])
    assert (pair.first.id, pair.second.id) == ("good", "late")
    with pytest.raises(ValueError, match="no pair of the 2 videos has phase labels"):
        worst_pairs([good, replace(fair, labels=None)])


def clips(labelled: list[EmbeddedVideo]) -> list[Clip]:
    return [grey_clip(video.id, N, video.labels) for video in labelled]


def test_matched_frames_stand_below() -> None:
    good, *_, odd = videos()
    moved = replace(odd, embeddings=np.concatenate([np.zeros((4, 1)), odd.embeddings[:8]]))
    pair = align(good, moved)
    picture = np.asarray(draw_worst_pairs([pair], clips([good, moved]), columns=4))
    row = HEADING_HEIGHT + 120 + 2 * BORDER + CAPTION_HEIGHT
    tile = picture.shape[1] // 4
    shown = [round(float(picture[HEADING_HEIGHT + 40, tile * k + tile // 2].mean()) / 8) for k in range(4)]
    assert shown == [0, 4, 7, 11]
    below = [round(float(picture[row + 6 + HEADING_HEIGHT + 40, tile * k + tile // 2].mean()) / 8) for k in range(4)]
    matches = {i: [j for a, j in pair.path.tolist() if a == i] for i in shown}
    assert all(below[k] in matches[i] for k, i in enumerate(shown)), (below, matches)
    assert below != shown


def test_a_wrong_match_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    good, fair, *_, odd = videos()
    marks: list[bool] = []

    def keep(clip: Clip, index: int, size: tuple[int, int], is_wrong: bool = False) -> Image.Image:
        marks.append(is_wrong)
        return tile(clip, index, size, is_wrong)

    monkeypatch.setattr(import_module("lrprop.viz.worst_pairs"), "tile", keep)
    draw_worst_pairs([align(good, fair), align(good, odd)], clips([good, fair, odd]), columns=3)
    assert sum(marks) == 3
    assert len(marks) == 12


def test_what_is_missing_is_named() -> None:
    good, fair, *_ = videos()
    with pytest.raises(ValueError, match="pairs is empty"):
        draw_worst_pairs([], [])
    with pytest.raises(ValueError, match="clips lack fair"):
        draw_worst_pairs([align(good, fair)], clips([good]))

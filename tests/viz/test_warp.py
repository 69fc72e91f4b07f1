"""`matched_frames` and `same_time_frames`: the right frame of the second video beside each frame of the first."""

from __future__ import annotations

import numpy as np
import pytest

from lrprop.viz.warp import check_path, matched_frames, same_time_frames


def test_the_middle_match_is_taken_whatever_the_order_of_the_path() -> None:
    path = np.array([(0, 0), (1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (3, 5)])
    for order in (np.arange(7), np.arange(7)[::-1], np.random.default_rng(0).permutation(7)):
        assert matched_frames(path[order], 4, 6).tolist() == [0, 2, 4, 5]


def test_same_time_spans_the_second_video() -> None:
    assert same_time_frames(5, 9).tolist() == [0, 2, 4, 6, 8]
    assert same_time_frames(3, 1).tolist() == [0, 0, 0]
    assert same_time_frames(1, 7).tolist() == [0]


def test_a_frame_without_a_match_is_refused() -> None:
    with pytest.raises(ValueError, match="path matches no frame of the second video to frame 1 of the first"):
        matched_frames(np.array([(0, 0), (2, 1)]), 3, 2)


@pytest.mark.parametrize("pair", [(3, 0), (0, 2), (-1, 0), (0, -1)])
def test_pairs_out_of_range_are_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"path holds \({pair[0]}, {pair[1]}\), but the videos have 3 and 2 frames"):
        check_path(np.array([(0, 0), pair]), 3, 2)


@pytest.mark.parametrize("path", [np.zeros((0, 2), int), np.zeros((4, 3), int), np.zeros(4, int), np.zeros((4, 2))])
def test_what_is_no_path_is_refused(path: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"path must be \(L, 2\) integers"):
        check_path(path, 3, 2)

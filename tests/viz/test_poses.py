"""`draw_poses`: what is seen is drawn, what is not seen is not, and the figure fits its box."""

from __future__ import annotations

import numpy as np
import pytest

from lrprop.viz import draw_poses
from lrprop.viz.drawing import MAT
from lrprop.viz.poses import LEFT_COLOUR, RIGHT_COLOUR, TRUNK_COLOUR

# A person who stands with arms out and faces the camera: her left is on the right of the picture.
STANDING = np.array(
    [
        (50, 10), (60, 25), (40, 25), (75, 25), (25, 25), (90, 25), (10, 25),
        (56, 55), (44, 55), (60, 75), (40, 75), (64, 95), (36, 95),
    ],
    np.float64,
)  # fmt: skip


def poses(n: int = 1) -> np.ndarray:
    frame = np.concatenate([STANDING, np.ones((13, 1))], axis=1)
    return np.repeat(frame[None], n, axis=0)


def drawn(frame: np.ndarray) -> np.ndarray:
    return (frame != MAT).any(axis=-1)


def where(frame: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere((frame == colour).all(axis=-1))


@pytest.mark.parametrize("size", [96, 241])
def test_frames_are_square_rgb_and_the_figure_keeps_a_margin(size: int) -> None:
    frames = draw_poses(poses(3), size)
    assert frames.shape == (3, size, size, 3)
    assert frames.dtype == np.uint8
    rows, columns = np.nonzero(drawn(frames[0]))
    assert rows.min() > 0
    assert columns.min() > 0
    assert rows.max() < size - 1
    assert columns.max() < size - 1


def test_left_and_right_have_their_own_colours_and_sides() -> None:
    frame = draw_poses(poses())[0]
    assert where(frame, LEFT_COLOUR)[:, 1].min() > where(frame, RIGHT_COLOUR)[:, 1].max()
    assert len(where(frame, TRUNK_COLOUR)) > 0


def test_aspect_is_kept() -> None:
    rows, columns = np.nonzero(drawn(draw_poses(poses())[0]))
    narrow = poses()
    narrow[..., 0] = 50 + (narrow[..., 0] - 50) / 4
    narrow_rows, narrow_columns = np.nonzero(drawn(draw_poses(narrow)[0]))
    assert np.ptp(columns) > 0.8 * np.ptp(rows)
    assert np.ptp(narrow_columns) < 0.5 * np.ptp(narrow_rows)


def test_coordinates_of_invisible_joints_change_nothing() -> None:
    hidden = poses(2)
    hidden[:, [5, 11], 2] = 0
    elsewhere = hidden.copy()
    elsewhere[:, 5, :2], elsewhere[:, 11, :2] = (1e6, -1e6), np.nan
    np.testing.assert_array_equal(draw_poses(hidden), draw_poses(elsewhere))


def test_a_limb_that_ends_at_an_invisible_joint_is_left_out() -> None:
    seen, hidden = poses(2), poses(2)
    hidden[1, 5, 2] = 0  # the left wrist, in the second frame only: the box stays the same
    full, (same, without) = draw_poses(seen)[1], draw_poses(hidden)
    np.testing.assert_array_equal(full, same)
    assert where(without, LEFT_COLOUR)[:, 1].max() < where(full, LEFT_COLOUR)[:, 1].max() - 20
    assert len(where(without, RIGHT_COLOUR)) == len(where(full, RIGHT_COLOUR))


def test_one_box_serves_the_whole_video() -> None:
    moving = poses(2)
    moving[1, :, 0] += 200
    first, second = draw_poses(moving)
    assert np.nonzero(drawn(first))[1].max() < np.nonzero(drawn(second))[1].min()


def test_frames_without_a_visible_joint_are_empty() -> None:
    some, none = poses(2), poses(2)
    some[1, :, 2] = 0
    none[..., 2] = 0
    assert drawn(draw_poses(some)[0]).any()
    assert not drawn(draw_poses(some)[1]).any()
    assert not drawn(draw_poses(none)).any()


def test_a_single_visible_joint_is_drawn() -> None:
    one = poses()
    one[:, 1:, 2] = 0
    assert drawn(draw_poses(one)[0]).any()


def test_errors_name_the_argument_and_its_value() -> None:
    with pytest.raises(ValueError, match=r"poses must be \(n, 13, 3\).*\(2, 12, 3\)"):
        draw_poses(np.zeros((2, 12, 3)))
    with pytest.raises(ValueError, match=r"poses must be.*\(0, 13, 3\)"):
        draw_poses(np.zeros((0, 13, 3)))
    with pytest.raises(ValueError, match="size must be at least 16 pixels; got 3"):
        draw_poses(poses(), 3)
    broken = poses()
    broken[0, 4, 1] = np.nan
    with pytest.raises(ValueError, match="joint 4 of frame 0 is visible but not finite"):
        draw_poses(broken)

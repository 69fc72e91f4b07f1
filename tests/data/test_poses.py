from __future__ import annotations

import numpy as np
import pytest

from lrprop.data.poses import JOINTS, MIRRORED, PoseAugmentation, normalise_poses

STILL = PoseAugmentation(mirror=0, rotation=0, scale=0, jitter=0, dropout=0)


def random_poses(seed: int = 0, n: int = 7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    poses = np.concatenate((rng.uniform(0, 300, (n, 13, 2)), rng.random((n, 13, 1)) < 0.8), -1)
    return poses.astype(np.float32)


def test_normalisation_forgets_place_and_size() -> None:
    poses = random_poses()
    moved = poses * (2.5, 2.5, 1) + (40, -7, 0)
    np.testing.assert_allclose(normalise_poses(moved), normalise_poses(poses), atol=1e-5)
    visible = normalise_poses(poses)[..., :2][poses[..., 2] > 0]
    np.testing.assert_allclose(visible.mean(0), 0, atol=1e-6)
    assert (visible**2).sum(1).mean() == pytest.approx(1, rel=1e-5)


def test_invisible_coordinates_do_not_matter() -> None:
    poses = random_poses()
    other = poses.copy()
    other[poses[..., 2] == 0, :2] = np.nan
    np.testing.assert_allclose(normalise_poses(other), normalise_poses(poses))


def test_nobody_in_sight_is_zero_and_finite() -> None:
    poses = random_poses()
    poses[..., 2] = 0
    assert (normalise_poses(poses) == 0).all()


def test_mirror_swaps_sides_and_is_its_own_inverse() -> None:
    sides = {"left": "right", "right": "left"}
    for joint, partner in enumerate(MIRRORED):
        side, _, limb = JOINTS[joint].partition("_")
        assert JOINTS[partner] == (f"{sides[side]}_{limb}" if limb else "head")
    poses = normalise_poses(random_poses())
    mirror = PoseAugmentation(mirror=1, rotation=0, scale=0, jitter=0, dropout=0)
    once = mirror(poses, np.random.default_rng(0))
    np.testing.assert_allclose(once[:, 1, 0], -poses[:, 2, 0])
    np.testing.assert_allclose(once[:, 1, 1:], poses[:, 2, 1:])
    np.testing.assert_allclose(mirror(once, np.random.default_rng(0)), poses)


def test_no_augmentation_changes_nothing() -> None:
    poses = normalise_poses(random_poses())
    np.testing.assert_allclose(STILL(poses, np.random.default_rng(0)), poses, atol=1e-7)


def test_one_draw_serves_all_frames() -> None:
    pose = normalise_poses(random_poses())[:1].repeat(5, axis=0)
    changed = PoseAugmentation(dropout=0.3)(pose, np.random.default_rng(1))
    assert not np.allclose(changed, pose)
    np.testing.assert_allclose(changed, changed[:1].repeat(5, axis=0))


def test_augmented_invisible_joints_stay_zero() -> None:
    changed = PoseAugmentation(dropout=0.5)(normalise_poses(random_poses()), np.random.default_rng(0))
    assert (changed[changed[..., 2] == 0] == 0).all()


def test_rotation_and_scale_stay_within_their_range() -> None:
    poses = normalise_poses(random_poses())
    turn = PoseAugmentation(mirror=0, rotation=10, scale=0.1, jitter=0, dropout=0)
    visible = poses[..., 2] > 0
    before = poses[..., :2][visible] @ np.array([1, 1j])
    ratios = [turn(poses, np.random.default_rng(s))[..., :2][visible] @ np.array([1, 1j]) / before for s in range(50)]
    factors = np.array([ratio.mean() for ratio in ratios])
    assert np.abs(np.degrees(np.angle(factors))).max() <= 10.01
    assert np.abs(np.degrees(np.angle(factors))).max() > 8
    assert 0.899 <= np.abs(factors).min() < 0.95 < 1.05 < np.abs(factors).max() <= 1.101

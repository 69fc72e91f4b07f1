"""Poses as input: normalisation of a video's joints, and augmentation that is one draw a view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

JOINTS = (
    "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
MIRRORED = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11])


def normalise_poses(poses: np.ndarray) -> np.ndarray:
    """Centres and scales the joints of one video, so that neither the place in the image nor the size matters.

    One centre (the mean of the visible joints) and one scale (their root mean square distance from it) serve the
    whole video: the movement of the body through the image is part of an action. Joints that are not visible carry
    no coordinate and become 0.

    Args:
        poses: (n, J, 3) of x, y in pixels and visibility in {0, 1}.

    Returns:
        (n, J, 3) float32 of x, y and visibility.
    """
    visible = np.asarray(poses[..., 2] > 0)
    seen = poses[..., :2][visible].astype(np.float64)
    centre = seen.mean(0) if len(seen) else np.zeros(2)
    scale = math.sqrt(((seen - centre) ** 2).sum(1).mean()) if len(seen) else 0.0
    xy = np.where(visible[:, :, np.newaxis], (poses[..., :2] - centre) / (scale or 1.0), 0)
    return np.concatenate((xy, visible[:, :, np.newaxis]), -1).astype(np.float32)


@dataclass(frozen=True)
class PoseAugmentation:
    """Random changes of a view of normalised poses that keep its phases; one draw for all its frames.

    Attributes:
        mirror: probability of a left-right mirror, which also swaps left and right joints.
        rotation: largest rotation in degrees.
        scale: largest relative change of size.
        jitter: standard deviation of a displacement of each joint, in units of the normalised pose.
        dropout: probability that a joint is not visible throughout the view.
    """

    mirror: float = 0.5
    rotation: float = 10.0
    scale: float = 0.1
    jitter: float = 0.02
    dropout: float = 0.05

    def __call__(self, poses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """From normalised poses (T, J, 3) to changed ones of the same shape."""
        mirrored = rng.random() < self.mirror
        angle = math.radians(rng.uniform(-self.rotation, self.rotation))
        scale = rng.uniform(1 - self.scale, 1 + self.scale)
        shift = rng.normal(0, self.jitter, (poses.shape[1], 2))
        kept = rng.random(poses.shape[1]) >= self.dropout
        if mirrored:
            poses = poses[:, MIRRORED] * (-1, 1, 1)
        turn = scale * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        visible = poses[..., 2:] * np.expand_dims(kept, 1)
        return np.concatenate(((poses[..., :2] @ turn + shift) * visible, visible), -1).astype(np.float32)

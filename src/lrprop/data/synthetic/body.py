"""The figure: body proportions, two-bone inverse kinematics, and the 13 joints of Penn Action.

World axes, in units of the figure's stature: x forwards, y up from the floor, z to the figure's right.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

JOINTS = (
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
UP = np.array([0.0, 1.0, 0.0])
SIDES = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])  # left, right


@dataclass(frozen=True)
class Body:
    """Lengths of the bones, in units of an average stature."""

    torso: float = 0.30
    neck: float = 0.115
    shoulders: float = 0.10
    hips: float = 0.055
    upper_arm: float = 0.165
    forearm: float = 0.15
    thigh: float = 0.235
    shin: float = 0.235

    @classmethod
    def draw(cls, rng: np.random.Generator, spread: float = 0.045) -> Body:
        """Random proportions: every bone's length is scaled on its own."""
        average = asdict(cls())
        return cls(**{bone: length * (1 + spread * rng.uniform(-1, 1)) for bone, length in average.items()})

    @property
    def arm(self) -> float:
        """Shoulder to wrist, stretched."""
        return self.upper_arm + self.forearm

    @property
    def leg(self) -> float:
        """Hip to ankle, stretched."""
        return self.thigh + self.shin


@dataclass(frozen=True)
class Figure:
    """A posed body over n frames.

    Attributes:
        joints: (n, 13, 3), in the order of `JOINTS`.
        neck: (n, 3), the middle of the shoulders.
        chest: (n, 3) unit vectors, where the chest faces.
        front: (n, 3) unit vectors, where the hips face.
    """

    joints: np.ndarray
    neck: np.ndarray
    chest: np.ndarray
    front: np.ndarray

    def joint(self, name: str) -> np.ndarray:
        """The (n, 3) track of one joint."""
        return self.joints[:, JOINTS.index(name)]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) scaled to length one."""
    scaled: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return scaled


def across(vectors: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The unit part of `vectors` (..., 3) that is perpendicular to the unit vectors `axis` (..., 3)."""
    return unit(vectors - (vectors * axis).sum(-1, keepdims=True) * axis)


def two_bones(
    root: np.ndarray, target: np.ndarray, first: float, second: float, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Middle joint and end of a limb that reaches for `target` and bends towards `pole`.

    A target out of reach is reached for with a stretched limb.

    Args:
        root: (n, 3), where the limb starts.
        target: (n, 3), where it should end.
        first: length of the first bone.
        second: length of the second bone.
        pole: (n, 3) or (3,), the direction in which the middle joint points.
    """
    towards = unit(target - root)
    reach = np.linalg.norm(target - root, axis=-1, keepdims=True)
    reach = np.clip(reach, abs(first - second) + 0.02, 0.999 * (first + second))
    along = (first**2 - second**2 + reach**2) / (2 * reach)
    aside = np.sqrt(np.maximum(first**2 - along**2, 0))
    return root + towards * along + across(pole, towards) * aside, root + towards * reach


def right_of(yaw: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(n, 3) unit vectors to the right of a trunk along `up` (n, 3) that is turned right by `yaw` (n,) degrees."""
    angle = np.radians(yaw)
    return across(np.stack([-np.sin(angle), np.zeros_like(angle), np.cos(angle)], -1), up)


def pose(
    body: Body,
    pelvis: np.ndarray,
    up: np.ndarray,
    hands: tuple[np.ndarray, np.ndarray],
    feet: tuple[np.ndarray, np.ndarray],
    hip_yaw: np.ndarray,
    shoulder_yaw: np.ndarray,
    elbows: tuple[np.ndarray, np.ndarray],
    knees: np.ndarray | None,
) -> Figure:
    """The figure whose wrists and ankles reach for the given targets; pairs are (left, right).

    Args:
        body: the proportions.
        pelvis: (n, 3), the middle of the hips.
        up: (n, 3) unit vectors from the pelvis to the neck.
        hands: targets of the wrists, (n, 3) each.
        feet: targets of the ankles, (n, 3) each.
        hip_yaw: (n,) degrees, how far the hips are turned to the right.
        shoulder_yaw: (n,) degrees, the same for the shoulders.
        elbows: where the elbows point, (n, 3) each.
        knees: where the knees point, (n, 3); None for where the hips face.
    """
    neck = pelvis + body.torso * up
    right_hips, right_shoulders = right_of(hip_yaw, up), right_of(shoulder_yaw, up)
    front, chest = np.cross(up, right_hips), np.cross(up, right_shoulders)
    joints = np.empty((len(pelvis), len(JOINTS), 3))
    joints[:, 0] = neck + body.neck * up + 0.015 * chest
    for side, sign in enumerate((-1, 1)):
        shoulder = neck + sign * body.shoulders * right_shoulders
        hip = pelvis + sign * body.hips * right_hips
        bend = front + 0.25 * sign * right_hips if knees is None else knees
        joints[:, 1 + side], joints[:, 7 + side] = shoulder, hip
        joints[:, 3 + side], joints[:, 5 + side] = two_bones(
            shoulder, hands[side], body.upper_arm, body.forearm, elbows[side]
        )
        joints[:, 9 + side], joints[:, 11 + side] = two_bones(hip, feet[side], body.thigh, body.shin, bend)
    return Figure(joints, neck, chest, front)

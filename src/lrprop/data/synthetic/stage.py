"""What an action is written with: a performer who moves through key poses, and the props on the stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.interpolate import PchipInterpolator

from lrprop.data.synthetic.body import SIDES, Body, Figure, pose, unit
from lrprop.data.synthetic.noise import smooth_curve

Keys = Mapping[float, float | Sequence[float]]
Direction = np.ndarray | Sequence[float]


@dataclass(frozen=True)
class Prop:
    """A thing on the stage: a rod (thick line through k points), a ball (k = 1) or a plate (polygon).

    Attributes:
        kind: how the points are drawn.
        points: (n, k, 3); frames with NaN do not show it.
        colour: a name in the palette of `render.py`.
        radius: half the thickness of a rod, the radius of a ball, the edge of a plate.
        hollow: a plate of which only the edge is drawn.
        nearer: added to the distance towards the viewer when things are sorted.
    """

    kind: Literal["rod", "ball", "plate"]
    points: np.ndarray
    colour: str
    radius: float = 0.0
    hollow: bool = False
    nearer: float = 0.0


@dataclass(frozen=True)
class Scene:
    """One performance in three dimensions: the figure, its props, and what the camera must keep in sight.

    Attributes:
        figure: the posed body.
        props: the things around it.
        focus: (m, 3) points to keep in the picture; None for all joints.
    """

    figure: Figure
    props: list[Prop] = field(default_factory=list)
    focus: np.ndarray | None = None


class Performer:
    """One person's way of doing an action: its own proportions, amplitude, key poses and tremor.

    Args:
        c: (n,) canonical time of each frame, in [0, 1].
        rng: the source of randomness.
        style: 0 for the average performance, 1 for the usual variation between people.
    """

    def __init__(self, c: np.ndarray, rng: np.random.Generator, style: float = 1.0) -> None:
        self.c = c
        self.body = Body.draw(rng, 0.045 * style)
        self._rng = rng
        self._style = style
        self._amplitude = 1 + style * rng.uniform(-0.12, 0.08)

    def path(self, keys: Keys, style: float = 1.0) -> np.ndarray:
        """(n, 3) positions: a smooth way through key positions, each varied a little; `style=0` is exact.

        The interpolation (PCHIP) does not overshoot, so that a key position stays the extreme of its motion.
        """
        return self._through(keys, 0.015 * style)

    def angle(self, keys: Keys, style: float = 1.0) -> np.ndarray:
        """(n,) degrees, or any other number, through key values; each varied by about 4 where `style` is 1."""
        return self._through(keys, 4.0 * style)

    def at(self, *position: float) -> np.ndarray:
        """(n, 3): the same position in all frames, trembling a little as a living hand does."""
        tremor = smooth_curve(self._rng, np.linspace(0, 1, len(self.c)), 8, (3,))
        return np.asarray(position) + 0.003 * self._style * tremor

    def _through(self, keys: Keys, sigma: float) -> np.ndarray:
        values = np.array(list(keys.values()), dtype=float)
        if sigma > 0:
            values = values[0] + self._amplitude * (values - values[0])
            values = values + self._style * sigma * self._rng.standard_normal(values.shape)
        return PchipInterpolator(list(keys), values)(self.c)

    def neck(self, pelvis: np.ndarray, up: Direction) -> np.ndarray:
        """(n, 3): where a trunk from `pelvis` along `up` ends."""
        return pelvis + self.body.torso * self.track(unit(np.asarray(up, dtype=float)))

    def still(self, value: np.ndarray | Sequence[float] | float) -> np.ndarray:
        """(n, ...): the same value in all frames."""
        array = np.asarray(value, dtype=float)
        return np.broadcast_to(array, (len(self.c), *array.shape))

    def track(self, direction: Direction) -> np.ndarray:
        """(n, 3): a constant direction (3,) in all frames; a track as it is."""
        array = np.asarray(direction, dtype=float)
        return array if array.ndim == 2 else self.still(array)

    def pose(
        self,
        pelvis: np.ndarray,
        up: Direction,
        hands: tuple[np.ndarray, np.ndarray],
        feet: tuple[np.ndarray, np.ndarray],
        *,
        hip_yaw: np.ndarray | float = 0.0,
        shoulder_yaw: np.ndarray | float = 0.0,
        elbows: Direction = (-0.3, -0.8, 0.0),
        knees: Direction | None = None,
    ) -> Figure:
        """The figure in these poses, see `body.pose`; elbows point along `elbows` and away from each other."""
        hip, shoulder = np.zeros_like(self.c) + hip_yaw, np.zeros_like(self.c) + shoulder_yaw
        turned = np.radians(shoulder)[:, None, None]
        sides = np.cos(turned) * SIDES - np.sin(turned) * SIDES[:, [2, 1, 0]]
        bends = tuple(self.track(elbows) + 0.5 * sides[:, side] for side in (0, 1))
        trunk = unit(self.track(up))
        bend = None if knees is None else self.track(knees)
        return pose(self.body, pelvis, trunk, hands, feet, hip, shoulder, (bends[0], bends[1]), bend)


def in_sight(figure: Figure, *props: Prop) -> np.ndarray:
    """(m, 3): the points of the figure and of these props, for a scene's focus."""
    return np.concatenate([part.reshape(-1, 3) for part in (figure.joints, *(prop.points for prop in props))])


def beside(middle: np.ndarray, half_width: float, axis: Direction = (0, 0, 1)) -> tuple[np.ndarray, np.ndarray]:
    """Two targets (left, right) on both sides of `middle` (n, 3)."""
    offset = half_width * np.asarray(axis, dtype=float)
    return middle - offset, middle + offset


def rod(points: Sequence[np.ndarray], colour: str, radius: float, nearer: float = 0.0) -> Prop:
    """A thick line through tracks (n, 3)."""
    return Prop("rod", np.stack(points, 1), colour, radius, nearer=nearer)


def ball(centre: np.ndarray, colour: str, radius: float, nearer: float = 0.0) -> Prop:
    """A ball along a track (n, 3)."""
    return Prop("ball", centre[:, None], colour, radius, nearer=nearer)


def disc(centre: np.ndarray, axes: tuple[np.ndarray, np.ndarray], colour: str, hollow: bool = False) -> Prop:
    """An ellipse around `centre` (n, 3) with the half axes `axes`, each (n, 3) or (3,)."""
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)[:, None]
    first, second = (np.broadcast_to(axis, centre.shape)[:, None] for axis in axes)
    points = centre[:, None] + np.cos(angle) * first + np.sin(angle) * second
    return Prop("plate", points, colour, 0.008, hollow)


def barbell(middle: np.ndarray, half_length: float = 0.42, plate: float = 0.12) -> list[Prop]:
    """A barbell along z, with two plates a side."""
    ends = beside(middle, half_length)
    axes = (np.array([plate, 0, 0]), np.array([0, plate, 0]))
    inner = beside(middle, half_length - 0.07)
    outer = beside(middle, half_length - 0.04)
    plates = [disc(centre, axes, "iron") for centre in inner] + [disc(centre, axes, "plate") for centre in outer]
    return [rod((ends[0], middle, ends[1]), "steel", 0.011), *plates]


def racket(hand: np.ndarray, along: np.ndarray, flat: np.ndarray) -> list[Prop]:
    """A tennis racket held at `hand` (n, 3), pointing `along` (n, 3), whose face lies in `along` and `flat`."""
    along = unit(along)
    centre = hand + 0.27 * along
    axes = (0.105 * along, 0.075 * unit(flat - (flat * along).sum(-1, keepdims=True) * along))
    return [
        rod((hand - 0.03 * along, hand + 0.17 * along), "grip", 0.012),
        disc(centre, axes, "strings"),
        disc(centre, axes, "grip", hollow=True),
    ]


def flight(c: np.ndarray, held: np.ndarray, released: float, velocity: Sequence[float]) -> np.ndarray:
    """(n, 3): a ball that is `held` (n, 3) up to the time `released` and flies on with `velocity`."""
    start = held[np.argmin(np.abs(c - released))]
    after = (c - released)[:, None]
    return np.where(after <= 0, held, start + after * np.asarray(velocity))

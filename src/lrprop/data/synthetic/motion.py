"""The 14 actions as joint motion over canonical time c in [0, 1], one function an action.

An action's phases are cut by its key events, in the spirit of TCC's (Dwibedi et al., 2019, appendix): `events` are
their canonical times, and phase k lies between event k - 1 and event k. Everything a function draws at random is
the performer's style; tempo is no business of this file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lrprop.data.synthetic.body import UP, unit
from lrprop.data.synthetic.stage import (
    Performer,
    Prop,
    Scene,
    ball,
    barbell,
    beside,
    disc,
    flight,
    in_sight,
    racket,
    rod,
)


@dataclass(frozen=True)
class Action:
    """What there is to know about one action.

    Attributes:
        events: canonical times of the key events, increasing, inside (0, 1); K - 1 of them.
        view: degrees; the side from which one would film it. 0 from the figure's right, 90 from its front.
        perform: the motion.
    """

    events: tuple[float, ...]
    view: float
    perform: Callable[[Performer], Scene]

    @property
    def phases(self) -> int:
        """The number of phases K."""
        return len(self.events) + 1

    def phase(self, c: np.ndarray) -> np.ndarray:
        """(n,) int64 phases 0..K-1 of the canonical times (n,)."""
        return np.searchsorted(self.events, c, side="right").astype(np.int64)


def _baseball_pitch(p: Performer) -> Scene:
    pelvis = p.path(
        {0: (-0.2, 0.5, 0), 0.25: (-0.22, 0.5, 0), 0.5: (0.02, 0.4, 0), 0.68: (0.14, 0.4, 0), 1: (0.2, 0.42, 0)}
    )
    up = p.path({0: (0, 1, 0), 0.25: (-0.12, 1, 0), 0.5: (-0.1, 1, 0), 0.68: (0.4, 0.9, 0), 1: (0.9, 0.45, 0)})
    left = p.path(
        {
            0: (-0.18, 0.72, 0.2),
            0.25: (-0.18, 0.78, 0.2),
            0.5: (0.32, 0.8, 0.05),
            0.68: (0.3, 0.55, -0.12),
            1: (0.2, 0.45, -0.2),
        }
    )
    right = p.path(
        {0: (-0.22, 0.72, 0.2), 0.25: (-0.22, 0.78, 0.2), 0.4: (-0.3, 0.45, 0.1), 0.5: (-0.32, 0.78, 0.02),
         0.58: (-0.14, 1.0, 0.1), 0.68: (0.46, 0.98, 0.1), 0.8: (0.6, 0.5, -0.1), 1: (0.4, 0.3, -0.15)}
    )  # fmt: skip
    left_foot = p.path({0: (-0.1, 0.04, 0), 0.25: (-0.08, 0.4, 0.12), 0.5: (0.38, 0.05, 0), 1: (0.38, 0.04, 0)})
    right_foot = p.path({0: (-0.26, 0.04, 0), 0.5: (-0.27, 0.04, 0), 0.68: (-0.22, 0.07, 0), 1: (0.12, 0.2, 0.14)})
    hips = p.angle({0: 90, 0.25: 110, 0.5: 50, 0.68: 0, 1: -20})
    shoulders = p.angle({0: 90, 0.25: 115, 0.5: 95, 0.68: -5, 1: -50})
    figure = p.pose(pelvis, up, (left, right), (left_foot, right_foot), hip_yaw=hips, shoulder_yaw=shoulders)
    hand = figure.joint("right_wrist") + 0.05 * unit(figure.joint("right_wrist") - figure.joint("right_elbow"))
    thrown = flight(p.c, hand, 0.68, (6, -0.4, 0))
    return Scene(figure, [ball(thrown, "white", 0.026), ball(figure.joint("left_wrist"), "leather", 0.045)])


def _baseball_swing(p: Performer) -> Scene:
    pelvis = p.path({0: (-0.05, 0.46, 0), 0.4: (-0.1, 0.46, 0), 0.62: (0.02, 0.45, 0), 1: (0.04, 0.46, 0)})
    up = p.path({0: (-0.02, 1, 0.2), 0.4: (-0.08, 1, 0.2), 0.62: (-0.1, 1, 0.12), 1: (-0.12, 1, -0.05)})
    grip = p.path(
        {
            0: (-0.17, 0.8, 0.16),
            0.4: (-0.28, 0.84, 0.1),
            0.54: (-0.05, 0.66, 0.26),
            0.62: (0.12, 0.62, 0.3),
            0.75: (0.3, 0.7, 0.16),
            1: (0.12, 0.9, -0.1),
        }
    )
    bat = unit(
        p.path(
            {
                0: (-0.2, 1, -0.1),
                0.4: (0.1, 0.9, -0.35),
                0.54: (-0.9, 0.1, 0.3),
                0.62: (0.25, -0.2, 0.9),
                0.7: (1, 0, 0.3),
                0.8: (0.5, 0.4, -0.8),
                1: (-0.8, 0.3, -0.5),
            }
        )
    )
    left_foot = p.path({0: (0.1, 0.04, 0), 0.3: (0.1, 0.1, 0), 0.45: (0.2, 0.04, 0), 1: (0.2, 0.04, 0)})
    hips = p.angle({0: 90, 0.4: 105, 0.62: 25, 1: 0})
    shoulders = p.angle({0: 95, 0.4: 115, 0.62: 40, 1: -25})
    figure = p.pose(
        pelvis,
        up,
        beside(grip, 0.02, (1, 0, 0)),
        (left_foot, p.at(-0.2, 0.04, 0)),
        hip_yaw=hips,
        shoulder_yaw=shoulders,
    )
    hands = (figure.joint("left_wrist") + figure.joint("right_wrist")) / 2
    hit = np.array([0.24, 0.57, 0.6])
    after = (p.c - 0.62)[:, None]
    flying = hit + np.where(after < 0, -after * (5, 0.4, 0), after * (5, 2.5, -0.3))
    props = [
        rod((hands - 0.05 * bat, hands + 0.2 * bat), "wood", 0.013),
        rod((hands + 0.2 * bat, hands + 0.44 * bat), "wood", 0.024),
        ball(flying, "white", 0.026),
    ]
    return Scene(figure, props, in_sight(figure, props[1]))


def _bench_press(p: Performer) -> Scene:
    pelvis, up = p.at(0.02, 0.3, 0), np.array([-1, 0.04, 0])
    neck = p.neck(pelvis, up)
    bar = p.path({0: (0.02, 0.305, 0), 0.5: (0.07, 0.09, 0), 1: (0.02, 0.305, 0)}) + neck
    figure = p.pose(
        pelvis, up, beside(bar, 0.17), beside(p.at(0.2, 0.04, 0), 0.16), elbows=(0.2, -0.8, 0), knees=(0.3, 1, 0)
    )
    seat = [(0.08, 0.23, z) for z in (-0.08, 0.08)] + [(-0.52, 0.23, z) for z in (0.08, -0.08)]
    legs = [rod(tuple(p.still(at) for at in ((x, 0.22, 0), (x, 0, 0))), "steel", 0.018, -0.02) for x in (0, -0.45)]
    posts = [rod(tuple(p.still(at) for at in ((-0.5, 0, z), (-0.5, 0.55, z))), "steel", 0.016) for z in (-0.22, 0.22)]
    bench = Prop("plate", p.still(np.array(seat)), "bench", 0.03, nearer=-0.1)
    weights = barbell(bar)
    return Scene(figure, [bench, *legs, *posts, *weights], in_sight(figure, *weights))


def _bowl(p: Performer) -> Scene:
    pelvis = p.path(
        {0: (-0.55, 0.5, 0), 0.25: (-0.4, 0.49, 0), 0.5: (-0.1, 0.44, 0), 0.72: (0.12, 0.34, 0), 1: (0.15, 0.38, 0)}
    )
    up = p.path({0: (0.1, 1, 0), 0.5: (0.6, 0.85, 0), 0.72: (0.75, 0.75, 0.05), 1: (0.5, 0.9, 0)})
    hand = p.path(
        {
            0: (0.2, 0.16, 0.06),
            0.2: (0.22, 0.08, 0.1),
            0.35: (-0.02, -0.02, 0.15),
            0.5: (-0.36, 0.2, 0.16),
            0.62: (-0.05, -0.08, 0.14),
            0.72: (0.3, -0.12, 0.12),
            0.85: (0.42, 0.25, 0.08),
            1: (0.35, 0.5, 0.06),
        }
    )
    left = p.path({0: (0.2, 0.17, -0.04), 0.3: (0.15, 0.1, -0.2), 0.5: (-0.05, 0.15, -0.4), 1: (-0.1, 0.12, -0.4)})
    left_foot = p.path(
        {
            0: (-0.5, 0.04, -0.07),
            0.18: (-0.5, 0.04, -0.07),
            0.3: (-0.18, 0.06, -0.07),
            0.45: (-0.16, 0.04, -0.07),
            0.6: (0.24, 0.04, -0.05),
            1: (0.25, 0.04, -0.05),
        }
    )
    right_foot = p.path(
        {
            0: (-0.55, 0.04, 0.07),
            0.15: (-0.3, 0.06, 0.07),
            0.3: (-0.32, 0.04, 0.07),
            0.5: (-0.05, 0.05, 0.05),
            0.72: (-0.28, 0.06, -0.15),
            1: (-0.24, 0.08, -0.2),
        }
    )
    figure = p.pose(pelvis, up, (pelvis + left, pelvis + hand), (left_foot, right_foot), elbows=(-0.6, -0.6, 0))
    wrist = figure.joint("right_wrist")
    held = wrist + 0.07 * unit(wrist - figure.joint("right_elbow"))
    rolling = flight(p.c, held, 0.72, (2.6, 0, 0))
    rolling[p.c > 0.72, 1] = np.maximum(0.06, held[np.argmin(np.abs(p.c - 0.72)), 1] - 2 * (p.c[p.c > 0.72] - 0.72))
    lane = np.array([(-0.7, 0, -0.2), (-0.7, 0, 0.35), (3, 0, 0.35), (3, 0, -0.2)])
    pins = [
        rod((p.still((0.92 + x, 0.02, z)), p.still((0.92 + x, 0.16, z))), "white", 0.02)
        for x, z in ((0, 0.08), (0.07, 0), (0.07, 0.16))
    ]
    props = [Prop("plate", p.still(lane), "wood", 0, nearer=-5), ball(rolling, "bowling", 0.06), *pins]
    return Scene(figure, props, in_sight(figure, *pins))


def _clean_and_jerk(p: Performer) -> Scene:
    pelvis = p.path(
        {
            0: (-0.1, 0.32, 0),
            0.18: (-0.02, 0.46, 0),
            0.26: (0, 0.5, 0),
            0.34: (-0.08, 0.24, 0),
            0.52: (0, 0.49, 0),
            0.6: (0, 0.49, 0),
            0.66: (0, 0.43, 0),
            0.72: (0, 0.5, 0),
            0.8: (0.02, 0.4, 0),
            0.86: (0.02, 0.42, 0),
            1: (0.02, 0.5, 0),
        }
    )
    up = p.path(
        {
            0: (0.8, 0.7, 0),
            0.18: (0.45, 0.9, 0),
            0.26: (-0.03, 1, 0),
            0.34: (0.22, 1, 0),
            0.52: (0.02, 1, 0),
            1: (0, 1, 0),
        }
    )
    lift = p.path(
        {
            0: (0.06, 0.13, 0),
            0.18: (0.11, 0.4, 0),
            0.26: (0.1, 0.62, 0),
            0.34: (0.11, 0.52, 0),
            0.52: (0.08, 0.78, 0),
            0.6: (0.08, 0.78, 0),
            0.66: (0.08, 0.72, 0),
            0.72: (0.07, 0.9, 0),
            0.8: (0.02, 1.02, 0),
            0.86: (0.02, 1.04, 0),
            1: (0.02, 1.12, 0),
        }
    )
    left_foot = p.path(
        {0: (0, 0.04, -0.1), 0.72: (0, 0.04, -0.1), 0.8: (0.2, 0.04, -0.1), 0.88: (0.2, 0.04, -0.1), 1: (0, 0.04, -0.1)}
    )
    right_foot = p.path(
        {0: (0, 0.04, 0.1), 0.72: (0, 0.04, 0.1), 0.8: (-0.24, 0.06, 0.1), 0.88: (-0.24, 0.06, 0.1), 1: (0, 0.04, 0.1)}
    )
    elbows = p.path({0: (-0.3, 0.2, 0), 0.24: (-0.3, 0.4, 0), 0.34: (0.6, -0.5, 0), 1: (0.6, -0.5, 0)})
    figure = p.pose(pelvis, up, beside(lift, 0.16), (left_foot, right_foot), elbows=elbows)
    bar = (figure.joint("left_wrist") + figure.joint("right_wrist")) / 2
    weights = barbell(bar, plate=0.13)
    return Scene(figure, weights, in_sight(figure, *weights))


def _golf_swing(p: Performer) -> Scene:
    pelvis = p.path({0: (0, 0.47, -0.05), 0.45: (-0.03, 0.47, -0.05), 0.65: (0.04, 0.47, -0.05), 1: (0.07, 0.5, -0.02)})
    up = p.path({0: (-0.02, 0.9, 0.4), 0.45: (-0.05, 0.9, 0.38), 0.65: (-0.1, 0.9, 0.36), 1: (-0.05, 1, 0.02)})
    arms = np.radians(p.angle({0: 0, 0.2: -55, 0.45: -140, 0.56: -75, 0.65: 3, 0.75: 75, 1: 150}))[:, None]
    club = np.radians(p.angle({0: 0, 0.2: -85, 0.45: -240, 0.56: -170, 0.65: 0, 0.75: 85, 1: 265}))[:, None]
    down, side = unit(np.array([0, -0.86, 0.5])), np.array([1, 0, 0])
    grip = p.neck(pelvis, unit(up)) + 0.29 * (np.cos(arms) * down + np.sin(arms) * side) + (0, -0.03, 0.04)
    hips = p.angle({0: 90, 0.45: 120, 0.65: 65, 1: 10})
    shoulders = p.angle({0: 90, 0.45: 165, 0.65: 80, 1: -5})
    feet = (p.at(0.13, 0.04, 0), p.at(-0.13, 0.04, 0))
    figure = p.pose(pelvis, up, beside(grip, 0.015, (-1, 0, 0)), feet, hip_yaw=hips, shoulder_yaw=shoulders)
    hands = (figure.joint("left_wrist") + figure.joint("right_wrist")) / 2
    along = np.cos(club) * down + np.sin(club) * side
    head = hands + 0.5 * along
    tee = np.array([0.02, 0.02, 0.46])
    after = (p.c - 0.65)[:, None]
    flying = tee + np.maximum(after, 0) * (8, 4, 0)
    props = [
        rod((hands - 0.04 * along, head), "steel", 0.008),
        rod((head, head + 0.05 * (np.cos(club) * side - np.sin(club) * down)), "iron", 0.018),
        ball(flying, "white", 0.02),
    ]
    return Scene(figure, props, in_sight(figure, props[0]))


def _jumping_jacks(p: Performer) -> Scene:
    lift = np.radians(p.angle({0: 8, 0.25: 90, 0.5: 172, 0.75: 90, 1: 8}))
    hop = p.path({0: (0, 0, 0.05), 0.25: (0, 0.06, 0.13), 0.5: (0, 0.02, 0.22), 0.75: (0, 0.06, 0.13), 1: (0, 0, 0.05)})
    pelvis = p.at(0, 0.5, 0) + hop * UP
    reach = p.body.arm * np.stack([0 * lift, -np.cos(lift), np.sin(lift)], -1)
    neck = p.neck(pelvis, UP)
    hands = tuple(neck + reach * (1, 1, side) + (0, 0, 0.1 * side) for side in (-1, 1))
    feet = tuple(np.stack([0 * lift, 0.04 + np.maximum(hop[:, 1], 0), side * hop[:, 2]], -1) for side in (-1, 1))
    return Scene(p.pose(pelvis, UP, (hands[0], hands[1]), (feet[0], feet[1]), elbows=(0.2, -0.2, 0)))


def _pullup(p: Performer) -> Scene:
    top = 1.22
    rise = p.path({0: (0, 0, 0), 0.5: (0, 0.27, 0), 1: (0, 0, 0)})
    hang = top - 0.99 * p.body.arm - p.body.torso
    pelvis = p.at(-0.03, hang, 0) + rise
    bar = p.still((0, top, 0))
    feet = tuple(
        pelvis + p.path({0: (-0.1, -0.42, 0), 0.5: (-0.2, -0.36, 0), 1: (-0.1, -0.42, 0)}) + (0, 0, z)
        for z in (-0.04, 0.04)
    )
    figure = p.pose(pelvis, UP, beside(bar, 0.19), (feet[0], feet[1]), elbows=(0.2, -0.6, 0))
    posts = [rod((p.still((0, 0, z)), p.still((0, top + 0.03, z))), "steel", 0.022) for z in (-0.42, 0.42)]
    props = [rod(beside(bar, 0.42), "steel", 0.016), *posts]
    focus = np.array([(0, 0.02, -0.42), (0, top + 0.12, 0.42), (0, 0.02, 0.42)])
    return Scene(figure, props, focus)


def _pushup(p: Performer) -> Scene:
    slope = np.radians(p.angle({0: 22, 0.5: 6, 1: 22}, style=0.4))
    line = np.stack([np.cos(slope), np.sin(slope), 0 * slope], -1)
    ankles = p.at(-0.72, 0.06, 0)
    sag = p.path({0: (0, 0, 0), 0.5: (0, -0.01, 0), 1: (0, 0, 0)})
    pelvis = ankles + 0.995 * p.body.leg * line + sag
    return Scene(p.pose(pelvis, line, beside(p.at(0.02, 0.03, 0), 0.14), beside(ankles, 0.05), elbows=(-0.8, 0.5, 0)))


def _situp(p: Performer) -> Scene:
    pelvis = p.at(0, 0.07, 0)
    rise = np.radians(p.angle({0: 3, 0.5: 108, 1: 3}))
    up = np.stack([-np.cos(rise), np.sin(rise), 0 * rise], -1)
    chest = np.stack([np.sin(rise), np.cos(rise), 0 * rise], -1)
    hands = beside(p.neck(pelvis, up) + 0.1 * up - 0.04 * chest, 0.06)
    elbows = 0.1 * up + 0.25 * chest
    feet = beside(p.at(0.32, 0.04, 0), 0.06)
    return Scene(p.pose(pelvis, up, hands, feet, elbows=elbows, knees=(0.3, 1, 0)))


def _squat(p: Performer) -> Scene:
    pelvis = p.path(
        {0: (0, 0.5, 0), 0.25: (-0.08, 0.375, 0), 0.5: (-0.16, 0.25, 0), 0.75: (-0.08, 0.375, 0), 1: (0, 0.5, 0)}
    )
    up = p.path({0: (0.06, 1, 0), 0.25: (0.35, 0.93, 0), 0.5: (0.6, 0.8, 0), 0.75: (0.35, 0.93, 0), 1: (0.06, 1, 0)})
    bar = p.neck(pelvis, up) + np.array([-0.045, 0.01, 0])
    figure = p.pose(pelvis, up, beside(bar, 0.19), beside(p.at(0, 0.04, 0), 0.11), elbows=(-0.5, -0.9, 0))
    weights = barbell(bar)
    return Scene(figure, weights, in_sight(figure, *weights))


def _tennis_forehand(p: Performer) -> Scene:
    pelvis = p.path({0: (-0.1, 0.46, 0), 0.4: (-0.14, 0.45, 0), 0.6: (0.02, 0.45, 0), 1: (0.08, 0.48, 0)})
    up = p.path({0: (0.2, 1, 0), 0.4: (0.05, 1, 0.08), 0.6: (0.15, 1, 0.05), 1: (0.1, 1, -0.05)})
    right = p.path(
        {
            0: (0.17, 0.66, 0.08),
            0.2: (0.05, 0.74, 0.24),
            0.4: (-0.36, 0.68, 0.2),
            0.5: (-0.1, 0.55, 0.36),
            0.6: (0.28, 0.64, 0.28),
            0.75: (0.34, 0.85, 0.02),
            1: (0.06, 0.92, -0.14),
        }
    )
    left = p.path(
        {
            0: (0.17, 0.68, -0.02),
            0.2: (0.16, 0.76, 0.1),
            0.4: (0.24, 0.78, 0.12),
            0.6: (0.12, 0.72, -0.18),
            1: (0.08, 0.78, -0.12),
        }
    )
    along = p.path(
        {
            0: (0.7, 0.6, -0.3),
            0.2: (0.1, 1, 0.2),
            0.4: (-0.9, 0.35, 0.1),
            0.5: (-0.6, -0.5, 0.5),
            0.6: (0.3, 0, 1),
            0.75: (0.7, 0.5, -0.4),
            1: (-0.7, 0.2, -0.6),
        }
    )
    left_foot = p.path({0: (0, 0.04, -0.14), 0.2: (0, 0.04, -0.14), 0.4: (0.2, 0.04, -0.02), 1: (0.2, 0.04, -0.04)})
    right_foot = p.path(
        {0: (-0.08, 0.04, 0.14), 0.25: (-0.22, 0.04, 0.12), 0.6: (-0.2, 0.05, 0.12), 1: (0.02, 0.05, 0.16)}
    )
    hips = p.angle({0: 0, 0.4: 60, 0.6: 15, 1: -20})
    shoulders = p.angle({0: 0, 0.4: 85, 0.6: 5, 1: -60})
    figure = p.pose(pelvis, up, (left, right), (left_foot, right_foot), hip_yaw=hips, shoulder_yaw=shoulders)
    hand = figure.joint("right_wrist")
    after = (p.c - 0.6)[:, None]
    flying = np.array([0.36, 0.62, 0.54]) + np.where(after < 0, -after * (3.5, 0.3, 0), after * (5, 0.8, -0.8))
    props = [*racket(hand, along, p.still((0, 1.0, 0.3))), ball(flying, "tennis", 0.03)]
    return Scene(figure, props, in_sight(figure, props[1]))


def _tennis_serve(p: Performer) -> Scene:
    pelvis = p.path(
        {0: (-0.05, 0.5, 0), 0.25: (0, 0.47, 0), 0.5: (0, 0.44, 0), 0.68: (0.08, 0.56, 0), 1: (0.18, 0.47, 0)}
    )
    up = p.path({0: (0.05, 1, 0), 0.25: (0.02, 1, 0), 0.5: (-0.18, 1, -0.05), 0.68: (0.2, 1, -0.12), 1: (0.6, 0.8, 0)})
    right = p.path(
        {
            0: (0.15, 0.62, 0.12),
            0.25: (-0.2, 0.5, 0.2),
            0.38: (-0.34, 0.78, 0.12),
            0.5: (-0.2, 0.98, 0.12),
            0.58: (-0.12, 0.92, 0.16),
            0.68: (0.16, 1.22, 0.08),
            0.8: (0.5, 0.75, 0),
            1: (0.38, 0.4, -0.2),
        }
    )
    left = p.path(
        {
            0: (0.18, 0.62, 0.06),
            0.12: (0.16, 0.5, 0.04),
            0.25: (0.22, 1.0, -0.02),
            0.5: (0.12, 1.12, -0.06),
            0.68: (0.12, 0.68, 0.02),
            1: (0.08, 0.62, -0.12),
        }
    )
    along = p.path(
        {
            0: (0.9, 0.3, 0),
            0.25: (-0.6, -0.7, 0.2),
            0.38: (-0.6, 0.7, 0.2),
            0.5: (0, 1, 0.15),
            0.58: (-0.3, -0.9, 0.2),
            0.63: (-0.6, 0.4, 0.3),
            0.68: (0.2, 1, 0),
            0.8: (0.8, -0.4, -0.2),
            1: (-0.2, -0.8, -0.5),
        }
    )
    left_foot = p.path(
        {
            0: (0.1, 0.04, -0.02),
            0.5: (0.1, 0.04, -0.02),
            0.68: (0.12, 0.12, -0.02),
            0.85: (0.25, 0.04, -0.04),
            1: (0.25, 0.04, -0.04),
        }
    )
    right_foot = p.path(
        {
            0: (-0.18, 0.04, 0.06),
            0.5: (-0.08, 0.04, 0.06),
            0.68: (-0.06, 0.14, 0.06),
            0.85: (-0.1, 0.15, 0.08),
            1: (0.1, 0.06, 0.1),
        }
    )
    hips = p.angle({0: 60, 0.5: 70, 0.68: 15, 1: -10})
    shoulders = p.angle({0: 55, 0.25: 70, 0.5: 95, 0.68: 10, 1: -40})
    figure = p.pose(pelvis, up, (left, right), (left_foot, right_foot), hip_yaw=hips, shoulder_yaw=shoulders)
    hand = figure.joint("right_wrist")
    toss = p.path({0.25: (0.24, 1.08, 0), 0.48: (0.22, 1.62, 0.02), 0.68: (0.22, 1.54, 0.06)}, style=0)
    held = figure.joint("left_wrist") + np.array([0.02, 0.04, 0])
    flying = np.where(p.c[:, None] < 0.25, held, toss)
    flying = np.where(p.c[:, None] < 0.68, flying, (0.22, 1.54, 0.06) + (p.c - 0.68)[:, None] * (7, -2.5, 0))
    props = [*racket(hand, along, p.still((0.7, 0.2, 0.7))), ball(flying, "tennis", 0.03)]
    top = ball(p.still((0.2, 1.58, 0)), "tennis", 0.03)
    return Scene(figure, props, in_sight(figure, top))


def _pouring(p: Performer) -> Scene:
    top, x = 0.56, 0.24
    pelvis, up = p.at(0, 0.5, 0), p.path({0: (0.04, 1, 0), 0.5: (0.08, 1, -0.02), 1: (0.04, 1, 0)})
    rest, stand = (x - 0.02, top + 0.03, 0.27), (x, top + 0.085, 0.13)
    pour, drained = (x, top + 0.235, 0.08), (x, top + 0.265, 0.07)
    carried = p.path({0: rest, 0.18: stand, 0.38: pour, 0.68: drained, 0.86: stand, 1: rest}, style=0)
    raised = p.path({0: (0, 0, 0), 0.18: (0, 0, 0), 0.28: (0, 0.06, 0.03), 0.38: (0, 0, 0), 1: (0, 0, 0)}, style=0.5)
    hand = carried + raised
    tilt = np.radians(p.angle({0: 0, 0.2: 0, 0.38: 97, 0.68: 118, 0.86: 0, 1: 0}, style=0))[:, None]
    held = (p.c >= 0.18) & (p.c <= 0.86)
    middle = np.where(held[:, None], hand, p.still(stand))
    axis = np.cos(tilt) * UP + np.sin(tilt) * np.array([0, 0, -1])
    figure = p.pose(
        pelvis,
        up,
        (p.at(x - 0.04, top + 0.03, -0.2), hand + np.array([-0.05, 0, 0.02])),
        beside(p.at(-0.02, 0.04, 0), 0.1),
        elbows=(-0.2, -0.6, 0),
    )
    filled = np.interp(p.c, (0.38, 0.68), (0.0, 0.8))
    drinking = _glass(np.array([x, top, -0.08]), filled)
    mouth = middle + 0.115 * axis
    bottle = [
        rod((middle - 0.07 * axis, middle + 0.03 * axis), "bottle", 0.034),
        rod((middle + 0.03 * axis, mouth), "bottle", 0.014),
        rod((middle - 0.05 * axis, middle + 0.01 * axis), "label", 0.024, 0.01),
    ]
    flowing = ((p.c >= 0.38) & (p.c < 0.68))[:, None]
    level = np.stack([p.still(x), top + 0.01 + 0.13 * filled, p.still(-0.08)], -1)
    stream = rod((np.where(flowing, mouth, np.nan), np.where(flowing, level, np.nan)), "drink", 0.007, 0.02)
    board = np.array([(-0.05, top, -0.7), (-0.05, top, 0.7), (0.42, top, 0.7), (0.42, top, -0.7)])
    front = np.array([(0.42, top, -0.7), (0.42, top, 0.7), (0.42, 0, 0.7), (0.42, 0, -0.7)])
    table = [
        Prop("plate", p.still(board), "table", 0.004, nearer=-0.12),
        Prop("plate", p.still(front), "apron", 0, nearer=1),
    ]
    focus = np.array([(x, top - 0.1, -0.26), (x, top - 0.1, 0.32), (0, 1.02, 0)])
    return Scene(figure, [*table, *drinking, stream, *bottle], focus)


def _glass(base: np.ndarray, filled: np.ndarray) -> list[Prop]:
    """A tumbler on the table, `filled` (n,) to a share of its height."""
    height, low, high = 0.13, 0.036, 0.046

    def outline(share: np.ndarray) -> np.ndarray:
        width = low + (high - low) * share
        corners = [(0 * share, side * low) for side in (-1, 1)] + [(share * height, side * width) for side in (1, -1)]
        return np.stack([base + np.stack([0 * y, y, z + 0 * y], -1) for y, z in corners], 1)

    whole = outline(np.ones_like(filled))
    rim = disc(whole[:, 2:].mean(1), (np.array([high, 0, 0]), np.array([0, 0, high])), "rim", hollow=True)
    drink = np.where(filled[:, None, None] > 0, outline(filled), np.nan)
    edge = Prop("plate", whole, "rim", 0.004, hollow=True, nearer=0.015)
    return [Prop("plate", whole, "glass"), Prop("plate", drink, "drink", nearer=0.01), edge, rim]


ACTIONS: dict[str, Action] = {
    "baseball_pitch": Action((0.25, 0.5, 0.68), 15, _baseball_pitch),
    "baseball_swing": Action((0.4, 0.62), 10, _baseball_swing),
    "bench_press": Action((0.5,), 48, _bench_press),
    "bowl": Action((0.5, 0.72), 18, _bowl),
    "clean_and_jerk": Action((0.18, 0.34, 0.52, 0.62, 0.8), 62, _clean_and_jerk),
    "golf_swing": Action((0.45, 0.65), 5, _golf_swing),
    "jumping_jacks": Action((0.25, 0.5, 0.75), 85, _jumping_jacks),
    "pushup": Action((0.5,), 15, _pushup),
    "pullup": Action((0.5,), 80, _pullup),
    "situp": Action((0.5,), 15, _situp),
    "squat": Action((0.25, 0.5, 0.75), 50, _squat),
    "tennis_forehand": Action((0.4, 0.6), 35, _tennis_forehand),
    "tennis_serve": Action((0.25, 0.5, 0.68), 15, _tennis_serve),
    "pouring": Action((0.18, 0.38, 0.68, 0.86), 90, _pouring),
}

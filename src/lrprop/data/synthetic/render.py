"""A scene to frames: camera, clothes, and the drawing of capsules, balls and polygons from far to near."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import hypot

import numpy as np
from PIL import ImageDraw

from lrprop.data.synthetic.body import Figure, across, unit
from lrprop.data.synthetic.noise import smooth_curve
from lrprop.data.synthetic.scenery import Colour, Light, PasserBy, backdrop, random_colour
from lrprop.data.synthetic.stage import Prop, Scene

SUPERSAMPLING = 2
MARGIN = 0.06  # of the frame, on each side of the backdrop: room for the camera to shake
SKINS: tuple[Colour, ...] = ((238, 200, 172), (222, 172, 134), (186, 130, 94), (140, 92, 64), (96, 62, 44))
HAIRS: tuple[Colour, ...] = ((36, 28, 24), (84, 56, 34), (150, 112, 60), (190, 190, 188), (20, 20, 26))
PROPS: dict[str, tuple[int, ...]] = {
    "steel": (168, 172, 180),
    "iron": (48, 48, 54),
    "plate": (66, 66, 74),
    "wood": (196, 150, 92),
    "leather": (128, 76, 40),
    "white": (246, 246, 242),
    "tennis": (214, 236, 60),
    "bowling": (38, 42, 120),
    "bench": (44, 46, 58),
    "grip": (40, 40, 44),
    "strings": (240, 240, 230, 90),
    "bottle": (42, 104, 62),
    "label": (236, 226, 190),
    "glass": (206, 228, 240, 120),
    "rim": (150, 184, 200),
    "drink": (176, 40, 52, 225),
    "table": (150, 108, 70),
    "apron": (112, 78, 50),
}


@dataclass(frozen=True)
class Shape:
    """A prop or a part of the body, ready to be drawn.

    Attributes:
        prop: its points and kind.
        fill: red, green, blue and, for what one can see through, opacity.
        radii: radius at each of the k points.
    """

    prop: Prop
    fill: tuple[int, ...]
    radii: tuple[float, ...]


def render(scene: Scene, view: float, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Films a scene.

    Args:
        scene: n frames of a figure and its props.
        view: degrees; 0 from the figure's right, 90 from its front. The camera stands up to 25 degrees off.
        size: height and width of the frames, in pixels.
        rng: draws the camera, the clothes, the backdrop and the light.

    Yields:
        n frames (size, size, 3) uint8.
    """
    n, width = len(scene.figure.joints), size * SUPERSAMPLING
    camera = Camera.draw_from(scene, view, width, rng)
    shapes = _dress(scene, rng)
    projected = [camera.project(shape.prop.points) for shape in shapes]
    depths = np.stack([depth + shape.prop.nearer for shape, (_, _, depth) in zip(shapes, projected, strict=True)])
    shadow = camera.project(_shadow(scene.figure))[0]
    back = backdrop(rng, int(width * (1 + 2 * MARGIN)))
    passer_by = PasserBy.draw_from(rng, n, width) if rng.random() < 0.3 else None
    light = Light.draw_from(rng, n)
    for frame in range(n):
        left, top = (MARGIN * width - camera.shake[frame]).round().astype(int)
        picture = back.crop((left, top, left + width, top + width))
        draw = ImageDraw.Draw(picture, "RGBA")
        if passer_by:
            passer_by.draw(draw, frame)
        draw.polygon(shadow[frame].ravel().tolist(), fill=(0, 0, 0, 70))
        for i in far_to_near(depths[:, frame]):
            points, scale, _ = (track[frame] for track in projected[i])
            _draw(draw, shapes[i], points, scale)
        yield light.expose(rng, frame, np.asarray(picture.reduce(SUPERSAMPLING)))


def far_to_near(depths: np.ndarray) -> list[int]:
    """The order in which to draw things at distances (k,) towards the viewer; those at NaN are not there."""
    return [int(i) for i in np.argsort(depths, kind="stable") if np.isfinite(depths[i])]


@dataclass(frozen=True)
class Camera:
    """A shaking camera with weak perspective.

    Attributes:
        axes: (3, 3), rows: right, up and towards the viewer.
        centre: (3,), the point of the scene it looks at.
        scale: pixels per unit at that point.
        middle: (2,) pixels, where that point is in the picture.
        shake: (n, 2) pixels.
    """

    axes: np.ndarray
    centre: np.ndarray
    scale: float
    middle: np.ndarray
    shake: np.ndarray

    @classmethod
    def draw_from(cls, scene: Scene, view: float, width: int, rng: np.random.Generator) -> Camera:
        """A random camera that keeps the scene's focus in the picture; every second one sees a mirror image."""
        yaw, pitch = np.radians(view + rng.uniform(-25, 25)), np.radians(rng.uniform(-2, 16))
        right = np.array([np.cos(yaw), 0, -np.sin(yaw)])
        level = np.array([np.sin(yaw), 0, np.cos(yaw)])
        up = np.array([0, np.cos(pitch), 0]) - np.sin(pitch) * level
        axes = np.stack([right, up, np.cos(pitch) * level + np.array([0, np.sin(pitch), 0])])
        focus = scene.figure.joints.reshape(-1, 3) if scene.focus is None else scene.focus
        seen = focus @ axes.T
        low, high = seen.min(0), seen.max(0)
        scale = width * rng.uniform(0.7, 0.88) / (high - low)[:2].max()
        middle = width * (0.5 + rng.uniform(-0.05, 0.05, 2))
        centre = (low + high) / 2 @ axes
        if rng.random() < 0.5:
            axes = axes * [[-1], [1], [1]]
        n = len(scene.figure.joints)
        shake = smooth_curve(rng, np.linspace(0, 1, n), 10, (2,)) * width * rng.uniform(0.001, 0.012)
        return cls(axes, centre, scale, middle, shake.clip(-MARGIN * width, MARGIN * width))

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels (n, k, 2), pixels per unit (n, k), and the mean distance towards the viewer (n,)."""
        seen = (points - self.centre) @ self.axes.T
        scale = self.scale / (1 - 0.12 * seen[..., 2]).clip(0.5)
        offset = seen[..., :2] * scale[..., None] * [1, -1]
        return self.middle + self.shake[:, None] + offset, scale, seen[..., 2].mean(-1)


def _dress(scene: Scene, rng: np.random.Generator) -> list[Shape]:
    """The body in random clothes, and the props in about their own colours."""
    figure = scene.figure
    skin, hair = SKINS[rng.integers(len(SKINS))], HAIRS[rng.integers(len(HAIRS))]
    shirt, trousers, shoes = random_colour(rng), random_colour(rng), random_colour(rng)
    sleeves, shorts = rng.random() < 0.5, rng.random() < 0.4
    girth = rng.uniform(0.9, 1.2)
    shapes = _trunk(figure, skin, hair, shirt, trousers, girth)
    for side in ("left", "right"):
        shapes += _arm(figure, side, skin, shirt if sleeves else skin, girth)
        shapes += _leg(figure, side, trousers, skin if shorts else trousers, shoes, girth)
    for prop in scene.props:
        red, green, blue, *opacity = PROPS[prop.colour]
        tint = (np.array([red, green, blue]) + rng.uniform(-14, 14, 3)).clip(0, 255).astype(int)
        shapes.append(Shape(prop, (*tint.tolist(), *opacity), (prop.radius,) * prop.points.shape[1]))
    return shapes


def _limb(points: list[np.ndarray], radii: tuple[float, ...], fill: Colour, girth: float, nearer: float = 0) -> Shape:
    prop = Prop("rod" if len(points) > 1 else "ball", np.stack(points, 1), "", nearer=nearer)
    return Shape(prop, fill, tuple(girth * radius for radius in radii))


def _trunk(figure: Figure, skin: Colour, hair: Colour, shirt: Colour, trousers: Colour, girth: float) -> list[Shape]:
    shoulders = [figure.joint("left_shoulder"), figure.joint("right_shoulder")]
    hips = [figure.joint("right_hip"), figure.joint("left_hip")]
    head, pelvis = figure.joint("head"), (hips[0] + hips[1]) / 2
    up = unit(figure.neck - pelvis)
    waist = [hip + 0.05 * up for hip in hips]
    inner = [figure.neck + 0.82 * (shoulder - figure.neck) - 0.02 * up for shoulder in shoulders]
    chest = Prop("plate", np.stack([*inner, *waist], 1), "", nearer=0.005)
    return [
        _limb([hips[0], hips[1]], (0.058, 0.058), trousers, girth),
        Shape(chest, shirt, (0.045 * girth,) * 4),
        _limb([figure.neck - 0.01 * up, head], (0.03, 0.03), skin, girth, -0.01),
        _limb([head], (0.062,), skin, 1, 0.01),
        _limb([head + 0.022 * up - 0.02 * figure.chest], (0.06,), hair, 1, 0.01),
        _limb([head + 0.058 * figure.chest - 0.006 * up], (0.013,), skin, 1, 0.02),
    ]


def _arm(figure: Figure, side: str, skin: Colour, sleeve: Colour, girth: float) -> list[Shape]:
    shoulder, elbow, wrist = (figure.joint(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist"))
    hand = wrist + 0.03 * unit(wrist - elbow)
    return [
        _limb([shoulder, elbow], (0.036, 0.03), sleeve, girth, 0.01),
        _limb([shoulder, shoulder + 0.4 * (elbow - shoulder)], (0.043, 0.038), sleeve, girth, 0.012),
        _limb([elbow, wrist], (0.029, 0.021), skin, girth, 0.02),
        _limb([hand], (0.03,), skin, 1, 0.025),
    ]


def _leg(figure: Figure, side: str, trousers: Colour, calf: Colour, shoes: Colour, girth: float) -> list[Shape]:
    hip, knee, ankle = (figure.joint(f"{side}_{name}") for name in ("hip", "knee", "ankle"))
    toes = across(figure.front, unit(ankle - knee))
    return [
        _limb([hip, knee], (0.058, 0.042), trousers, girth),
        _limb([knee, ankle], (0.04, 0.026), calf, girth, 0.005),
        _limb([ankle - 0.015 * toes, ankle + 0.075 * toes], (0.03, 0.024), shoes, 1, 0.01),
    ]


def _shadow(figure: Figure) -> np.ndarray:
    """(n, 16, 3): an ellipse on the floor below the figure."""
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    low, high = figure.joints.min(1), figure.joints.max(1)
    ring = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
    middle, radii = (low + high) / 2 * [1, 0, 1], (high - low) / 2 + 0.06
    ellipse: np.ndarray = middle[:, None] + ring * radii[:, None]
    return ellipse


def _draw(draw: ImageDraw.ImageDraw, shape: Shape, points: np.ndarray, scale: np.ndarray) -> None:
    """Draws one shape with a darker outline: points (k, 2) in pixels, scale (k,) pixels per unit."""
    radii = scale * shape.radii
    dark = tuple(int(0.55 * channel) for channel in shape.fill[:3])
    if shape.prop.kind == "plate":
        if not shape.prop.hollow:
            if len(shape.fill) == 3:
                _capsules(draw, np.vstack([points, points[:1]]), np.append(radii, radii[0]) + 1.5, dark)
            draw.polygon(points.ravel().tolist(), fill=shape.fill)
        if len(shape.fill) == 3 and (shape.prop.hollow or radii[0] > 0):
            _capsules(draw, np.vstack([points, points[:1]]), np.append(radii, radii[0]), shape.fill[:3])
        return
    if len(shape.fill) == 3:
        _capsules(draw, points, radii + 1.5, dark)
    _capsules(draw, points, radii, shape.fill)


def _capsules(draw: ImageDraw.ImageDraw, points: np.ndarray, radii: np.ndarray, fill: tuple[int, ...]) -> None:
    """A thick line with round ends and joints, whose half width changes from point to point."""
    circles = [(x, y, r) for (x, y), r in zip(points.tolist(), radii.tolist(), strict=True)]
    for x, y, r in circles:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    for (x, y, r), (u, v, s) in pairwise(circles):
        length = hypot(u - x, v - y)
        if length > 0.5:
            a, b = (y - v) / length, (u - x) / length  # the unit normal
            corners = (x + r * a, y + r * b, u + s * a, v + s * b, u - s * a, v - s * b, x - r * a, y - r * b)
            draw.polygon(corners, fill=fill)

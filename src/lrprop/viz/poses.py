"""Poses as pictures: the 13 joints of Penn Action as limb figures, for videos of which only the joints are at hand."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from lrprop.viz.drawing import MAT, Colour

HEAD, L_SHOULDER, R_SHOULDER, L_HIP, R_HIP = 0, 1, 2, 7, 8
LEFT_LIMBS = ((1, 3), (3, 5), (7, 9), (9, 11))
RIGHT_LIMBS = ((2, 4), (4, 6), (8, 10), (10, 12))
TRUNK = ((1, 2), (1, 7), (2, 8), (7, 8))
JOINTS = 13

# Not phase colours: a limb must not be taken for a phase.
LEFT_COLOUR: Colour = (52, 69, 156)
RIGHT_COLOUR: Colour = (190, 40, 60)
TRUNK_COLOUR: Colour = (70, 74, 84)
TRUNK_FILL: Colour = (205, 208, 214)

MARGIN = 0.1
SUPERSAMPLING = 4


def draw_poses(poses: np.ndarray, size: int = 240) -> np.ndarray:
    """Draw each pose of a video as a limb figure: left indigo, right crimson, trunk and head grey.

    One box holds the whole video, so that a figure that moves through the scene moves through the picture. Joints that
    are not visible have meaningless coordinates: they are left out, with the limbs that end at them. A frame without a
    visible joint is an empty box.

    Args:
        poses: (n, 13, 3) of x, y in pixels and visibility (> 0: visible); joints in Penn Action's order: head, then
            left and right shoulder, elbow, wrist, hip, knee, ankle.
        size: side of the square frames in pixels, at least 16.

    Returns:
        (n, size, size, 3) uint8.

    Raises:
        ValueError: where the poses are not (n, 13, 3) with n > 0, a visible joint is not finite, or size is below 16.
    """
    poses = _checked(poses, size)
    visible = poses[..., 2] > 0
    canvas = size * SUPERSAMPLING
    points = _onto_canvas(poses[..., :2], visible, canvas)
    stroke = _stroke(points, visible, canvas)
    frames = np.empty((len(poses), size, size, 3), np.uint8)
    for t, (pose, seen) in enumerate(zip(points, visible, strict=True)):
        image = Image.new("RGB", (canvas, canvas), MAT)
        _draw_figure(ImageDraw.Draw(image), pose, seen, stroke)
        frames[t] = np.asarray(image.reduce(SUPERSAMPLING))
    return frames


def _checked(poses: np.ndarray, size: int) -> np.ndarray:
    poses = np.asarray(poses, np.float64)
    if poses.ndim != 3 or poses.shape[1:] != (JOINTS, 3) or len(poses) == 0:
        raise ValueError(f"poses must be (n, {JOINTS}, 3) with n > 0; got shape {poses.shape}")
    broken = (poses[..., 2] > 0) & ~np.isfinite(poses).all(axis=-1)
    if broken.any():
        t, joint = np.argwhere(broken)[0]
        raise ValueError(f"poses: joint {joint} of frame {t} is visible but not finite: {poses[t, joint]}")
    if size < 16:
        raise ValueError(f"size must be at least 16 pixels; got {size}")
    return poses


def _onto_canvas(xy: np.ndarray, visible: np.ndarray, canvas: int) -> np.ndarray:
    """Fit all visible joints of the video into the canvas, with a margin, aspect kept."""
    if not visible.any():
        return np.zeros_like(xy)
    low, high = xy[visible].min(axis=0), xy[visible].max(axis=0)
    scale = canvas * (1 - 2 * MARGIN) / max(float((high - low).max()), 1.0)
    placed: np.ndarray = (xy - (low + high) / 2) * scale + canvas / 2
    return placed


def _stroke(points: np.ndarray, visible: np.ndarray, canvas: int) -> float:
    """Limb width: in proportion to the figure, which may be small where it travels far, but never a hairline."""
    heights = [np.ptp(pose[seen], axis=0).max() for pose, seen in zip(points, visible, strict=True) if seen.any()]
    body = float(np.median(heights)) if heights else canvas
    return max(0.055 * body, 0.012 * canvas)


def _draw_figure(draw: ImageDraw.ImageDraw, pose: np.ndarray, seen: np.ndarray, stroke: float) -> None:
    trunk = [L_SHOULDER, R_SHOULDER, R_HIP, L_HIP]
    if seen[trunk].all():
        draw.polygon([tuple(pose[joint]) for joint in trunk], fill=TRUNK_FILL)
    for start, end in TRUNK:
        if seen[[start, end]].all():
            draw.line([*pose[start], *pose[end]], fill=TRUNK_COLOUR, width=round(stroke * 0.7))
    shoulders = [joint for joint in (L_SHOULDER, R_SHOULDER) if seen[joint]]
    if seen[HEAD] and shoulders:
        draw.line([*pose[HEAD], *pose[shoulders].mean(axis=0)], fill=TRUNK_COLOUR, width=round(stroke * 0.7))
    for limbs, colour in ((LEFT_LIMBS, LEFT_COLOUR), (RIGHT_LIMBS, RIGHT_COLOUR)):
        for limb in limbs:
            _draw_limb(draw, pose, seen, limb, colour, stroke)
        for joint in {joint for limb in limbs for joint in limb if seen[joint]}:
            _draw_disc(draw, pose[joint], stroke * 0.5, colour)
    if seen[HEAD]:
        _draw_disc(draw, pose[HEAD], stroke * 1.5, TRUNK_COLOUR)


def _draw_limb(
    draw: ImageDraw.ImageDraw, pose: np.ndarray, seen: np.ndarray, limb: tuple[int, int], colour: Colour, width: float
) -> None:
    start, end = limb
    if seen[start] and seen[end]:
        # The halo keeps limbs apart where they cross.
        draw.line([*pose[start], *pose[end]], fill=MAT, width=round(width * 1.5))
        draw.line([*pose[start], *pose[end]], fill=colour, width=round(width))


def _draw_disc(draw: ImageDraw.ImageDraw, centre: np.ndarray, radius: float, colour: Colour) -> None:
    x, y = centre
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)

"""What is behind the figure, and the light: room, clutter, a passer-by, drift and grain."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lrprop.data.synthetic.noise import smooth_curve

Colour = tuple[int, int, int]


def random_colour(rng: np.random.Generator, vivid: float = 0.6) -> Colour:
    """Any hue, a saturation of at most `vivid`, and neither black nor white."""
    channels = hsv_to_rgb(rng.uniform(0, 1), rng.uniform(0, vivid), rng.uniform(0.25, 0.92))
    red, green, blue = (int(255 * channel) for channel in channels)
    return red, green, blue


def backdrop(rng: np.random.Generator, width: int) -> Image.Image:
    """A square picture of a room or a field: wall, floor, a few blurred shapes, and fine texture."""
    horizon = int(width * rng.uniform(0.5, 0.8))
    wall, floor = np.array(random_colour(rng, 0.4)), np.array(random_colour(rng, 0.4))
    rows = np.arange(width)[:, None]
    shade = np.interp(rows, (0, width), (1.12, 0.82) if rng.random() < 0.5 else (0.85, 1.1))
    picture = Image.fromarray(
        np.repeat((np.where(rows < horizon, wall, floor) * shade).clip(0, 255).astype(np.uint8)[:, None], width, 1)
    )
    _clutter(rng, picture, horizon)
    blurred = picture.filter(ImageFilter.GaussianBlur(width * rng.uniform(0.002, 0.012)))
    coarse = Image.fromarray(rng.integers(0, 255, (width // 12, width // 12), dtype=np.uint8))
    texture = np.asarray(coarse.resize((width, width), Image.Resampling.BICUBIC), dtype=float) - 127
    grainy = np.asarray(blurred, dtype=float) + texture[..., None] * rng.uniform(0.02, 0.12)
    return Image.fromarray(grainy.clip(0, 255).astype(np.uint8))


def _clutter(rng: np.random.Generator, picture: Image.Image, horizon: int) -> None:
    """Windows, posts and bushes on the wall; lines and patches on the floor."""
    draw, width = ImageDraw.Draw(picture), picture.width
    for _ in range(rng.integers(3, 10)):
        x, y = rng.uniform(0, width, 2)
        half_width, half_height = rng.uniform(0.02, 0.16, 2) * width
        box = (x - half_width, y - half_height, x + half_width, y + half_height)
        (draw.rectangle if rng.random() < 0.6 else draw.ellipse)(box, fill=random_colour(rng, 0.5))
    draw.line((0, horizon, width, horizon), fill=random_colour(rng), width=max(1, width // 100))


@dataclass(frozen=True)
class PasserBy:
    """A bystander who crosses the background: (n, 2) feet in pixels, height in pixels, colours."""

    feet: np.ndarray
    height: float
    shirt: Colour
    trousers: Colour

    @classmethod
    def draw_from(cls, rng: np.random.Generator, n: int, width: int) -> PasserBy:
        """Someone who walks at a constant pace, in either direction or hardly at all."""
        start, pace, level = rng.uniform(0, 1), rng.uniform(-0.9, 0.9), rng.uniform(0.65, 0.85)
        x = start + pace * np.linspace(0, 1, n)
        feet = np.stack([x, np.full(n, level)], -1) * width
        return cls(feet, width * rng.uniform(0.22, 0.4), random_colour(rng), random_colour(rng))

    def draw(self, draw: ImageDraw.ImageDraw, frame: int) -> None:
        """Draws the bystander of one frame."""
        (x, y), size = self.feet[frame], self.height
        stride = 0.08 * size * np.sin(2 * np.pi * x / (0.5 * size))
        for step in (-stride, stride):
            draw.line((x, y - 0.48 * size, x + step, y), fill=self.trousers, width=max(1, int(0.1 * size)))
        draw.ellipse((x - 0.11 * size, y - 0.85 * size, x + 0.11 * size, y - 0.42 * size), fill=self.shirt)
        draw.ellipse((x - 0.07 * size, y - size, x + 0.07 * size, y - 0.84 * size), fill=(196, 150, 120))


@dataclass(frozen=True)
class Light:
    """Drifting exposure and tint, and sensor grain.

    Attributes:
        gain: (n, 3) factors of the colour channels.
        grain: standard deviation of the noise, in grey levels.
    """

    gain: np.ndarray
    grain: float

    @classmethod
    def draw_from(cls, rng: np.random.Generator, n: int) -> Light:
        """Exposure within about 15 % of its own level, tint within 3 %."""
        at = np.linspace(0, 1, n)
        drift = rng.uniform(0.01, 0.07) * smooth_curve(rng, at, 4)[:, None] + 0.015 * smooth_curve(rng, at, 3, (3,))
        return cls(rng.uniform(0.8, 1.15) * np.exp(drift.clip(-0.3, 0.3)), rng.uniform(1, 8))

    def expose(self, rng: np.random.Generator, frame: int, picture: np.ndarray) -> np.ndarray:
        """The picture (H, W, 3) as the sensor sees it, uint8."""
        noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(self.grain)
        exposed: np.ndarray = (picture * self.gain[frame].astype(np.float32) + noise).clip(0, 255).astype(np.uint8)
        return exposed

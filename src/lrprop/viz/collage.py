"""Pictures of frames: tiles with their captions, below each other and side by side."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from lrprop.viz.clip import Clip
from lrprop.viz.drawing import PAPER, captioned, frame_caption, phase_colour


def tile(clip: Clip, index: int, size: tuple[int, int], is_wrong: bool = False) -> Image.Image:
    """A frame of a clip with its number and phase, in the colour of the phase.

    Args:
        clip: the video.
        index: of the frame.
        size: width and height of the frame in pixels, without border and caption.
        is_wrong: mark it by "≠": it stands where another phase belongs.
    """
    caption = "≠ " * is_wrong + frame_caption(clip, index)
    return captioned(clip.frames[index], caption, phase_colour(clip.phase(index)), *size)


def differ(phase: int | None, other: int | None) -> bool | None:
    """Whether two phases differ; None where one of them is not known."""
    return None if phase is None or other is None else phase != other


def below(images: Sequence[Image.Image], gap: int) -> Image.Image:
    """At least one image below the other, at the left edge, some pixels apart."""
    height = sum(image.height for image in images) + gap * (len(images) - 1)
    picture = Image.new("RGB", (max(image.width for image in images), height), PAPER)
    top = 0
    for image in images:
        picture.paste(image, (0, top))
        top += image.height + gap
    return picture


def beside(images: Sequence[Image.Image], gap: int) -> Image.Image:
    """At least one image beside the other, at the upper edge, some pixels apart."""
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    picture = Image.new("RGB", (width, max(image.height for image in images)), PAPER)
    left = 0
    for image in images:
        picture.paste(image, (left, 0))
        left += image.width + gap
    return picture

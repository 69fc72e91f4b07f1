"""The typed containers that travel between rooms, with their shapes.

Letters: V views, T frames a view, D embedding, C H W image, J joints, F features, n frames of a source video.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor


@dataclass
class Views:
    """A batch of V views: temporal crops of videos, T sampled frames each, padded to a common T.

    Attributes:
        frames: what the encoder reads: pixels (V, T, C, H, W) uint8, poses (V, T, J, 3) or features (V, T, F).
        steps: (V, T) int64, a frame's index in its source video.
        mask: (V, T) bool, true where a frame is real and not padding.
        lengths: (V,) int64, the number of frames n of the source video.
        video: (V,) int64, which video of the data set a view was cut from.
    """

    frames: Tensor
    steps: Tensor
    mask: Tensor
    lengths: Tensor
    video: Tensor

    def to(self, *args: object, **kwargs: object) -> Views:
        """A copy on another device; Lightning's transfer calls it."""
        return self._with_all(lambda part: part.to(*args, **kwargs))

    def pin_memory(self) -> Views:
        """A copy in page-locked memory; the DataLoader calls it."""
        return self._with_all(lambda part: part.pin_memory())

    def _with_all(self, changed: Callable[[Any], Any]) -> Views:
        fields: dict[str, Any] = {
            name: [changed(part) for part in value] if isinstance(value, list) else changed(value)
            for name, value in vars(self).items()
        }
        return replace(self, **fields)


@dataclass
class EmbeddedVideo:
    """One whole video after the encoder: all that a metric or a picture needs of it.

    Attributes:
        id: the video's name, unique in its data set.
        embeddings: (n, D) float, one row a frame.
        labels: (n,) int64 phases, -1 where a frame has none; None for a video without labels.
        truth: (n,) float in [0, 1], the canonical time of each frame; None where it is not known.
        action: what it shows; only videos of one action are compared.
    """

    id: str
    embeddings: np.ndarray
    labels: np.ndarray | None = None
    truth: np.ndarray | None = None
    action: str = ""

"""Two embedded videos and the DTW path between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lrprop.alignment import dtw, pairwise_distances
from lrprop.batch import EmbeddedVideo


@dataclass(frozen=True, eq=False)
class AlignedPair:
    """Two aligned videos.

    Attributes:
        first: n frames; rows of the cost.
        second: m frames; columns of the cost.
        cost: (n, m) Euclidean distances of the embeddings.
        path: (L, 2) the matched frames.
    """

    first: EmbeddedVideo
    second: EmbeddedVideo
    cost: np.ndarray
    path: np.ndarray

    @property
    def accuracy(self) -> float:
        """The share of the path, in [0, 1], that joins frames of one phase; NaN where no match has two phases."""
        if self.first.labels is None or self.second.labels is None:
            return float("nan")
        first, second = self.first.labels[self.path[:, 0]], self.second.labels[self.path[:, 1]]
        known = (first >= 0) & (second >= 0)
        return float((first == second)[known].mean()) if known.any() else float("nan")

    def __str__(self) -> str:
        """Both names, and the accuracy where there is one."""
        names = f"{self.first.id} and {self.second.id}"
        return names if np.isnan(self.accuracy) else f"{names}: {self.accuracy:.0%} of the path within one phase"


def align(first: EmbeddedVideo, second: EmbeddedVideo) -> AlignedPair:
    """Align two videos by DTW on the Euclidean distances of their embeddings, both ends fixed (LRProp, Eq. 5 and 6).

    Args:
        first: (n, D) embeddings.
        second: (m, D) embeddings.

    Raises:
        ValueError: embeddings of different length D, or not finite.
    """
    x, y = (torch.from_numpy(np.asarray(video.embeddings, np.float64)).unsqueeze(0) for video in (first, second))
    cost = pairwise_distances(x, y)
    return AlignedPair(first, second, cost[0].numpy(), dtw(cost).path(0).numpy())

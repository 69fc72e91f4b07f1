"""Contrast between the frames of one view: near ones attract, far ones repel. What LAV and VAVA share."""

from __future__ import annotations

import torch
from torch import Tensor

from lrprop.alignment import pairwise_distances


def temporal_contrast(
    z: Tensor,
    mask: Tensor,
    gap: Tensor,
    window: Tensor | float,
    margin: float,
    near_weight: Tensor | float = 1.0,
    far_weight: Tensor | float = 1.0,
) -> Tensor:
    """The sum over ordered pairs of frames of w D inside the window, and of w max(0, margin - D) outside it.

    D is the squared Euclidean distance. The weights tell how much a gap counts: an inverse difference moment
    1 / (1 + gap^2) or its reciprocal.

    Args:
        z: (V, T, D) embeddings.
        mask: (V, T), true where a frame is real; the others take no part.
        gap: (V, T, T) or (T, T) temporal distance of two frames, >= 0.
        window: the largest gap of a near pair, a number or (V, 1, 1).
        margin: the squared distance beyond which far frames no longer repel.
        near_weight: w of near pairs, a number or of the shape of `gap`.
        far_weight: w of far pairs, likewise.

    Returns:
        (V,) sums, >= 0.
    """
    squared = pairwise_distances(z, z, squared=True)
    terms = torch.where(gap > window, far_weight * torch.relu(margin - squared), near_weight * squared)
    return terms.masked_fill(~(mask.unsqueeze(2) & mask.unsqueeze(1)), 0.0).sum((1, 2))

"""Euclidean distances between the frames of two sequences: the cost that DTW and SoftDTW align."""

from __future__ import annotations

import torch
from torch import Tensor


def pairwise_distances(x: Tensor, y: Tensor, *, squared: bool = False) -> Tensor:
    """Euclidean distance of every frame of `x` to every frame of `y`.

    The differences are taken before they are squared, so that small distances keep their precision. Where two frames
    coincide the gradient is the zero subgradient.

    Args:
        x: (B, N, D) embeddings of the first sequences; half precision is promoted to float32.
        y: (B, M, D) embeddings of the second sequences.
        squared: return squared distances.

    Returns:
        (B, N, M) distances, >= 0, float32 or float64; differentiable once in `x` and `y`.

    Raises:
        ValueError: if the shapes are not (B, N, D) and (B, M, D).
    """
    if x.ndim != 3 or y.ndim != 3 or x.shape[0] != y.shape[0] or x.shape[2] != y.shape[2]:
        raise ValueError(f"x and y must be (B, N, D) and (B, M, D); got {tuple(x.shape)} and {tuple(y.shape)}")
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    # The matrix-multiplication mode would be faster, but it loses every digit of a distance below 1e-3 in float32.
    distances = torch.cdist(x.to(dtype), y.to(dtype), compute_mode="donot_use_mm_for_euclid_dist")
    return distances.square() if squared else distances

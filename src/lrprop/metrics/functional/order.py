"""Kendall's tau: does the nearest neighbour move forward where the video does?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from lrprop.metrics.functional.inputs import as_embeddings, check_positive
from lrprop.metrics.functional.neighbours import nearest_in_each

Ties = Literal["tau_b", "discordant"]


@overload
def kendalls_tau(
    embeddings: Sequence[ArrayLike], stride: int = 1, ties: Ties = "tau_b", return_undefined: Literal[False] = False
) -> float: ...
@overload
def kendalls_tau(
    embeddings: Sequence[ArrayLike], stride: int = 1, ties: Ties = "tau_b", *, return_undefined: Literal[True]
) -> tuple[float, int]: ...
@overload
def kendalls_tau(
    embeddings: Sequence[ArrayLike], stride: int, ties: Ties, return_undefined: Literal[True]
) -> tuple[float, int]: ...
def kendalls_tau(
    embeddings: Sequence[ArrayLike], stride: int = 1, ties: Ties = "tau_b", return_undefined: bool = False
) -> float | tuple[float, int]:
    """Kendall's tau between frame order and the order of nearest neighbours (Dwibedi et al., TCC, CVPR 2019).

    For each ordered pair of videos, every frame of the first is sent to its nearest frame (squared Euclidean
    distance) in the second; tau compares the two index sequences; the value is the mean over the pairs where it is
    defined. Labels play no part: every frame counts.

    Args:
        embeddings: one (n_i, D) array a video.
        stride: every stride-th frame is used, from frame 0.
        ties: "tau_b" is scipy's tau-b, as the original evaluation code computes it, undefined where all frames have
            one and the same neighbour; "discordant" is the paper's wording, (concordant - discordant - tied) / all,
            which is -1 there.
        return_undefined: also return the number of undefined pairs, so that a collapsed embedding cannot look good.

    Returns:
        tau in [-1, 1], nan where no pair is defined; with `return_undefined`, (tau, number of undefined pairs).

    Raises:
        ValueError: an argument out of its range, or embeddings that are not finite.
    """
    check_positive(stride, "stride")
    if ties not in ("tau_b", "discordant"):
        raise ValueError(f"ties = {ties!r}; expected 'tau_b' or 'discordant'")
    taus = _pairwise_taus([video[::stride].astype(np.float64) for video in as_embeddings(embeddings)], ties)
    defined = taus[~np.isnan(taus)]
    tau = float(defined.mean()) if defined.size else float("nan")
    return (tau, taus.size - defined.size) if return_undefined else tau


def _pairwise_taus(videos: list[np.ndarray], ties: Ties) -> np.ndarray:
    """(V (V - 1),) tau of each ordered pair, nan where it is not defined."""
    if len(videos) < 2:
        return np.empty(0)
    pool = np.concatenate(videos)
    bounds = np.cumsum([0] + [len(video) for video in videos])
    rows = [_taus(nearest_in_each(video, pool, bounds), ties) for video in videos]
    return np.concatenate([np.delete(row, index) for index, row in enumerate(rows)])


def _taus(sequences: np.ndarray, ties: Ties) -> np.ndarray:
    """(V,) tau of each column of (n, V) index sequences against 0..n-1, which has no ties itself."""
    n, count = sequences.shape
    concordant, discordant = np.zeros(count), np.zeros(count)
    for lag in range(1, n):
        forward = sequences[lag:] - sequences[:-lag]
        concordant += np.count_nonzero(forward > 0, axis=0)
        discordant += np.count_nonzero(forward < 0, axis=0)
    pairs = n * (n - 1) / 2
    untied = concordant + discordant
    numerator = concordant - discordant if ties == "tau_b" else 2 * concordant - pairs
    denominator = np.sqrt(pairs * untied) if ties == "tau_b" else np.full(count, pairs)
    taus = np.full(count, np.nan)
    np.divide(numerator, denominator, out=taus, where=denominator > 0)
    return taus

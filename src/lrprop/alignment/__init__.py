"""DTW and SoftDTW on batches of cost matrices, and the distances that fill those matrices.

Arrays and tensors only: nothing here knows of videos, models or losses. The public functions check their arguments and
hand them to a backend: `reference` (plain torch, anywhere) or a compiled one, listed with their devices in `BACKENDS`.
"""

from __future__ import annotations

from lrprop.alignment.backends import BACKENDS
from lrprop.alignment.distances import pairwise_distances
from lrprop.alignment.dtw import DTWResult, dtw, dtw_distance
from lrprop.alignment.pairs import dtw_pairs, soft_dtw_pairs
from lrprop.alignment.soft_dtw import soft_alignment, soft_dtw, soft_dtw_divergence

__all__ = [
    "BACKENDS",
    "DTWResult",
    "dtw",
    "dtw_distance",
    "dtw_pairs",
    "pairwise_distances",
    "soft_alignment",
    "soft_dtw",
    "soft_dtw_divergence",
    "soft_dtw_pairs",
]

"""DTW and SoftDTW on batches of cost matrices, and the distances that fill those matrices.

Arrays and tensors only: nothing here knows of videos, models or losses. `dtw` and `soft_dtw` check their arguments and
hand them to a backend: `reference` (plain torch, anywhere) or `numba` (CPU), listed with their devices in `BACKENDS`.
"""

from __future__ import annotations

from lrprop.alignment.backends import BACKENDS
from lrprop.alignment.distances import pairwise_distances
from lrprop.alignment.dtw import DTWResult, dtw
from lrprop.alignment.soft_dtw import soft_dtw

__all__ = ["BACKENDS", "DTWResult", "dtw", "pairwise_distances", "soft_dtw"]

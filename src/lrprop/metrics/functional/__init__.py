"""The metrics as pure functions: lists of arrays in, numbers out.

Every function takes one (n_i, D) array of embeddings a video, in one order of the videos, and per-frame labels as
one (n_i,) integer array a video in which -1 means "no phase": such a frame takes no part. Where a metric is not
defined (a single video, no labelled frame, one class only) its value is nan.
"""

from lrprop.metrics.functional.alignment import alignment_scores, canonical_error, dtw_accuracy
from lrprop.metrics.functional.order import kendalls_tau
from lrprop.metrics.functional.phases import phase_classification, phase_confusion, phase_progression
from lrprop.metrics.functional.retrieval import average_precision_at_k

__all__ = [
    "alignment_scores",
    "average_precision_at_k",
    "canonical_error",
    "dtw_accuracy",
    "kendalls_tau",
    "phase_classification",
    "phase_confusion",
    "phase_progression",
]

"""Pictures and videos of poses, alignments, runs and sweeps: pure functions, data in, figure or file out."""

from lrprop.viz.aligned_pair import AlignedPair, align
from lrprop.viz.alignment import draw_alignment
from lrprop.viz.clip import Clip
from lrprop.viz.contact_sheet import contact_sheet
from lrprop.viz.curves import draw_curves
from lrprop.viz.embedding_map import draw_embedding_map
from lrprop.viz.improvement import draw_improvement
from lrprop.viz.matrices import Matrix, draw_costs, draw_matrices
from lrprop.viz.metric_bars import draw_action_bars, draw_metric_bars
from lrprop.viz.poses import draw_poses
from lrprop.viz.priors import draw_prior_rows
from lrprop.viz.retrieval import draw_retrieval
from lrprop.viz.soft_dtw import draw_smoothing
from lrprop.viz.sweep import draw_importance, draw_parallel_coordinates, parameter_importance
from lrprop.viz.video import write_alignment_video
from lrprop.viz.worst_pairs import draw_worst_pairs, worst_pairs

__all__ = [
    "AlignedPair",
    "Clip",
    "Matrix",
    "align",
    "contact_sheet",
    "draw_action_bars",
    "draw_alignment",
    "draw_costs",
    "draw_curves",
    "draw_embedding_map",
    "draw_importance",
    "draw_improvement",
    "draw_matrices",
    "draw_metric_bars",
    "draw_parallel_coordinates",
    "draw_poses",
    "draw_prior_rows",
    "draw_retrieval",
    "draw_smoothing",
    "draw_worst_pairs",
    "parameter_importance",
    "worst_pairs",
    "write_alignment_video",
]

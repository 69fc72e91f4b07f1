"""How good an embedding aligns: `functional` computes, `evaluation` runs everything, `collection` keeps the state."""

from lrprop.metrics.collection import AlignmentMetrics
from lrprop.metrics.evaluation import evaluate

__all__ = ["AlignmentMetrics", "evaluate"]

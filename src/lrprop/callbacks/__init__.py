"""What happens around training: evaluation, seeding, the feature bank, history, checkpoints and the final report."""

from lrprop.callbacks.checkpoint import WholeCheckpoints
from lrprop.callbacks.evaluation import Evaluation
from lrprop.callbacks.feature_bank import UseFeatureBank
from lrprop.callbacks.figures import draw_val_confusion, draw_val_pair
from lrprop.callbacks.floors import floor_rows
from lrprop.callbacks.history import HistoryLogger, LogEpoch
from lrprop.callbacks.predictions import EmbeddingWriter
from lrprop.callbacks.preemption import SaveOnSigterm
from lrprop.callbacks.progress import ProgressBar
from lrprop.callbacks.report import Report, keep_skipped, show_skipped, show_table
from lrprop.callbacks.seeding import SeedEveryStep
from lrprop.callbacks.wandb import WandbRun, agents_run

__all__ = [
    "EmbeddingWriter",
    "Evaluation",
    "HistoryLogger",
    "LogEpoch",
    "ProgressBar",
    "Report",
    "SaveOnSigterm",
    "SeedEveryStep",
    "UseFeatureBank",
    "WandbRun",
    "WholeCheckpoints",
    "agents_run",
    "draw_val_confusion",
    "draw_val_pair",
    "floor_rows",
    "keep_skipped",
    "show_skipped",
    "show_table",
]

"""W&B's sweep files on one machine: no account, no server, a leaderboard at the end."""

from lrprop.sweep.commands import sweep
from lrprop.sweep.spec import Sweep, read_sweep

__all__ = ["Sweep", "read_sweep", "sweep"]

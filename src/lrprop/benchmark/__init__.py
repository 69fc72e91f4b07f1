"""Methods x actions x seeds, one process a cell, into one tidy table; and what the table says, as pages and figures."""

from lrprop.benchmark.commands import benchmark, tables
from lrprop.benchmark.grid import Cell, Grid, Method, read_grid
from lrprop.benchmark.plan import Plan

__all__ = ["Cell", "Grid", "Method", "Plan", "benchmark", "read_grid", "tables"]

"""One objective a file: plain modules from embeddings to a loss and its terms by name."""

from lrprop.objectives.gta import GTA
from lrprop.objectives.lac import LAC
from lrprop.objectives.lav import LAV
from lrprop.objectives.lrprop import LRProp
from lrprop.objectives.sal import SAL
from lrprop.objectives.scl import SCL
from lrprop.objectives.tcc import TCC
from lrprop.objectives.tcn import TCN
from lrprop.objectives.vava import VAVA

__all__ = ["GTA", "LAC", "LAV", "SAL", "SCL", "TCC", "TCN", "VAVA", "LRProp"]

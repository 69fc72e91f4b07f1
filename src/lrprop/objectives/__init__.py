"""One objective a file: plain modules from embeddings to a loss and its terms by name."""

from lrprop.objectives.lrprop import LRProp

__all__ = ["LRProp"]

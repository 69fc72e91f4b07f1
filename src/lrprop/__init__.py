"""lrprop aligns videos of the same action in time, frame by frame, without frame labels."""

__version__ = "0.1.0"

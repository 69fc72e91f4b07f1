"""A small synthetic data set with a known answer: an articulated figure that performs one of 14 actions."""

from lrprop.data.synthetic.generate import contact_sheet_frames, generate
from lrprop.data.synthetic.motion import ACTIONS, Action

__all__ = ["ACTIONS", "Action", "contact_sheet_frames", "generate"]

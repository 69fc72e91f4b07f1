"""Pictures and videos of poses and alignments: pure functions, data in, file out."""

from lrprop.viz.alignment import draw_alignment
from lrprop.viz.clip import Clip
from lrprop.viz.contact_sheet import contact_sheet
from lrprop.viz.poses import draw_poses
from lrprop.viz.video import write_alignment_video

__all__ = ["Clip", "contact_sheet", "draw_alignment", "draw_poses", "write_alignment_video"]

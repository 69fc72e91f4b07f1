"""Frame encoders, the temporal transformer and the heads."""

from lrprop.encoders.backbones import Backbone, EfficientNetLite0, PoseMLP, ResNet50
from lrprop.encoders.encoder import Encoder

__all__ = ["Backbone", "EfficientNetLite0", "Encoder", "PoseMLP", "ResNet50"]

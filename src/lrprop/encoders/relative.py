"""Relative positions: what a frame's attention to another owes to how far before or after it lies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# The biases compete with similarities of several units; so scaled, the learning rate of the rest suits them, too.
_GAIN = 8.0


class RelativePositions(nn.Module):
    """A bias of the attention for every distance in time and every head (Shaw et al., 2018; Raffel et al., 2020).

    A small network computes it from the signed distance, mainly on a logarithmic scale (the continuous position bias
    of Liu et al., Swin Transformer V2, CVPR 2022), so it holds for videos of any length. It tells before from after
    and near from far, but not where in a view a frame stands.

    Args:
        heads: attention heads.
        hidden: units of the network's hidden layer.
    """

    def __init__(self, heads: int, hidden: int = 32) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, heads, bias=False))

    def forward(self, positions: Tensor) -> Tensor:
        """From evenly spaced positions (T,), in frames of a training view, to biases (heads, T, T) of i attending to j.

        The positions make 2 T - 1 distances, and the network sees each once.
        """
        steps = positions - positions[0]
        distance = torch.cat((-steps.flip(0)[:-1], steps))  # j - i stands at T - 1 + j - i
        magnitude = torch.log2(1 + distance.abs()) / 4
        features = torch.stack((distance.sign() * magnitude, magnitude, distance / 20), -1)
        biases: Tensor = _GAIN * self.network(features).T.unfold(1, len(positions), 1).flip(1)
        return biases

"""The temporal encoder: a transformer over the frames of a view, and the heads around it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def sinusoidal_positions(length: int, width: int, num_frames: int) -> Tensor:
    """Sine and cosine position codes (Vaswani et al., 2017), stretched to the training length as in CARL.

    A training view has T frames and gets the positions 0..T-1; a whole video of n frames gets n positions spread
    evenly over the same interval, so that no position at evaluation is foreign to training.

    Args:
        length: frames to code.
        width: code length, even.
        num_frames: T, the frames of a training view.

    Returns:
        (length, width) float32.
    """
    position = torch.linspace(0, num_frames - 1, length).unsqueeze(1)
    even = torch.arange(0, width, 2)
    angle = position / 10000 ** torch.stack((even, even + 1), -1).flatten().div(width)
    codes = torch.empty(length, width)
    codes[:, 0::2], codes[:, 1::2] = angle[:, 0::2].sin(), angle[:, 1::2].cos()
    return codes


class TemporalTransformer(nn.Module):
    """Pre-norm transformer encoder over the frames of each view; padding is never attended to.

    Args:
        width: model width.
        layers: number of layers.
        heads: attention heads a layer.
        feedforward: units of the feed-forward layers.
        dropout: dropout rate.
        num_frames: T, the frames of a training view.
    """

    def __init__(
        self,
        width: int = 256,
        layers: int = 7,
        heads: int = 8,
        feedforward: int = 1024,
        dropout: float = 0.1,
        num_frames: int = 80,
    ) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, dropout, batch_first=True, norm_first=True)
        # As in CARL, dropout acts on what a layer adds to the residual, not within attention and feed-forward.
        layer.self_attn.dropout, layer.dropout.p = 0.0, 0.0
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        for parameter in self.layers.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """From (V, T, width) and the mask (V, T) of real frames to (V, T, width)."""
        positions = sinusoidal_positions(x.shape[1], x.shape[2], self.num_frames).to(x)
        contextual: Tensor = self.layers(self.dropout(x + positions), src_key_padding_mask=~mask)
        return contextual


def fully_connected(sizes: list[int], dropout: float) -> nn.Sequential:
    """Dropout, Linear, BatchNorm and ReLU for every step from one size to the next."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Dropout(dropout), nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def projection_head(width: int) -> nn.Sequential:
    """The head that only training sees: Linear, BatchNorm, ReLU, Linear, all of one width."""
    return nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width))

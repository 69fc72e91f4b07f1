"""The temporal encoder: a transformer over the frames of a view, and the heads around it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def sinusoidal_codes(positions: Tensor, width: int) -> Tensor:
    """Sine and cosine codes of positions (Vaswani et al., 2017).

    As in CARL every entry has an exponent of its own, where Vaswani's sine and cosine share one in pairs.

    Args:
        positions: (...), in frames of a training view.
        width: code length, even.

    Returns:
        (..., width), of the positions' type.
    """
    angle = positions.unsqueeze(-1) / 10000 ** (torch.arange(width, device=positions.device) / width)
    return torch.stack((angle[..., 0::2].sin(), angle[..., 1::2].cos()), -1).flatten(-2)


class TemporalTransformer(nn.Module):
    """Pre-norm transformer encoder over the frames of each view; padding is never attended to.

    Positions are stretched to the training length as in CARL: a training view has the positions 0..T-1, and the n
    frames of a whole video are spread evenly over the same interval, so that none is foreign to training.

    Args:
        width: model width.
        layers: number of layers.
        heads: attention heads a layer.
        feedforward: units of the feed-forward layers.
        dropout: dropout rate.
        num_frames: T, the frames of a training view.
        position_scale: what the position codes are multiplied with before they are added to the frame codes.
    """

    def __init__(
        self,
        width: int = 256,
        layers: int = 7,
        heads: int = 8,
        feedforward: int = 1024,
        dropout: float = 0.1,
        num_frames: int = 80,
        position_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.num_frames, self.position_scale = num_frames, position_scale
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
        codes = sinusoidal_codes(self._positions(x), x.shape[2])
        contextual: Tensor = self.layers(self.dropout(x + self.position_scale * codes), src_key_padding_mask=~mask)
        return contextual

    def _positions(self, x: Tensor) -> Tensor:
        """Positions (T,) of the frames."""
        return torch.linspace(0, self.num_frames - 1, x.shape[1], device=x.device, dtype=x.dtype)


def fully_connected(sizes: list[int], dropout: float) -> nn.Sequential:
    """Dropout, Linear, BatchNorm and ReLU for every step from one size to the next."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Dropout(dropout), nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def projection_head(width: int) -> nn.Sequential:
    """The head that only training sees: Linear, BatchNorm, ReLU, Linear, all of one width."""
    return nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width))

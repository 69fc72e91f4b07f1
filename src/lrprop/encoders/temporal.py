"""The temporal encoder: a transformer over the frames of a view, and the heads around it."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from lrprop.encoders.relative import RelativePositions


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

    Attention over n frames takes n x n numbers a head. Outside training, a longer video is therefore seen in windows
    that overlap by half or more: their frames keep the positions of the whole video, and each frame is what the window
    made of it in which it lies farthest from an edge, never nearer than a quarter of a window except at the video's own
    ends. (Not a blend of two windows: what leaves the transformer is always what it made of one context.)

    Args:
        width: model width.
        layers: number of layers.
        heads: attention heads a layer.
        feedforward: units of the feed-forward layers.
        dropout: dropout rate.
        num_frames: T, the frames of a training view.
        position_scale: what the position codes are multiplied with before they are added to the frame codes.
        window: frames that attend to each other outside training; shorter videos are seen whole.
        relative: let attention know how far before or after a frame another one lies; see `RelativePositions`.
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
        window: int = 1024,
        relative: bool = False,
    ) -> None:
        super().__init__()
        self.num_frames, self.position_scale, self.window = num_frames, position_scale, window
        self.relative = RelativePositions(heads) if relative else None
        self.dropout = nn.Dropout(dropout)
        # torch's own shortcut for "relu" reads every mask as one of bools, biases too; torch.relu does not take it.
        activation = torch.relu if relative else "relu"
        layer = _Layer(width, heads, feedforward, dropout, activation, batch_first=True, norm_first=True)
        # As in CARL, dropout acts on what a layer adds to the residual, not within attention and feed-forward.
        layer.self_attn.dropout, layer.dropout.p = 0.0, 0.0
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        for parameter in self.layers.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """From (V, T, width) and the mask (V, T) of real frames to (V, T, width)."""
        positions = self._positions(x)
        x = self.dropout(x + self.position_scale * sinusoidal_codes(positions, x.shape[2]))
        if self.training or x.shape[1] <= self.window:
            return self._attend(x, mask, positions)
        return torch.cat(
            [
                self._attend(x[:, seen], mask[:, seen], positions[seen])[:, kept]
                for seen, kept in windows(x.shape[1], self.window)
            ],
            1,
        )

    def _attend(self, x: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        # A view that ended before a window attends to its padding there: attending to nothing would give NaN.
        is_padding = ~mask & mask.any(1, keepdim=True)
        if self.relative is None:
            contextual: Tensor = self.layers(x, src_key_padding_mask=is_padding)
            return contextual
        biases = self.relative(positions).to(x).unsqueeze(0).masked_fill(is_padding[:, None, None], -torch.inf)
        contextual = self.layers(x, mask=biases.flatten(0, 1))
        return contextual

    def _positions(self, x: Tensor) -> Tensor:
        """Positions (T,) of the frames."""
        return torch.linspace(0, self.num_frames - 1, x.shape[1], device=x.device, dtype=x.dtype)


class _Layer(nn.TransformerEncoderLayer):
    """torch's layer, whose attention proper is in float32 on a CPU whatever the precision of its matrix products.

    There the backward pass of torch's attention takes 2 to 6 times as long in bfloat16 as in float32, a quarter of a
    training step.
    """

    def _sa_block(
        self, x: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None, is_causal: bool = False
    ) -> Tensor:
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super()._sa_block(x, attn_mask, key_padding_mask, is_causal)
        attention, heads = self.self_attn, self.self_attn.num_heads
        projected = linear(x, attention.in_proj_weight, attention.in_proj_bias).unflatten(-1, (3, heads, -1))
        query, key, value = projected.float().permute(2, 0, 3, 1, 4)
        bias: Tensor | None = None  # -inf where nothing may be attended to
        if attn_mask is not None:
            bias = attn_mask.unflatten(0, (-1, heads))
        elif key_padding_mask is not None:
            bias = key_padding_mask[:, None, None]
        with torch.autocast("cpu", enabled=False):
            seen = scaled_dot_product_attention(query, key, value, bias)
        added: Tensor = self.dropout1(attention.out_proj(seen.transpose(1, 2).flatten(2)))
        return added


def windows(n: int, length: int) -> list[tuple[slice, slice]]:
    """Windows that overlap by half or more and are spread evenly over a video.

    Args:
        n: frames of the video, > length.
        length: frames of every window, >= 2.

    Returns:
        For each window, in order, its frames and, counted from the first of these, those that lie farther from its
        edges than from those of any other window: together, each frame of the video once.
    """
    last = math.ceil((n - length) / (length // 2))
    starts = [number * (n - length) // last for number in range(last + 1)]
    cuts = [0, *((start + following + length + 1) // 2 for start, following in pairwise(starts)), n]
    return [
        (slice(start, start + length), slice(begin - start, end - start))
        for start, (begin, end) in zip(starts, pairwise(cuts), strict=True)
    ]


def fully_connected(sizes: list[int], dropout: float) -> nn.Sequential:
    """Dropout, Linear, BatchNorm and ReLU for every step from one size to the next."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Dropout(dropout), nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def projection_head(width: int) -> nn.Sequential:
    """The head that only training sees: Linear, BatchNorm, ReLU, Linear, all of one width."""
    return nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width))

"""The encoder: frames in, one L2-normalised embedding a frame out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from lrprop.batch import Views
from lrprop.encoders.backbones import Backbone, EfficientNetLite0, ImageBackbone, PoseMLP
from lrprop.encoders.temporal import TemporalTransformer, fully_connected, projection_head
from lrprop.errors import InputError

BackboneFactory = Callable[[], Backbone]


class Encoder(nn.Module):
    """Frame encoder, fully connected layers, temporal transformer and embedding (LRProp, Section 3; after CARL).

    The layers that see one frame at a time run on the real frames only, so that padding takes no part in any
    BatchNorm statistic. A frozen frame encoder need not run at all: frames that are feature vectors skip it.

    Args:
        modality: what the videos hold; it chooses between the two frame encoders.
        num_frames: T, the frames of a training view.
        pixels: makes the frame encoder for pixels.
        poses: makes the frame encoder for poses.
        fc_units: units of the fully connected layers after the frame encoder.
        width: width of the transformer.
        layers: layers of the transformer.
        heads: attention heads a layer.
        feedforward: units of the transformer's feed-forward layers.
        embedding: D, the length of an embedding.
        dropout: dropout rate everywhere.
        position_scale: weight of the position codes; 1 as in CARL.
        centred: subtract from the features of a view their mean over its frames. What stays the same all through a
            view, its clothes, backdrop and camera, then tells no two videos apart, and what is left is the movement.
            For a frozen frame encoder, which cannot learn to ignore them.
        window: frames that attend to each other outside training. Longer videos than this are embedded in overlapping
            windows, in which frames have the positions of the whole video; see `TemporalTransformer`. The default is
            above every video of Penn Action, whose longest has 663 frames.
        relative_positions: tell attention how far before or after a frame another one lies; with a small
            `position_scale`, what a frame shows and what comes before and after it then count for more than its place.
        time_weight: w, how much an embedding says about a frame's place in its video outright. Above 0, two coordinates
            on an arc of radius w and one radian are appended to what `forward` returns. Training never sees them, so
            no loss can be satisfied by them.

    Raises:
        InputError: a negative time_weight, or a window of less than 2 frames.
    """

    def __init__(
        self,
        modality: Literal["pixels", "poses"] = "pixels",
        num_frames: int = 80,
        pixels: BackboneFactory = EfficientNetLite0,
        poses: BackboneFactory = PoseMLP,
        fc_units: tuple[int, ...] = (512, 512),
        width: int = 256,
        layers: int = 7,
        heads: int = 8,
        feedforward: int = 1024,
        embedding: int = 128,
        dropout: float = 0.1,
        position_scale: float = 1.0,
        centred: bool = False,
        window: int = 1024,
        relative_positions: bool = False,
        time_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if time_weight < 0:
            raise InputError(f"model.encoder.time_weight={time_weight}: give 0, or a positive weight.")
        if window < 2:
            raise InputError(
                f"model.encoder.window={window}: at least 2 frames must see each other; 1024 is the default."
            )
        self.modality, self.centred, self.time_weight = modality, centred, time_weight
        self.backbone = pixels() if modality == "pixels" else poses()
        units = [self.backbone.num_features, *fc_units]
        self.frame_head = nn.Sequential(fully_connected(units, dropout), nn.Linear(units[-1], width))
        self.temporal = TemporalTransformer(
            width, layers, heads, feedforward, dropout, num_frames, position_scale, window, relative_positions
        )
        self.embed = nn.Linear(width, embedding)
        self.projection = projection_head(embedding)

    def forward(self, views: Views) -> Tensor:
        """Embeddings (V, T, D) of unit length, zero where the mask is false; (V, T, D + 2) with a `time_weight`."""
        embeddings = _unit_length(self._embed(views), views.mask)
        return _with_time(embeddings, views.mask, self.time_weight) if self.time_weight else embeddings

    def training_embeddings(self, views: Views) -> tuple[Tensor, Tensor]:
        """What training sees: the embeddings behind the projection head and those before it, both as in `forward`."""
        embeddings = self._embed(views)
        projections = _scatter(self.projection(embeddings[views.mask]), views.mask)
        return _unit_length(projections, views.mask), _unit_length(embeddings, views.mask)

    def frame_features(self, frames: Tensor) -> Tensor:
        """What the frame encoder makes of N frames, (N, F); frames that are features already pass unchanged."""
        features: Tensor = frames if frames.dim() == 2 else self.backbone(frames)
        return features

    @property
    def can_use_feature_bank(self) -> bool:
        """True where features computed once stay right through training: a frozen network over images."""
        return isinstance(self.backbone, ImageBackbone) and self.backbone.frozen

    def _embed(self, views: Views) -> Tensor:
        features = self.frame_features(views.frames[views.mask])
        if self.centred:
            features = _minus_view_mean(features, views.mask)
        codes = self.frame_head(features.to(self.embed.weight.dtype))
        embeddings: Tensor = self.embed(self.temporal(_scatter(codes, views.mask), views.mask))
        return embeddings


def _unit_length(embeddings: Tensor, mask: Tensor) -> Tensor:
    return normalize(embeddings, dim=-1) * mask.unsqueeze(-1)


def _with_time(embeddings: Tensor, mask: Tensor, weight: float) -> Tensor:
    """Embeddings of unit length (V, T, D + 2): their own direction, and a point on an arc for their place."""
    angle = (mask.cumsum(1) - 1) / (mask.sum(1, keepdim=True) - 1).clamp(min=1)
    time = weight * torch.stack((angle.cos(), angle.sin()), -1)
    return _unit_length(torch.cat((embeddings, time.to(embeddings)), -1), mask)


def _minus_view_mean(rows: Tensor, mask: Tensor) -> Tensor:
    """Rows (N, F) of the N real frames, each less the mean row of its view."""
    return torch.cat([view - view.mean(0) for view in rows.split(mask.sum(1).tolist())])


def _scatter(rows: Tensor, mask: Tensor) -> Tensor:
    """Rows (N, D) of the N real frames to their places in (V, T, D), zeros elsewhere."""
    return rows.new_zeros(*mask.shape, rows.shape[-1]).masked_scatter(mask.unsqueeze(-1), rows)

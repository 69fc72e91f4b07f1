"""Pairs of views: what objectives compare."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lrprop.batch import Views


@dataclass
class ViewPairs:
    """B pairs of views: one side's embeddings (B, T, D), steps and mask (B, T), and the other's."""

    z: Tensor
    steps: Tensor
    mask: Tensor
    other_z: Tensor
    other_steps: Tensor
    other_mask: Tensor

    def swapped(self) -> ViewPairs:
        """The same pairs with the two sides exchanged."""
        return ViewPairs(self.other_z, self.other_steps, self.other_mask, self.z, self.steps, self.mask)

    def real_frames(self) -> Tensor:
        """Real frames (B, 2) of both sides: padding always follows the real frames."""
        return torch.stack((self.mask.sum(1), self.other_mask.sum(1)), dim=1)


def view_pairs(video: Tensor) -> tuple[Tensor, Tensor]:
    """Unordered pairs of views (B, 2): those of the same video, and those of different videos.

    Args:
        video: (V,) which video a view was cut from.
    """
    first, second = torch.triu_indices(len(video), len(video), offset=1, device=video.device)
    is_same = video[first] == video[second]
    pairs = torch.stack((first, second), dim=1)
    return pairs[is_same], pairs[~is_same]


def both_directions(pairs: Tensor) -> Tensor:
    """Ordered pairs of views (2B, 2): every unordered pair of (B, 2) as it is, then every pair turned round."""
    return torch.cat((pairs, pairs.flip(1)))


def select_pairs(z: Tensor, views: Views, pairs: Tensor, kind: str) -> ViewPairs:
    """The two sides of some pairs of views.

    Args:
        z: (V, T, D) embeddings.
        views: the views they come from.
        pairs: (B, 2) views, as `view_pairs` returns them.
        kind: what the pairs are, for the error message.

    Raises:
        ValueError: if there is no pair.
    """
    if len(pairs) == 0:
        raise ValueError(f"views.video={views.video.tolist()} has no two views of {kind}, which this term compares.")
    first, second = pairs.unbind(1)
    return ViewPairs(
        z[first], views.steps[first], views.mask[first], z[second], views.steps[second], views.mask[second]
    )

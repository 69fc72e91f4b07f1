"""SCL: the sequence contrastive loss of CARL (Chen, Wei, Li and Cai, CVPR 2022)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lrprop.batch import Views
from lrprop.objectives.pairs import ViewPairs, both_directions, select_pairs, view_pairs
from lrprop.objectives.priors import log_position_prior, masked_log_softmax, mean_divergence, position_divergence

# CARL's released code: what is added to a probability before its logarithm, and the weight of a padded frame.
_EPSILON = 1e-6


class SCL(nn.Module):
    """KL from a Gaussian around each frame's own step to the softmax over the other view of the video (Section 3.3).

    By default the divergence is exact and the loss is the same-video term of `LRProp`: the mean over the pairs of
    views, each the mean of its two directions. The defaults of `temperature` and `variance` are CARL's.

    Args:
        temperature: of the softmax over cosine similarities.
        variance: of the Gaussian, in squared steps.
        carl_epsilon: compute as CARL's released code does: log(p + 1e-6) in place of log p, every padded frame of the
            batch in the denominator with the weight 1e-6, and one mean over the real frames of all views. Only for
            comparisons with it: padding then has a small part in the loss and its gradient.
    """

    def __init__(self, temperature: float = 0.1, variance: float = 10.0, carl_epsilon: bool = False) -> None:
        super().__init__()
        self.temperature, self.variance, self.carl_epsilon = temperature, variance, carl_epsilon

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        """The loss.

        Args:
            z: (V, T, D) embeddings of unit length behind the projection head.
            views: the views they come from; `views.video` says which two share a video.
            embeddings: not used.

        Returns:
            The scalar "loss", in nats.

        Raises:
            ValueError: if no two views share a video.
        """
        same, _ = view_pairs(views.video)
        pairs = select_pairs(z, views, both_directions(same), "same video")
        if not self.carl_epsilon:
            return {"loss": position_divergence(pairs, pairs.steps, self.temperature, self.variance).mean()}
        log_q = log_position_prior(pairs.steps.to(z), pairs.other_steps.to(z), pairs.other_mask, self.variance)
        log_p = self._carl_log_probabilities(pairs.z @ pairs.other_z.mT, pairs, z[~views.mask])
        real_frames = pairs.mask.sum(1)
        return {"loss": (mean_divergence(log_q, log_p, pairs.mask) * real_frames).sum() / real_frames.sum()}

    def _carl_log_probabilities(self, similarity: Tensor, pairs: ViewPairs, padding: Tensor) -> Tensor:
        """Log of P + epsilon, (B, T, T); padding (K, D) holds the embeddings of the batch's padded frames."""
        to_padding = pairs.z @ padding.T / self.temperature + math.log(_EPSILON)
        logits = torch.cat((similarity / self.temperature, to_padding), dim=2)
        takes_part = nn.functional.pad(pairs.other_mask, (0, len(padding)), value=True)
        p = masked_log_softmax(logits, takes_part.unsqueeze(1)).exp()
        return (p[..., : similarity.shape[2]] + _EPSILON).log()

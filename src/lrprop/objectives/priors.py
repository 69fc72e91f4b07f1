"""Position priors: where in another view a frame should be found, and how far a prediction is from it."""

from __future__ import annotations

import torch
from torch import Tensor

from lrprop.objectives.pairs import ViewPairs

# Stands in for minus infinity in logits: exp of it is 0 from float32 on, and its differences stay finite.
_MASKED_LOGIT = -1e9


def log_match_probabilities(similarity: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """Log P(j | i), the softmax over the frames of the other view (LRProp, Eq. 1).

    Args:
        similarity: (B, N, M) similarities: cosines in LRProp.
        mask: (B, M), true where a frame j is real.
        temperature: tau > 0.

    Returns:
        (B, N, M) log-probabilities; practically minus infinity where the mask is false.
    """
    return masked_log_softmax(similarity / temperature, mask.unsqueeze(1))


def log_position_prior(expected: Tensor, steps: Tensor, mask: Tensor, variance: float) -> Tensor:
    """Log Q_ij for Q_ij proportional to exp(-(e_i - s_j)^2 / (2 sigma^2)) (LRProp, Eq. 2 and 7).

    Args:
        expected: (B, N), the step e_i in the other video where frame i is expected.
        steps: (B, M), the steps s_j of the other view.
        mask: (B, M), true where a frame j is real.
        variance: sigma^2 > 0, in squared steps.

    Returns:
        (B, N, M) log-probabilities over j.
    """
    squared = (expected.unsqueeze(2) - steps.unsqueeze(1)) ** 2
    return masked_log_softmax(-squared / (2 * variance), mask.unsqueeze(1))


def mean_divergence(log_q: Tensor, log_p: Tensor, mask: Tensor) -> Tensor:
    """The mean over the real frames i of KL(Q_i || P_i) (LRProp, Eq. 3).

    Args:
        log_q: (B, N, M) log-probabilities of the prior.
        log_p: (B, N, M) log-probabilities of the prediction.
        mask: (B, N), true where a frame i is real.

    Returns:
        (B,) in nats, not negative.
    """
    divergence = (log_q.exp() * (log_q - log_p)).sum(-1)
    return (divergence * mask).sum(-1) / mask.sum(-1)


def position_divergence(pairs: ViewPairs, expected: Tensor, temperature: float, variance: float) -> Tensor:
    """KL from where each frame is expected in the other view to where its embedding finds it (LRProp, Eq. 1-3).

    Args:
        pairs: B pairs of views.
        expected: (B, T), the step in the other video where each frame of the first view is expected.
        temperature: tau > 0.
        variance: sigma^2 > 0, in squared steps.

    Returns:
        (B,) in nats, not negative.
    """
    log_p = log_match_probabilities(pairs.z @ pairs.other_z.mT, pairs.other_mask, temperature)
    log_q = log_position_prior(expected.to(log_p), pairs.other_steps.to(log_p), pairs.other_mask, variance)
    return mean_divergence(log_q, log_p, pairs.mask)


def cycle_cross_entropy(log_cycles: Tensor, mask: Tensor, label_smoothing: float) -> Tensor:
    """The cross-entropy of where a cycle from each frame ends, which should be the frame itself.

    Args:
        log_cycles: (B, N, N) log-probabilities of the end j of the cycle from frame i; finite.
        mask: (B, N), true where a frame is real.
        label_smoothing: share of the target that is spread over all real frames.

    Returns:
        (B, N) in nats, not negative; without meaning where the mask is false.
    """
    is_real = mask.to(log_cycles).unsqueeze(1)
    spread = is_real / is_real.sum(2, keepdim=True)
    start = torch.eye(mask.shape[1], dtype=log_cycles.dtype, device=log_cycles.device)
    target = (1 - label_smoothing) * start + label_smoothing * spread
    return -(target * log_cycles).sum(2)


def masked_log_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """The log-softmax over the entries of the last dimension whose mask is true.

    Args:
        logits: (..., M).
        mask: of a shape that broadcasts to that of the logits.

    Returns:
        (..., M) log-probabilities; practically minus infinity where the mask is false.
    """
    return torch.log_softmax(logits.masked_fill(~mask, _MASKED_LOGIT), dim=-1)

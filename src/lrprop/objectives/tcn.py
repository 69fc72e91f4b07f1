"""TCN: time-contrastive networks from a single view (Sermanet et al., ICRA 2018), as TCC's comparison trains them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lrprop.batch import Views
from lrprop.errors import InputError
from lrprop.objectives.priors import masked_log_softmax


class TCN(nn.Module):
    """Every frame should be closest to a frame that follows it shortly, among frames of its view that are far away.

    The n-pairs loss (Sohn, 2016), after the comparison of TCC (Dwibedi et al., CVPR 2019), whose released
    configuration the defaults come from: an anchor's positive is drawn anew in every step from the frames at most
    `window` steps after it, the positives of the other anchors are its negatives, and the squared lengths are
    penalised. There the frames are few and far apart; here a view is dense, so every frame that has a positive is an
    anchor, and what lies within the window of an anchor is none of its negatives, as TCN (its single-view variant)
    draws negatives outside the window only. The loss is the mean over views, each the mean over its anchors.

    Positives are drawn from torch's global generator of the CPU: after `torch.manual_seed` they are the same on every
    device.

    Args:
        window: largest distance of a positive, in steps; at least 1.
        reg_lambda: weight of the squared lengths; without effect on embeddings of unit length.
        temperature: divides the inner products; 1 in the comparison, where embeddings may grow as long as they like.

    Raises:
        InputError: if the window is smaller than 1.
    """

    def __init__(self, window: int = 5, reg_lambda: float = 0.002, temperature: float = 1.0) -> None:
        super().__init__()
        if window < 1:
            raise InputError(f"window={window}: a positive follows its anchor by at least 1 step; use 1 or more.")
        self.window, self.reg_lambda, self.temperature = window, reg_lambda, temperature

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        """The loss and its terms.

        Args:
            z: (V, T, D) embeddings behind the projection head.
            views: the views they come from.
            embeddings: not used.

        Returns:
            Scalars: "loss", the cross-entropy "n_pairs" in nats, and "l2", a quarter of the squared lengths of anchor
            and positive. All are 0 where no view has an anchor.
        """
        positives, is_anchor = draw_positives(views.steps, views.mask, self.window)
        other_z = z.gather(1, positives.unsqueeze(2).expand_as(z))
        other_steps = views.steps.gather(1, positives)
        is_far = (views.steps.unsqueeze(2) - other_steps.unsqueeze(1)).abs() > self.window
        is_own = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
        takes_part = is_anchor.unsqueeze(1) & (is_far | is_own)
        log_p = masked_log_softmax(z @ other_z.mT / self.temperature, takes_part)
        n_pairs = _mean_over_anchors(-log_p.diagonal(dim1=1, dim2=2), is_anchor)
        l2 = _mean_over_anchors((z.square() + other_z.square()).sum(2) / 4, is_anchor)
        return {"loss": n_pairs + self.reg_lambda * l2, "n_pairs": n_pairs, "l2": l2}


def draw_positives(steps: Tensor, mask: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Draws for every frame one of the frames that follow it by at most `window` steps, each as likely.

    Args:
        steps: (V, T) steps.
        mask: (V, T), true where a frame is real.
        window: in steps.

    Returns:
        (V, T) int64, the index of the drawn frame in its view, and (V, T) bool, true where there was one to draw.
    """
    delay = steps.unsqueeze(1) - steps.unsqueeze(2)
    is_candidate = (delay >= 1) & (delay <= window) & mask.unsqueeze(1) & mask.unsqueeze(2)
    count = is_candidate.sum(2)
    # Drawn on the CPU, so that a seed means the same positives on every device.
    rank = 1 + (torch.rand(steps.shape).to(steps.device) * count).long()
    is_drawn = is_candidate & (is_candidate.cumsum(2) == rank.unsqueeze(2))
    return is_drawn.int().argmax(2), count > 0


def _mean_over_anchors(values: Tensor, is_anchor: Tensor) -> Tensor:
    """The mean over the views that have an anchor of the mean over their anchors, from values (V, T)."""
    per_view = (values * is_anchor).sum(1) / is_anchor.sum(1).clamp(min=1)
    return per_view.sum() / is_anchor.any(1).sum().clamp(min=1)

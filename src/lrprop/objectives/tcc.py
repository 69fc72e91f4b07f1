"""TCC: temporal cycle-consistency (Dwibedi, Aytar, Tompson, Sermanet and Zisserman, CVPR 2019)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn.functional import huber_loss

from lrprop.alignment import pairwise_distances
from lrprop.batch import Views
from lrprop.errors import InputError
from lrprop.objectives.pairs import ViewPairs, both_directions, select_pairs, view_pairs
from lrprop.objectives.priors import cycle_cross_entropy, log_match_probabilities

LossType = Literal["regression_mse_var", "regression_mse", "regression_huber", "classification"]

# The least variance of a cycle, in squared video lengths: a cycle that comes back to one frame for sure has none.
_LEAST_VARIANCE = 1e-6


class TCC(nn.Module):
    """Every frame cycles to its soft nearest neighbour in another view and back, and should arrive where it started.

    All ordered pairs of views of different videos take part, each with the mean over its real frames, and all pairs
    count the same. Where every view has a video of its own, as in the authors' batches, these are all ordered pairs
    of views; two views of one video are not compared, as the method aligns videos.

    The frame that a cycle comes back to is a distribution beta over the frames of the first view. Regression (Section
    3.2 of the paper) compares its mean mu, a time as a share of the video's length, with the frame's own time t:
    "regression_mse" by (t - mu)^2, "regression_huber" by the Huber loss, and "regression_mse_var" by
    (t - mu)^2 / v + variance_lambda * log v with v the variance of beta. Classification is the cross-entropy of beta
    at the frame itself. The defaults are those of the authors' released configuration, which weighs log v where the
    paper writes the logarithm of the standard deviation.

    Args:
        loss_type: how a cycle is judged, by the authors' name for it.
        temperature: of the two softmaxes over negative squared Euclidean distances.
        divide_by_dimension: divide these distances by D, too, as the authors do: their embeddings are not of unit
            length. On unit length, where the squared distance is 4 at most, both softmaxes are then nearly flat;
            without the division they are what the authors' would be on embeddings whose coordinates have a root mean
            square of 1.
        variance_lambda: weight of the log-variance.
        huber_delta: where the Huber loss turns from a square to a line, as a share of the video's length.
        label_smoothing: share of the target of the classification that is spread over all real frames.

    Raises:
        InputError: if the loss type is unknown.
    """

    def __init__(
        self,
        loss_type: LossType = "regression_mse_var",
        temperature: float = 0.1,
        divide_by_dimension: bool = True,
        variance_lambda: float = 0.001,
        huber_delta: float = 0.1,
        label_smoothing: float = 0.1,
    ) -> None:
        super().__init__()
        if loss_type not in get_args(LossType):
            raise InputError(f"loss_type={loss_type!r} is unknown; use one of {', '.join(get_args(LossType))}.")
        self.loss_type, self.temperature, self.divide_by_dimension = loss_type, temperature, divide_by_dimension
        self.variance_lambda, self.huber_delta, self.label_smoothing = variance_lambda, huber_delta, label_smoothing

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        """The loss and its terms.

        Args:
            z: (V, T, D) embeddings behind the projection head.
            views: the views they come from; `views.video` says which come from different videos.
            embeddings: not used.

        Returns:
            Scalars: "loss"; for "regression_mse_var" also its unweighted terms "scaled_error" and "log_variance".

        Raises:
            ValueError: if all views are of one video.
        """
        _, cross = view_pairs(views.video)
        timed = replace(views, steps=views.steps.to(z) / views.lengths.unsqueeze(1))
        pairs = select_pairs(z, timed, both_directions(cross), "different videos")
        log_beta = self._cycle_back(pairs)
        judge = self._classification if self.loss_type == "classification" else self._regression
        real_frames = pairs.mask.sum(1)
        return {
            name: ((term * pairs.mask).sum(1) / real_frames).mean() for name, term in judge(log_beta, pairs).items()
        }

    def _cycle_back(self, pairs: ViewPairs) -> Tensor:
        """Log beta (B, T, T): over the frames that each frame of the first view may come back to."""
        alpha = self._log_matches(pairs.z, pairs.other_z, pairs.other_mask).exp()
        return self._log_matches(alpha @ pairs.other_z, pairs.z, pairs.mask)

    def _log_matches(self, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        scale = x.shape[2] if self.divide_by_dimension else 1
        return log_match_probabilities(-pairwise_distances(x, y, squared=True) / scale, mask, self.temperature)

    def _regression(self, log_beta: Tensor, pairs: ViewPairs) -> dict[str, Tensor]:
        beta, times = log_beta.exp(), pairs.steps
        arrival = (beta @ times.unsqueeze(2)).squeeze(2)
        if self.loss_type == "regression_huber":
            return {"loss": huber_loss(arrival, times, reduction="none", delta=self.huber_delta)}
        error = (times - arrival) ** 2
        if self.loss_type == "regression_mse":
            return {"loss": error}
        variance = (beta * (times.unsqueeze(1) - arrival.unsqueeze(2)) ** 2).sum(2).clamp(min=_LEAST_VARIANCE)
        scaled_error, log_variance = error / variance, variance.log()
        loss = scaled_error + self.variance_lambda * log_variance
        return {"loss": loss, "scaled_error": scaled_error, "log_variance": log_variance}

    def _classification(self, log_beta: Tensor, pairs: ViewPairs) -> dict[str, Tensor]:
        return {"loss": cycle_cross_entropy(log_beta, pairs.mask, self.label_smoothing)}

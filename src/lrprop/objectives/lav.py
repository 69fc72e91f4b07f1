"""LAV: learning by aligning videos in time (Haresh et al., CVPR 2021)."""

from __future__ import annotations

from torch import Tensor, nn

from lrprop.alignment import pairwise_distances, soft_dtw
from lrprop.batch import Views
from lrprop.objectives.contrast import temporal_contrast
from lrprop.objectives.pairs import select_pairs, view_pairs


class LAV(nn.Module):
    """SoftDTW between two videos, and Contrastive-IDM within each so that the embeddings cannot collapse.

    For a pair of views a and b of different videos,

        (soft_dtw(a, b) + alpha * (idm(a) + idm(b))) / frames,

    with squared Euclidean cost, and frames the mean number of real frames of the two, which is the T that the authors
    divide by when no frame is padding. The loss is the mean over all such pairs of a batch; the authors train on one.

    Contrastive-IDM is a sum over ordered pairs of frames. Time is the share of the video, t = step / length. Frames
    at most sigma / length apart pay their squared distance D; the others, dt apart, pay
    (1 + dt^2) max(0, margin - D). Pairs exactly sigma steps apart fall on either side by rounding, as they do in the
    authors' code.

    The defaults are those of the authors' code as it produced the reference values that the tests hold.

    Args:
        alpha: weight of Contrastive-IDM.
        sigma: the window of near frames, in steps of the source video.
        margin: lambda of Contrastive-IDM, a squared distance; unit embeddings are at most 4 apart.
        gamma: smoothing of SoftDTW.
        backend: backend of `lrprop.alignment`.
    """

    def __init__(
        self, alpha: float = 0.5, sigma: float = 10.0, margin: float = 2.0, gamma: float = 0.1, backend: str = "auto"
    ) -> None:
        super().__init__()
        self.alpha, self.sigma, self.margin, self.gamma, self.backend = alpha, sigma, margin, gamma, backend

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        """The loss and its terms.

        Args:
            z: (V, T, D) embeddings of unit length behind the projection head.
            views: the views they come from.
            embeddings: not used.

        Returns:
            Scalars: "loss", and, unweighted, "soft_dtw" and "contrastive_idm".

        Raises:
            ValueError: if there are no two views of different videos.
        """
        cross = view_pairs(views.video)[1]
        pairs = select_pairs(z, views, cross, "different videos")
        real = pairs.real_frames()
        cost = pairwise_distances(pairs.z, pairs.other_z, squared=True)
        aligned = soft_dtw(cost, self.gamma, real, backend=self.backend)
        spread = self.contrastive_idm(z, views)[cross].sum(1)
        frames = real.to(z).mean(1)
        terms = {"soft_dtw": (aligned / frames).mean(), "contrastive_idm": (spread / frames).mean()}
        return {"loss": terms["soft_dtw"] + self.alpha * terms["contrastive_idm"], **terms}

    def contrastive_idm(self, z: Tensor, views: Views) -> Tensor:
        """Contrastive-IDM of every view, (V,), >= 0."""
        length = views.lengths.to(z).unsqueeze(1)
        time = views.steps / length
        gap = (time.unsqueeze(2) - time.unsqueeze(1)).abs()
        window = (self.sigma / length).unsqueeze(2)
        return temporal_contrast(z, views.mask, gap, window, self.margin, far_weight=1 + gap.square())

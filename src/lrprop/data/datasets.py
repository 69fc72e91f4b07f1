"""Videos as batches: two views of each training video, or one whole video at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import Dataset

from lrprop.batch import Views
from lrprop.data.inputs import Inputs
from lrprop.data.loose import loose_clip
from lrprop.data.sampling import TemporalSampling
from lrprop.data.video import Video


class TrainingViews(Dataset[Views]):
    """Two views of a video; an index is (epoch, video), and every draw is a function of it and the seed.

    Args:
        videos: the training videos.
        inputs: the kind of input.
        sampling: draws the steps of the views.
        seed: seed of all draws.
    """

    def __init__(self, videos: Sequence[Video], inputs: Inputs, sampling: TemporalSampling, seed: int) -> None:
        self.videos, self.inputs, self.sampling, self.seed = videos, inputs, sampling, seed

    def __getitem__(self, index: tuple[int, int]) -> Views:
        """The two views of one video, V = 2."""
        epoch, number = index
        video, num_frames = self.videos[number], self.sampling.num_frames
        rng = np.random.default_rng((self.seed, epoch, number))
        steps = self.sampling.draw(video.n, rng)
        real = [chosen[chosen < video.n] for chosen in steps]
        return Views(
            frames=torch.stack([_pad_to(frames, num_frames) for frames in self.inputs.views(video, real, rng)]),
            steps=torch.stack([_pad_to(torch.from_numpy(chosen), num_frames) for chosen in steps]),
            mask=torch.stack([torch.arange(num_frames) < len(chosen) for chosen in real]),
            lengths=torch.full((2,), video.n),
            video=torch.full((2,), number),
        )


class WholeVideos(Dataset[Views]):
    """All frames of one video, for evaluation, or those of its loose clip.

    Args:
        videos: the videos.
        inputs: the kind of input.
        loose_seed: seed of the loose clips, see `lrprop.data.loose`; None for the videos as they are.
    """

    def __init__(self, videos: Sequence[Video], inputs: Inputs, loose_seed: int | None = None) -> None:
        self.videos, self.inputs, self.loose_seed = videos, inputs, loose_seed

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.videos)

    def __getitem__(self, number: int) -> Views:
        """One video, V = 1; T = n, or the length of its loose clip."""
        video = self.videos[number]
        steps = torch.arange(video.n)
        if self.loose_seed is not None:
            steps = torch.from_numpy(loose_clip(video, self.loose_seed))
        return Views(
            frames=self.inputs.plain(video)[steps].unsqueeze(0),
            steps=steps.unsqueeze(0),
            mask=torch.ones(1, len(steps), dtype=torch.bool),
            lengths=torch.tensor([video.n]),
            video=torch.tensor([number]),
        )


def join_views(parts: Sequence[Views]) -> Views:
    """The views of several items as one batch; all must share T."""
    return Views(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def _pad_to(frames: Tensor, length: int) -> Tensor:
    return pad(frames, [0, 0] * (frames.dim() - 1) + [0, length - len(frames)])

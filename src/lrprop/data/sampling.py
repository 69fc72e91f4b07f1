"""Which frames a training view holds: temporal sampling after CARL, and which videos share a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch.utils.data import Sampler

MAX_OFFSET_RATIO = 0.8  # CARL: of the frames drawn; so near to each other the two views of a video start


@dataclass(frozen=True)
class TemporalSampling:
    """Draws the frames of the two views of a video (CARL, Section 3.1; LRProp, Section 4).

    Of a video of n frames, m = min(n, T) distinct sorted steps are drawn from a region that starts at a random
    offset and may reach past the video's end: those steps are masked, which makes the views of a short video differ.

    Attributes:
        num_frames: T, the frames of a view, padding included.
        region: the region's length R is ceil(r m) for "crop" (CARL's text) and ceil(r n) for "whole" (CARL's
            released code for Penn Action and Pouring), with r ~ U(1, max_region_ratio).
        max_region_ratio: 1.5 in CARL; more lets the tempo of views differ more.
    """

    num_frames: int
    region: Literal["crop", "whole"] = "crop"
    max_region_ratio: float = 1.5

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Steps of the two views of a video of n frames: sorted int64, none negative, those >= n to be masked."""
        m = min(n, self.num_frames)
        first = self._draw_view(n, m, rng, None)
        return first, self._draw_view(n, m, rng, int(first[0]))

    def _draw_view(self, n: int, m: int, rng: np.random.Generator, near: int | None) -> np.ndarray:
        size = math.ceil(rng.uniform(1, self.max_region_ratio) * (m if self.region == "crop" else n))
        low, high = 0, max(n - size, 0)
        if near is not None:
            reach = int(MAX_OFFSET_RATIO * m)
            low, high = min(max(low, near - reach), high), min(high, near + reach)
        offset = int(rng.integers(low, high + 1))
        steps = offset + np.sort(rng.choice(size, m, replace=False))
        while steps[0] >= n:  # a view of a few frames may by chance lie past the end altogether
            steps = offset + np.sort(rng.choice(size, m, replace=False))
        return steps


class VideoBatches(Sampler[list[tuple[int, int]]]):
    """Groups of P different videos of one action in a new order every epoch, as lists of (epoch, video).

    A data set can index them. The epoch travels with the index so that every random draw of the data set is a function
    of (seed, epoch, video): the same in any worker, and the same after an interrupted run resumes.

    Several processes train on groups of one action together, P videos each: the groups are those of one process with
    P times as many videos a batch. An incomplete last group is filled with the epoch's first videos of the action, so
    that no video is left out and all processes have as many batches.

    Args:
        actions: what each video shows.
        videos_per_batch: P; no action may have fewer videos.
        seed: seed of the order.
        progress: tells the current epoch, and how many of its batches were done before it was interrupted.
        rank: which process this is.
        processes: how many there are.
    """

    def __init__(
        self,
        actions: Sequence[str],
        videos_per_batch: int,
        seed: int,
        progress: Callable[[], tuple[int, int]],
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.actions, self.seed, self.progress = np.array(actions), seed, progress
        self.mine = slice(rank * videos_per_batch, (rank + 1) * videos_per_batch)
        self.videos_per_group = processes * videos_per_batch

    def __len__(self) -> int:
        """Batches an epoch."""
        _, counts = np.unique(self.actions, return_counts=True)
        return int(np.ceil(counts / self.videos_per_group).sum())

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """This process's part of the groups of the current epoch, in the order of their first videos."""
        epoch, done = self.progress()
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.actions))
        of_each_action = (order[self.actions[order] == action] for action in np.unique(self.actions))
        groups = np.concatenate([self._groups(videos) for videos in of_each_action])
        for group in groups[np.argsort(np.argsort(order)[groups[:, 0]])].tolist()[done:]:
            yield [(epoch, video) for video in group[self.mine]]

    def _groups(self, videos: np.ndarray) -> np.ndarray:
        """Videos of one action, a group a row."""
        count = math.ceil(len(videos) / self.videos_per_group)
        return np.resize(videos, (count, self.videos_per_group))


def longest_first(lengths: Sequence[int], rank: int, processes: int) -> list[int]:
    """The videos that one process evaluates, by number: every so many-th, from the longest to the shortest.

    What takes the most memory comes first, and all processes have about as many frames.

    Args:
        lengths: the number of frames of each video.
        rank: which process this is.
        processes: how many there are.
    """
    return sorted(range(len(lengths)), key=lambda video: -lengths[video])[rank::processes]

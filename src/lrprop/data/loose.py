"""The loose protocol: held-out videos cut and re-timed at random, so that time alone does not tell the phase.

A data set such as Penn Action is trimmed so tightly around one execution that the share of the length names most
phases. A loose clip of a video begins and ends somewhere near its ends and runs at a pace of its own. It is the same
clip for every method, training seed and machine, for it depends on the video's id and the seed of the splits only.
"""

from __future__ import annotations

import numpy as np

from lrprop.data.synthetic.noise import smooth_curve
from lrprop.data.video import Video

CUT = 0.25  # either end loses a share of the video ~ U(0, CUT)
TEMPO = 0.4  # standard deviation of the log of the tempo, as in the synthetic videos


def loose_steps(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draws which frames of a video make up its loose clip.

    Both ends are cut, each by its own draw, and what is left is shown at a smoothly varying tempo in as many frames:
    some repeat and some are skipped, as when a frame rate changes.

    Args:
        n: frames of the video, >= 1.
        rng: the source of randomness.

    Returns:
        (m,) int64 steps in [0, n), never falling, n - 2 floor(n / 4) <= m <= n.
    """
    begin, end = (int(share * n) for share in rng.uniform(0, CUT, 2))
    first, last = begin, n - end - 1
    speed = np.exp(TEMPO * smooth_curve(rng, np.linspace(0, 1, last - first), 4))
    passed = np.concatenate([[0], np.cumsum(speed)])
    return np.rint(np.interp(passed, passed[[0, -1]], [first, last])).astype(np.int64)


def loose_clip(video: Video, seed: int) -> np.ndarray:
    """The steps of a video's one loose clip.

    Args:
        video: the video.
        seed: seed of the splits, >= 0.

    Returns:
        (m,) int64; see `loose_steps`.
    """
    return loose_steps(video.n, np.random.default_rng([seed, *video.id.encode()]))

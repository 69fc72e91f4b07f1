"""Small generated videos for the tests of the metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lrprop.batch import EmbeddedVideo


@dataclass
class Samples:
    embeddings: list[np.ndarray]
    labels: list[np.ndarray]
    truths: list[np.ndarray]

    def videos(self, prefix: str = "video") -> list[EmbeddedVideo]:
        columns = zip(self.embeddings, self.labels, self.truths, strict=True)
        return [EmbeddedVideo(f"{prefix}{index:02d}", *column) for index, column in enumerate(columns)]


def random_samples(seed: int, videos: int, grid: bool = False, missing: float = 0.2, phases: int = 3) -> Samples:
    """Videos that mean nothing.

    On a grid of small whole numbers distances are exact and often equal, so that ties are decided by rule alone.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, size=videos)
    draw = (lambda n: rng.integers(0, 3, size=(n, 2)).astype(float)) if grid else (lambda n: rng.normal(size=(n, 3)))
    labels = [np.sort(rng.integers(0, phases, size=n)) for n in sizes]
    hidden = [rng.random(n) < missing for n in sizes]
    return Samples(
        [draw(n) for n in sizes],
        [np.where(hide, -1, track) for hide, track in zip(hidden, labels, strict=True)],
        [np.where(hide, np.nan, np.linspace(0, 1, len(hide))) for hide in hidden],
    )


def perfect_samples(videos: int, phases: int = 3, seed: int = 0) -> Samples:
    """Videos that walk one straight line in step, four frames a phase, each frame a little off its place.

    A frame's nearest frame in every other video is the one of the same time.
    """
    rng = np.random.default_rng(seed)
    centres = np.arange(4 * phases)
    embeddings, labels, truths = [], [], []
    for _ in range(videos):
        place = centres + rng.uniform(-0.1, 0.1, size=len(centres))
        embeddings.append(np.stack([place, 2 * place], axis=1))
        labels.append(centres // 4)
        truths.append(centres / (len(centres) - 1))
    return Samples(embeddings, labels, truths)

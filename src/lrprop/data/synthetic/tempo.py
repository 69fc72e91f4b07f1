"""How fast a clip runs through its action: the canonical time of each frame."""

from __future__ import annotations

import numpy as np

from lrprop.data.synthetic.noise import smooth_curve

LENGTHS = (20, 120)  # frames of a clip, both included
IDLE = 0.18  # lead-in and lead-out: each a share of the clip ~ U(0, IDLE)
TEMPO = 0.4  # standard deviation of the log of the speed within the action
PAUSE = 0.3  # probability of a near-pause


def canonical_times(rng: np.random.Generator, n: int) -> np.ndarray:
    """Random canonical times of a clip's n frames: (n,) float64 in [0, 1], never falling.

    Stillness at c = 0, the action at a smoothly varying speed, perhaps with one near-pause, and stillness at c = 1.
    """
    lead_in, lead_out = rng.uniform(0, IDLE, 2)
    fine = np.linspace(0, 1, 512)
    speed = np.exp(TEMPO * smooth_curve(rng, fine, 4))
    if rng.random() < PAUSE:
        centre, width = rng.uniform(0.1, 0.9), rng.uniform(0.04, 0.1)
        speed *= 1 - 0.93 * np.exp(-(((fine - centre) / width) ** 2))
    passed = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
    at = (np.linspace(0, 1, n) - lead_in) / (1 - lead_in - lead_out)
    c: np.ndarray = np.interp(at, fine, passed / passed[-1])
    return c

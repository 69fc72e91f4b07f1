"""Smooth random curves: tempo, camera shake, tremor and drifting light are all drawn from here."""

from __future__ import annotations

import numpy as np


def smooth_curve(rng: np.random.Generator, at: np.ndarray, waves: int, size: tuple[int, ...] = ()) -> np.ndarray:
    """Random smooth curves of about unit variance.

    A sum of cosines with 1/2, 1, 3/2 .. `waves`/2 periods over [0, 1], Gaussian amplitudes that fall as
    1/frequency, and random phases.

    Args:
        rng: the source of randomness.
        at: (n,) times in [0, 1].
        waves: number of cosines; more of them wiggle faster.
        size: shape of the bundle of curves.

    Returns:
        (n, *size) values.
    """
    frequency = np.arange(1, waves + 1)
    fall = np.sqrt(2 / (1 / frequency**2).sum()) / frequency
    curves = np.zeros((len(at), *size))
    for wave in range(waves):
        amplitude, phase = fall[wave] * rng.standard_normal(size), rng.uniform(0, 2 * np.pi, size)
        curves += amplitude * np.cos(np.multiply.outer(np.pi * frequency[wave] * at, np.ones(size)) + phase)
    return curves

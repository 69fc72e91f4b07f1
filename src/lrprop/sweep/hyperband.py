"""Which runs of a sweep are not worth finishing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_KEYS = {"type", "min_iter", "max_iter", "s", "eta", "strict"}
_LONGEST = 10**6  # evaluations; no run has as many


@dataclass(frozen=True)
class Hyperband:
    """Stops a run that is not among the best 1/eta at a band, as W&B's `early_terminate` does.

    After Li et al., Hyperband (JMLR 2018), in the form of W&B: at certain numbers of evaluations, the bands, a run is
    compared with what every run had there.

    Attributes:
        bands: numbers of evaluations, ascending.
        eta: of eta runs, one goes on; above 1.
        is_strict: judge a run by its value at the band, and not by its best value until then.
    """

    bands: tuple[int, ...]
    eta: float
    is_strict: bool

    def end_of(self, history: Sequence[float], others: Sequence[Sequence[float]]) -> int | None:
        """After how many evaluations a run ends; None where it may go on.

        A function of these values alone: however late the question is asked, the answer is the same.

        Args:
            history: the run's values so far, of which less is better.
            others: those of the other runs.
        """
        for band in self.bands:
            if band > len(history):
                return None
            there = sorted(other[band - 1] for other in (history, *others) if len(other) >= band)
            value = history[band - 1] if self.is_strict else min(history[:band])
            if value > there[int(len(there) / self.eta)]:
                return band
        return None


def read_hyperband(keys: Any) -> Hyperband:
    """Read the entry `early_terminate` of a sweep file.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if not isinstance(keys, dict) or keys.get("type") != "hyperband":
        raise ValueError("early_terminate: its type has to be hyperband.")
    for key in keys:
        if key not in _KEYS:
            raise ValueError(f"early_terminate: unknown key {key!r}; known: {', '.join(sorted(_KEYS))}.")
    eta = keys.get("eta", 3)
    if not isinstance(eta, int | float) or not eta > 1:
        raise ValueError(f"early_terminate: eta is {eta!r}; one run in eta goes on, so give a number above 1.")
    bands = _bands(keys, eta)
    if not bands:
        raise ValueError("early_terminate: there is no band; give min_iter, or max_iter of at least eta and s.")
    return Hyperband(bands, eta, keys.get("strict", True))


def _bands(keys: Mapping[str, Any], eta: float) -> tuple[int, ...]:
    """W&B's: up from `min_iter`, or `s` of them down from `max_iter`."""
    counts = {key: keys[key] for key in ("min_iter", "max_iter", "s") if key in keys}
    for key, count in counts.items():
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"early_terminate: {key} is {count!r}, but a positive whole number is needed.")
    bands: list[int] = []
    if "max_iter" in counts:
        band = counts["max_iter"] / eta
        while len(bands) < counts.get("s", 0) and band >= 1:
            bands.append(int(band))
            band /= eta
    elif "min_iter" in counts:
        band = float(counts["min_iter"])
        while band < _LONGEST:
            bands.append(int(band))
            band *= eta
    return tuple(sorted(set(bands)))

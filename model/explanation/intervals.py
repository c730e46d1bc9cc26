"""95 % intervals by bootstrap over documents; differences are paired."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from model.explanation.scorer import Floats

RESAMPLES = 10_000
LEVEL = 0.05
"""An interval holds all but this."""

_NORMAL = NormalDist()
_HALF_WIDTH = _NORMAL.inv_cdf(1 - LEVEL / 2)  # of an interval, in standard errors


class Estimate(NamedTuple):
    """A mean over documents and its interval; NaN where no document has the figure."""

    mean: float
    low: float
    high: float
    documents: int

    def as_json(self) -> dict[str, Any]:
        """With None where there is no number, which JSON can't write."""
        found = {name: None if np.isnan(v) else float(v) for name, v in self._asdict().items()}
        return {**found, "documents": self.documents}


class Bootstrap:
    """One set of resamples for all figures of a study, so that every comparison is paired."""

    def __init__(self, documents: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        even = np.full(documents, 1 / documents)
        self._times_drawn = rng.multinomial(documents, even, size=RESAMPLES).astype(np.float64)

    def mean(self, values: Floats) -> Estimate:
        """Of one figure a document (D,); documents where it is NaN are left out and not counted."""
        return self.ratio(values, np.where(np.isnan(values), np.nan, 1.0))

    def ratio(self, above: Floats, below: Floats) -> Estimate:
        """Of the sum of one figure (D,) to the sum of another."""
        known = ~(np.isnan(above) | np.isnan(below))
        above, below = np.where(known, above, 0.0), np.where(known, below, 0.0)
        total = below.sum()
        if total == 0:
            return Estimate(np.nan, np.nan, np.nan, 0)
        sums = self._times_drawn @ below
        drawn = (self._times_drawn @ above)[sums != 0] / sums[sums != 0]
        low, high = np.percentile(drawn, [2.5, 97.5])
        return Estimate(above.sum() / total, float(low), float(high), int(known.sum()))


def p_value(mean: float, low: float, high: float) -> float:
    """Two-sided, that a mean is not 0, from its interval; `LEVEL` where the interval ends at 0.

    The mean counts as normal, its standard error from the side of the interval that is near 0.
    """
    if mean == 0 or np.isnan(mean):
        return 1.0
    side = mean - low if mean > 0 else high - mean
    errors = _HALF_WIDTH * abs(mean) / side if side > 0 else np.inf
    return 2 * _NORMAL.cdf(-errors)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values as they count beside each other (Holm 1979): all that are low enough hold."""
    adjusted, largest = [1.0] * len(p_values), 0.0
    for place, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[i]))
        adjusted[i] = largest
    return adjusted

"""95 % intervals by bootstrap over documents; differences are paired."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from model.explanation.scorer import Floats

RESAMPLES = 10_000


class Estimate(NamedTuple):
    """A mean over documents and its interval; NaN where no document has the figure."""

    mean: float
    low: float
    high: float
    documents: int


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

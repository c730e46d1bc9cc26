"""BPE with merges left out at random (Provilkov et al. 2020), the same in every run.

The `tokenizers` library has it too, but draws from the system's randomness: a job that was killed
and goes on would see other batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from random import Random

import numpy as np

VARIANTS = 8
"""Segmentations drawn for each word, of which each use of the word takes one."""

CACHED_WORDS = 1 << 17

Merges = Mapping[tuple[str, str], int]
"""Pairs to their rank; the lowest is merged first."""


class MergeDropout:
    """Words to ids, each merge left out with a given probability wherever it could be made."""

    def __init__(self, merges: Merges, vocab: Mapping[str, int], rate: float) -> None:
        self._merges, self._vocab, self._rate = merges, vocab, rate
        self._variants = lru_cache(CACHED_WORDS)(self._draw_variants)

    def encode(self, words: Sequence[str], rng: np.random.Generator) -> list[int]:
        """Ids of a text's words, which are in the alphabet of the merges."""
        choices = rng.integers(VARIANTS, size=len(words)).tolist()
        return [
            token_id
            for word, choice in zip(words, choices, strict=True)
            for token_id in self._variants(word)[choice]
        ]

    def _draw_variants(self, word: str) -> list[list[int]]:
        """Seeded by the word itself: what the cache has forgotten comes back the same."""
        random = Random(word)  # noqa: S311  # no secret
        variants = (segment(word, self._merges, self._rate, random) for _ in range(VARIANTS))
        return [[self._vocab[token] for token in tokens] for tokens in variants]


def segment(word: str, merges: Merges, rate: float, random: Random) -> list[str]:
    """One segmentation: at each step every possible merge is left out with probability `rate`."""
    tokens = list(word)
    while True:
        possible = [
            (merges[pair], i)
            for i, pair in enumerate(pairwise(tokens))
            if pair in merges and random.random() >= rate
        ]
        if not possible:
            return tokens
        _, i = min(possible)
        tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]

"""Words that need the text's consent in any case, recognised token by token.

They are number words ("two", "million"), which are numbers without a digit, and words that assert
guilt. A trie over their letters is turned into tables over the tokens of a vocabulary, so that a
word is seen however it is cut.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.words.number_words import SCALES, SPELT, joins

DEAD, ROOT = 0, 1
"""Nodes: no watched word begins so, and nothing is written yet."""

GUILT_WORDS = {
    **dict.fromkeys("admit admits admitted admitting".split(), 1),
    **dict.fromkeys("guilty convict convicts convicted convicting conviction".split(), 2),
    **dict.fromkeys("sentence sentenced sentences sentencing jailed imprisoned".split(), 3),
}
"""How far a proceeding has come, as in `model.legal_status.Guilt`."""

LONGEST = max(map(len, (*SPELT, *SCALES, *GUILT_WORDS)))
"""Letters, and so at most tokens, of a watched word."""

_SHORTEST_SCALE = 3  # "m" and "bn" stand behind digits only


class NumberKind(IntEnum):
    """What a word is in a number: "twenty" and "two" make one, which has neither of its parts."""

    NONE = 0
    OTHER = 1
    TENS = 2
    UNIT = 3


class WatchedWords(NamedTuple):
    """N nodes, P pieces of watched words, V tokens."""

    piece: NDArray[np.int32]  # (V,): 0 where a token's letters are in no watched word
    after: NDArray[np.int32]  # (N, P): the node after a node and a piece
    number: NDArray[np.int32]  # (N,): the `NumberKind` of the word that ends here
    guilt: NDArray[np.int32]  # (N,): the value in `GUILT_WORDS`, or 0


def letters(text: str) -> str:
    """A token's text as the words are compared: without case, accents and the space before it."""
    split = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in split if not unicodedata.combining(letter)).strip()


def watched_words(token_texts: Sequence[str]) -> WatchedWords:
    """The tables for a vocabulary, given what each token reads."""
    numbers = {word: _kind(word) for word in SPELT}
    numbers |= {word: NumberKind.OTHER for word in SCALES if len(word) >= _SHORTEST_SCALE}
    words = sorted({*numbers, *GUILT_WORDS})
    beginnings = sorted({word[:end] for word in words for end in range(1, len(word) + 1)})
    nodes = {"": ROOT} | {beginning: 2 + i for i, beginning in enumerate(beginnings)}
    read = [letters(text) for text in token_texts]
    parts = [p for p in sorted(set(read)) if p.isalpha() and any(p in word for word in words)]
    pieces = {piece: 1 + i for i, piece in enumerate(parts)}
    after = np.full((len(nodes) + 1, len(pieces) + 1), DEAD, np.int32)
    for beginning, node in nodes.items():
        for piece, place in pieces.items():
            after[node, place] = nodes.get(beginning + piece, DEAD)
    number, guilt = np.zeros(len(after), np.int32), np.zeros(len(after), np.int32)
    for word in words:
        number[nodes[word]] = numbers.get(word, NumberKind.NONE)
        guilt[nodes[word]] = GUILT_WORDS.get(word, 0)
    piece_ids = np.array([pieces.get(text, 0) for text in read], np.int32)
    return WatchedWords(piece_ids, after, number, guilt)


def _kind(word: str) -> NumberKind:
    if joins(word, "two"):
        return NumberKind.TENS
    return NumberKind.UNIT if joins("twenty", word) else NumberKind.OTHER

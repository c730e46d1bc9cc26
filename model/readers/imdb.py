"""Keras' IMDB reviews as gap-sentence pairs: the most central segment is the summary of the rest.

Labels are not read: a sentiment is no summary. The reviews have no punctuation and no capitals,
so they teach content words and copying, not spelling.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from model.readers.files import read_errors_named, sha256_of
from model.readers.pickled_arrays import read_sequences
from model.readers.rows import BadRowError, DataError, Row
from model.readers.texts import STYLE, centrality

REVIEWS, WORD_INDEX = "imdb.npz", "imdb_word_index.json"
ARRAYS = ("x_train", "x_test")
SEGMENT_WORDS = 20
BREAK = "br"
"""What is left of HTML's line break; two of them stand between paragraphs."""

PADDING, START, OUT_OF_VOCABULARY, INDEX_FROM = 0, 1, 2, 3
"""What `keras.datasets.imdb.load_data` adds to the ids of the file, by its defaults."""


@dataclass(frozen=True)
class ImdbReviews:
    """A directory with `imdb.npz` and `imdb_word_index.json`, as Keras downloads them."""

    directory: Path

    @property
    def name(self) -> str:
        """The file of the reviews."""
        return REVIEWS

    @property
    def origin(self) -> str:
        """The data set's name."""
        return "imdb"

    def rows(self) -> Iterator[Row]:
        """Each review of both halves, by its number from 1."""
        path = self.directory / REVIEWS
        words = _words(self.directory / WORD_INDEX)
        for array in ARRAYS:
            reviews = read_sequences(path, array)
            vocabulary = _shifted(words) if _is_shifted(reviews) else {PADDING: "", **words}
            for number, ids in enumerate(reviews, 1):
                yield Row(f"{path}:{array}:{number}", _pair(ids, vocabulary))

    def sha256(self) -> str:
        """Digest of the bytes of both files, the reviews first."""
        return sha256_of(self.directory / REVIEWS, self.directory / WORD_INDEX)


def _words(path: Path) -> dict[int, str]:
    with read_errors_named(path):
        content = path.read_text(encoding="utf-8")
    try:
        index = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON") from error
    if not isinstance(index, dict) or not all(type(i) is int for i in index.values()):
        raise DataError(f"{path}: must be a JSON object, word to integer")
    return {i: word for word, i in index.items()}


def _is_shifted(reviews: Sequence[object]) -> bool:
    """Whether the ids are those of `load_data`, not those of Keras' file.

    There 1 stands at the beginning of each review and nowhere else, and 3 nowhere. In the file
    itself 1 and 3 are the commonest words of all.
    """
    return bool(reviews) and all(
        isinstance(ids, list) and ids[:1] == [START] and not {START, INDEX_FROM} & set(ids[1:])
        for ids in reviews
    )


def _shifted(words: dict[int, str]) -> dict[int, str]:
    marks = dict.fromkeys((PADDING, START, OUT_OF_VOCABULARY), "")
    return marks | {i + INDEX_FROM: word for i, word in words.items()}


def _pair(ids: object, vocabulary: dict[int, str]) -> dict[str, str] | BadRowError:
    if not isinstance(ids, list) or not all(type(i) is int for i in ids):
        return BadRowError("must be a list of integers")
    try:
        words = [word for i in ids if (word := vocabulary[i])]
    except KeyError as error:
        return BadRowError(f"id {error} is not in {WORD_INDEX}")
    parts = segments(words)
    if len(parts) < 2:
        return BadRowError("must have two segments at least, one of them for the summary")
    centre = central_segment(parts)
    rest = [word for i, part in enumerate(parts) if i != centre for word in part]
    return {"text": " ".join(rest), "summary": " ".join(parts[centre]), "style": STYLE}


def segments(words: Sequence[str]) -> list[list[str]]:
    """Stretches of 20 words at most that no paragraph break interrupts.

    Two `br` or more are a break; a single one is markup too, and is dropped.
    """
    paragraphs: list[list[str]] = [[]]
    for is_break, run in groupby(words, key=lambda word: word == BREAK):
        stretch = list(run)
        if not is_break:
            paragraphs[-1] += stretch
        elif len(stretch) > 1:
            paragraphs.append([])
    return [
        paragraph[i : i + SEGMENT_WORDS]
        for paragraph in paragraphs
        for i in range(0, len(paragraph), SEGMENT_WORDS)
    ]


def central_segment(parts: Sequence[Sequence[str]]) -> int:
    """The first of the segments that have most in common with all others."""
    scores = centrality(parts)
    return scores.index(max(scores))

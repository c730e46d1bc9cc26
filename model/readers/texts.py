"""Texts without summaries: the most central sentence of each is its target, hidden in training."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from model.readers.files import CsvFile, JsonlFile, ParquetFile
from model.readers.rows import BadRowError, Example, Row, example_of
from model.sentences import split_sentences

STYLE = "gap_sentence"

SENTENCE_WORDS = range(5, 41)
"""Shorter ones are headings and greetings, longer ones would be cut."""


@dataclass(frozen=True)
class Texts:
    """A file of which only the column `text` is read, and `source` where it is there."""

    file: CsvFile | JsonlFile | ParquetFile

    @property
    def name(self) -> str:
        """The file's."""
        return f"texts:{self.file.name}"

    @property
    def origin(self) -> str:
        """The file's."""
        return self.file.origin

    def rows(self) -> Iterator[Row]:
        """Each row of the file, its text for its summary until a sentence is chosen."""
        for row in replace(self.file, required=("text",)).rows():
            values = row.values
            if not isinstance(values, BadRowError):
                values = {**values, "summary": values.get("text"), "style": STYLE}
            yield Row(row.place, values)

    def sha256(self) -> str:
        """Digest of the file's bytes."""
        return self.file.sha256()


def gap_example_of(row: Row, origin: str, max_characters: int | None) -> Example:
    """The text with its most central sentence as the summary, and where that stands.

    Raises:
        BadRowError: the row breaks a rule, or its text has no two sentences of which one will do.
    """
    example = example_of(row, origin, max_characters)
    spans = split_sentences(example.text)
    if max_characters is not None and len(example.text) == max_characters:
        spans = spans[:-1]  # cut in the middle
    words = [re.findall(r"\w+", example.text[start:end].casefold()) for start, end in spans]
    possible = [i for i, found in enumerate(words) if len(found) in SENTENCE_WORDS]
    if len(spans) < 2 or not possible:
        raise BadRowError(
            f"'text' must have two sentences, one of them of {SENTENCE_WORDS.start} to "
            f"{SENTENCE_WORDS.stop - 1} words"
        )
    scores = centrality(words)
    gap = spans[max(possible, key=lambda i: scores[i])]
    return replace(example, summary=example.text[slice(*gap)], gap=gap)


def centrality(parts: Sequence[Sequence[str]]) -> list[float]:
    """ROUGE-1 F1 of each part against all others together.

    PEGASUS (Zhang et al. 2020, section 3.1.1) calls the choice of the highest "Ind-Orig". Words
    are compared as they are, without stems.
    """
    whole = Counter(word for part in parts for word in part)
    scores = []
    for part in parts:
        ours = Counter(part)
        common = sum(min(count, whole[word] - count) for word, count in ours.items())
        scores.append(2 * common / whole.total() if whole else 0.0)
    return scores

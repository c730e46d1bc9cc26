"""What a job trains and validates on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model.data import CHARACTERS_PER_TOKEN
from model.readers import DataFile, Example, read_examples

HELD_OUT_SHARE, HELD_OUT_MOST = 0.05, 500
"""What is kept for validation where no validation file is given."""


@dataclass(frozen=True)
class Corpus:
    """Pairs in groups with their weights, and pairs held out."""

    groups: list[tuple[list[Example], float]]
    validation: list[Example]

    @classmethod
    def read(
        cls,
        files: Sequence[DataFile],
        validation: Sequence[str | Path],
        max_source_tokens: int,
        max_bad_rows: float = 0.0,
    ) -> Corpus:
        """Reads all files, texts cut to what the network can see.

        `max_bad_rows` is the share of a file's rows that may break a rule and are left out.
        """
        limit = max_source_tokens * CHARACTERS_PER_TOKEN
        groups = [(read_examples(f.address, limit, max_bad_rows), f.weight) for f in files]
        held_out = [
            _without_gap(example)
            for path in validation
            for example in read_examples(path, limit, max_bad_rows)
        ]
        return cls(groups, held_out) if held_out else cls._split(groups)

    @classmethod
    def _split(cls, groups: list[tuple[list[Example], float]]) -> Corpus:
        kept, held_out = [], []
        for examples, weight in groups:
            count = min(HELD_OUT_MOST, round(HELD_OUT_SHARE * len(examples)))
            every = len(examples) // count if count else len(examples) + 1
            chosen = set(range(0, count * every, every)) if count else set()
            held_out += [_without_gap(examples[i]) for i in sorted(chosen)]
            kept.append(([e for i, e in enumerate(examples) if i not in chosen], weight))
        return cls(kept, held_out)

    def sample(self, size: int) -> list[Example]:
        """About `size` examples of every file, evenly spread."""
        return [e for group, _ in self.groups for e in group[:: max(1, len(group) // size)]]


def _without_gap(example: Example) -> Example:
    """Cuts out the sentence that training would hide: validation reads texts as they are."""
    if example.gap is None:
        return example
    start, end = example.gap
    return replace(example, text=example.text[:start] + example.text[end:], gap=None)

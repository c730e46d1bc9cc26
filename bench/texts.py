"""Texts as long as real ones, made of this project's own sentences; or those of a file."""

from __future__ import annotations

import gzip
import json
import random
from functools import cache
from pathlib import Path

from model.sentences import split_sentences

LENGTHS = Path(__file__).with_name("text_lengths.txt")
"""Code points of 250 texts that people wrote: 50 quantiles each of releases of a ministry and of
members of a parliament, abstracts of papers, summaries of bills, and posts of blogs."""

_SENTENCES = Path(__file__).parents[1] / "model/builtin_corpus.jsonl"


def real_lengths() -> list[int]:
    """Code points, rising."""
    return [int(word) for word in LENGTHS.read_text().split()]


def composed_texts(count: int, seed: int = 0) -> list[str]:
    """Texts, no two alike, whose lengths are spread as real ones are; the same for a seed."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    sentences = _sentences()
    lengths = real_lengths()
    # Evenly over the quantiles, so that few texts are as long on average as many.
    chosen = [lengths[int((i + 0.5) / count * len(lengths)) % len(lengths)] for i in range(count)]
    draw.shuffle(chosen)
    return [_compose(sentences, length, draw) for length in chosen]


def texts_of(file: Path | None, count: int) -> list[str]:
    """The texts of a data file (`{"text": …}` a line, maybe gzipped), or composed ones."""
    if file is None:
        return composed_texts(count)
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
        return [json.loads(line)["text"] for line, _ in zip(lines, range(count), strict=False)]


@cache
def _sentences() -> list[str]:
    texts = [json.loads(line)["text"] for line in _SENTENCES.read_text().splitlines()]
    return [text[start:end] for text in texts for start, end in split_sentences(text)]


def _compose(sentences: list[str], length: int, draw: random.Random) -> str:
    """Sentences at random until the length is reached; the last ends there."""
    parts: list[str] = []
    total = -1
    while total < length:
        parts.append(draw.choice(sentences))
        total += 1 + len(parts[-1])
    return " ".join(parts)[:length].rstrip()

"""Which texts a study is of, and the summaries that the model writes of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from model.explanation.document import Document, read_document
from model.faithfulness.models import Model
from model.readers import Example, read_examples
from model.tokenizer import Tokenizer

SEED = 0

LONGEST = 256
"""Tokens of a text: the scores that a study asks for, and what each costs, grow with the length.
200 texts of twice as many are reckoned at two to four hours on two cores."""

MIN_WORDS = 10
"""Of a text: with fewer, all budgets are the same word."""


def choose(
    paths: Sequence[str], documents: int, tokenizer: Tokenizer, longest: int = LONGEST
) -> list[Example]:
    """Examples drawn from all files at random, the same in every run and in the order drawn.

    So the first of them are a random sample too.

    Raises:
        ValueError: there are fewer texts than asked for, or fewer than 2 are asked for.
    """
    read = [example for path in paths for example in read_examples(path)]
    order = np.random.default_rng(SEED).permutation(len(read)).tolist()
    fit = (i for i in order if is_measurable(read[i].text, tokenizer, longest))
    chosen = [*islice(fit, max(documents, 0))]
    if not 2 <= len(chosen) == documents:
        raise ValueError(
            f"documents must be 2 to {len(chosen)}, the texts of at least {MIN_WORDS} words and at "
            f"most {longest} tokens, got {documents}"
        )
    return [read[i] for i in chosen]


def is_measurable(text: str, tokenizer: Tokenizer, longest: int) -> bool:
    """Whether a text has words to tell apart, and not so many that all scores take too long."""
    return len(text.split()) >= MIN_WORDS and len(tokenizer.encode(text).ids) <= longest


def write_summaries(model: Model, examples: Sequence[Example]) -> list[Document]:
    """Each text as the model reads it, with the summary that the model writes of it."""
    sources = [model.tokenizer.encode(e.text, model.max_source_tokens) for e in examples]
    styles = [e.style if e.style in model.styles else model.default_style for e in examples]
    return [
        read_document(model.tokenizer, example.text, source, ids, style)
        for example, source, ids, style in zip(
            examples, sources, model.summarize(sources, styles), styles, strict=True
        )
    ]


def save_summaries(path: Path, examples: Sequence[Example], documents: Sequence[Document]) -> None:
    """One summary a line, known by the digest of its text."""
    rows = (
        {"text": text_sha256(e), "style": d.style, "summary_ids": d.summary_ids.tolist()}
        for e, d in zip(examples, documents, strict=True)
    )
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def read_summaries(path: Path, model: Model, examples: Sequence[Example]) -> list[Document]:
    """What `save_summaries` wrote, perhaps of more texts.

    Raises:
        ValueError: a text has no summary there.
    """
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    known = {row["text"]: row for row in rows}
    found = []
    for example in examples:
        row = known.get(text_sha256(example))
        if row is None:
            raise ValueError(f"{path} has no summary of a text of {example.origin}")
        source = model.tokenizer.encode(example.text, model.max_source_tokens)
        found.append(
            read_document(model.tokenizer, example.text, source, row["summary_ids"], row["style"])
        )
    return found


def text_sha256(example: Example) -> str:
    """The SHA-256 of a text in hex."""
    return hashlib.sha256(example.text.encode()).hexdigest()

"""Files -> examples -> length-bucketed NumPy batches. Runs without TensorFlow and Keras."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.tokenizer import EOS_ID, MASK_ID, PAD_ID, Tokenizer
from model.truecasing import Truecaser

CHARACTERS_PER_TOKEN = 8
"""More than any English text needs; texts are cut to this before they are tokenized."""

Array = NDArray[np.generic]


class DataError(ValueError):
    """A data file can't be used; the message names file, line and rule."""


@dataclass(frozen=True)
class Example:
    """One text and its reference summary; `origin` is the data set it came from."""

    text: str
    summary: str
    style: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A file and how often each of its pairs is seen in an epoch."""

    path: Path
    weight: float = 1.0

    @classmethod
    def parse(cls, argument: str) -> DataFile:
        """Reads `PATH` or `PATH=WEIGHT`.

        Raises:
            DataError: the weight is not a positive number.
        """
        path, _, weight = argument.partition("=")
        try:
            number = float(weight or 1)
        except ValueError:
            number = -1.0
        if not 0 < number < float("inf"):
            raise DataError(f"{argument}: a weight must be a positive number, got {weight!r}")
        return cls(path=Path(path), weight=number)

    def sha256(self) -> str:
        """Digest of the file's bytes, for the manifest."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def read_examples(path: Path, max_characters: int | None = None) -> list[Example]:
    """Reads JSONL, gzipped or not: `text`, `summary`, optional `style` and `source`.

    Args:
        path: The file.
        max_characters: Texts are cut here, which saves memory.

    Raises:
        DataError: the file is missing or empty, or a line breaks a rule.
    """
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as stream:
            lines = io.TextIOWrapper(stream, encoding="utf-8")
            examples = [_example(line, path, i + 1, max_characters) for i, line in enumerate(lines)]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error
    if not examples:
        raise DataError(f"{path}: holds no examples")
    return examples


def _example(line: str, path: Path, number: int, max_characters: int | None) -> Example:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{number}: not JSON: {error.msg}") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}:{number}: must be an object, got {type(row).__name__}")
    for key in ("text", "summary"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise DataError(f"{path}:{number}: {key!r} must be a string that is not blank")
        if not _is_unicode(row[key]):
            raise DataError(f"{path}:{number}: {key!r} holds half of a surrogate pair")
    style, origin = row.get("style") or "headline", row.get("source") or path.name.split(".")[0]
    return Example(row["text"][:max_characters], row["summary"], str(style), str(origin))


def _is_unicode(text: str) -> bool:
    """JSON can escape what no encoding of Unicode allows and no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How examples become batches.

    `hidden_share` of the examples have source positions hidden, each at a rate drawn from 0 to 1:
    explanations by removal are honest only for a model that has seen removal.
    """

    max_source_tokens: int = 160
    max_summary_tokens: int = 48
    tokens_per_batch: int = 8192
    bucket_tokens: int = 32
    window_batches: int = 64
    hidden_share: float = 0.1
    word_dropout: float = 0.05
    merge_dropout: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Batch:
    """Padded arrays: int32 ids (B, S) and (B, T), bool keep mask, float32 weights (B, T)."""

    source_ids: Array
    source_keep_mask: Array
    previous_ids: Array
    summary_ids: Array
    weights: Array

    def inputs(self) -> dict[str, Array]:
        """What the network's call takes."""
        return {
            "source_ids": self.source_ids,
            "source_keep_mask": self.source_keep_mask,
            "previous_ids": self.previous_ids,
            "summary_ids": self.summary_ids,
        }


@dataclass(frozen=True)
class _Row:
    source: list[int]
    summary: list[int]
    start: int


class Batches:
    """Batches in an order that depends only on the seed, the epoch and the position in it.

    Examples are shuffled, cut into windows, sorted by length within a window and batched by
    source tokens, so that little padding is computed; then the window's batches are shuffled.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[Example], float]],
        tokenizer: Tokenizer,
        truecaser: Truecaser,
        options: BatchOptions,
    ) -> None:
        self.groups, self.tokenizer, self.options = groups, tokenizer, options
        self.truecaser = truecaser
        self.starts = {style: tokenizer.start_id(style) for style in tokenizer.styles}

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, without the first `skip`."""
        options = self.options
        order = self._order(np.random.default_rng([options.seed, epoch]))
        window = options.window_batches * options.tokens_per_batch // options.max_source_tokens
        position = 0
        for number, first in enumerate(range(0, len(order), window)):
            rng = np.random.default_rng([options.seed, epoch, number])
            rows = self._rows(order[first : first + window])
            for chunk in self._chunks(rows, rng):
                # Drawn even when skipped: the next batch must not depend on where a job resumed.
                batch = self._batch([rows[i] for i in chunk], rng)
                if position >= skip:
                    yield batch
                position += 1

    def _order(self, rng: np.random.Generator) -> list[Example]:
        chosen: list[Example] = []
        for examples, weight in self.groups:
            whole, part = int(weight), weight - int(weight)
            extra = rng.permutation(len(examples))[: round(part * len(examples))]
            chosen += [*list(examples) * whole, *(examples[i] for i in extra)]
        return [chosen[i] for i in rng.permutation(len(chosen))]

    def _rows(self, examples: Sequence[Example]) -> list[_Row]:
        options, encode = self.options, self.tokenizer.encode_ids
        sources = encode([e.text for e in examples], options.merge_dropout)
        summaries = encode([self.truecaser.truecase(e.summary, e.text) for e in examples])
        return [
            _Row(
                [*source[: options.max_source_tokens - 1], EOS_ID],
                [*summary, EOS_ID][: options.max_summary_tokens],
                self.starts[example.style],
            )
            for example, source, summary in zip(examples, sources, summaries, strict=True)
        ]

    def _chunks(self, rows: Sequence[_Row], rng: np.random.Generator) -> list[list[int]]:
        options = self.options
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i].source), i))
        chunks: list[list[int]] = []
        while order:
            size = max(1, options.tokens_per_batch // self._bucket(len(rows[order[-1]].source)))
            chunks.append(order[-size:])
            del order[-size:]
        return [chunks[i] for i in rng.permutation(len(chunks))]

    def _bucket(self, length: int) -> int:
        step = self.options.bucket_tokens
        return -(-length // step) * step

    def _batch(self, rows: Sequence[_Row], rng: np.random.Generator) -> Batch:
        length = self._bucket(max(len(row.source) for row in rows))
        steps = max(len(row.summary) for row in rows)
        source_ids = padded([row.source for row in rows], length)
        summary_ids = padded([row.summary for row in rows], steps)
        previous_ids = padded([[row.start, *row.summary[:-1]] for row in rows], steps)
        forgotten = rng.random(previous_ids.shape) < self.options.word_dropout
        forgotten[:, 0] = False
        return Batch(
            source_ids,
            self._keep_mask(source_ids, rng),
            np.where(forgotten & (previous_ids != PAD_ID), np.int32(MASK_ID), previous_ids),
            summary_ids,
            (summary_ids != PAD_ID).astype(np.float32),
        )

    def _keep_mask(self, source_ids: Array, rng: np.random.Generator) -> Array:
        """bool (B, S): True but for padding and what is hidden; `<eos>` is never hidden."""
        rows = len(source_ids)
        chosen = rng.random(rows) < self.options.hidden_share
        rates = np.where(chosen, rng.random(rows), 0.0)
        hidden = rng.random(source_ids.shape) < rates[:, None]
        return np.asarray((source_ids != PAD_ID) & (~hidden | (source_ids == EOS_ID)))


def padded(rows: Sequence[Sequence[int]], length: int) -> NDArray[np.int32]:
    """int32 (B, length), 0 on the right."""
    array = np.full((len(rows), length), PAD_ID, np.int32)
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array

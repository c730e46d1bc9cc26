"""A corpus as a few flat arrays of token ids, which fit into an accelerator's memory whole.

`python -m model.packed --data FILE … --tokenizer FILE --truecaser FILE --out FILE.npz` writes
them. From there model/accelerated/ makes its batches where it computes, and neither text nor
tokenizer is needed. Runs without TensorFlow and Keras.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data import CHARACTERS_PER_TOKEN, FORMULAIC
from model.lead_oracle import CHOSEN, HIDDEN, lead_oracle
from model.readers import Example, read_examples
from model.sentences import split_sentences
from model.tokenizer import EOS_ID, Tokenizer
from model.words.truecasing import Truecaser

SENTENCE_BIT = 1 << 15
"""Set on the first token of each sentence; the other bits are the token's id."""

CHUNK = 2000
"""Examples tokenized together."""

Array = NDArray[np.generic]

Encode = Callable[[Sequence[str]], list[list[int]]]


@dataclass(frozen=True)
class PackedCorpus:
    """N examples: `tokens` and `targets` hold them one after the other, the rest where each is.

    `inner_starts` int32 (N,) is where the third sentence of a text begins, counted from its first
    token, if `labels` uint8 (N, CHOSEN) name its key sentences, and else -1. Labels count from 1
    at that sentence; 0 is none. `formulaic` bool (N,) marks headlines that announce a statement.
    """

    tokens: Array  # uint16
    targets: Array  # uint16, `<eos>` at the end of each
    source_starts: Array  # int32 (N,)
    source_lengths: Array  # int32 (N,), without `<eos>`
    target_starts: Array  # int32 (N,)
    target_lengths: Array  # int32 (N,)
    start_ids: Array  # int32 (N,)
    inner_starts: Array  # int32 (N,)
    labels: Array  # uint8 (N, CHOSEN)
    formulaic: Array  # bool (N,)

    def __len__(self) -> int:
        return len(self.source_starts)

    def save(self, path: Path) -> None:
        """Writes a compressed NumPy archive."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        with path.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> PackedCorpus:
        """Reads what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    @classmethod
    def joined(cls, parts: Sequence[PackedCorpus]) -> PackedCorpus:
        """One corpus of several, in their order."""
        sources = np.cumsum([0, *(len(part.tokens) for part in parts)])
        targets = np.cumsum([0, *(len(part.targets) for part in parts)])
        arrays = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
        }
        for name, offsets in (("source_starts", sources), ("target_starts", targets)):
            moved = [getattr(p, name) + offsets[i] for i, p in enumerate(parts)]
            arrays[name] = np.concatenate(moved).astype(np.int32)
        return cls(**arrays)


@dataclass(frozen=True)
class _Row:
    tokens: list[int]
    target: list[int]
    start_id: int
    inner_start: int
    labels: list[int]
    formulaic: bool


def pack(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    truecaser: Truecaser | None,
    *,
    max_source_tokens: int,
    max_summary_tokens: int,
    with_labels: bool = True,
    merge_dropout: float = 0.0,
) -> PackedCorpus:
    """Tokenizes examples; targets are truecased as in training.

    Args:
        examples: Pairs; a gap in their text is ignored.
        tokenizer: Of a vocabulary of at most 2 ** 15.
        truecaser: Learnt from the same texts; without one targets stay as they are.
        max_source_tokens: Texts are cut to this, `<eos>` counted.
        max_summary_tokens: Targets are cut to this, `<eos>` counted.
        with_labels: Whether key sentences are labelled (a minute for 30,000 long texts).
        merge_dropout: The share of BPE merges left out of the texts, at random but once for all.
    """
    rows: list[_Row] = []
    rng = np.random.default_rng(0)
    for first in range(0, len(examples), CHUNK):
        chunk = examples[first : first + CHUNK]
        summaries = [
            truecaser.truecase(e.summary, e.text) if truecaser else e.summary for e in chunk
        ]
        sources = _sentences(chunk, lambda pieces: tokenizer.encode_ids(pieces, merge_dropout, rng))
        for example, source, target in zip(
            chunk, sources, tokenizer.encode_ids(summaries), strict=True
        ):
            labels = _labels(example) if with_labels else []
            rows.append(
                _Row(
                    _flagged(source)[: max_source_tokens - 1],
                    [*target, EOS_ID][:max_summary_tokens],
                    tokenizer.start_id(example.style),
                    sum(len(ids) for ids in source[:HIDDEN]) if labels else -1,
                    labels,
                    bool(FORMULAIC.search(example.summary)),
                )
            )
    return _stacked(rows)


def _sentences(examples: Sequence[Example], encode: Encode) -> Iterator[list[list[int]]]:
    """The ids of every sentence of every text."""
    spans = [split_sentences(example.text) for example in examples]
    pieces = [e.text[a:b] for e, cut in zip(examples, spans, strict=True) for a, b in cut]
    ids = iter(encode(pieces))
    for cut in spans:
        yield [next(ids) for _ in cut]


def _flagged(sentences: Sequence[Sequence[int]]) -> list[int]:
    return [
        token | SENTENCE_BIT if i == 0 else token
        for sentence in sentences
        for i, token in enumerate(sentence)
    ]


def _labels(example: Example) -> list[int]:
    spans = split_sentences(example.text)
    found = lead_oracle([example.text[start:end] for start, end in spans])
    return [index - HIDDEN + 1 for index in found if index - HIDDEN < 255]


def _stacked(rows: Sequence[_Row]) -> PackedCorpus:
    lengths = np.array([len(row.tokens) for row in rows], np.int32)
    target_lengths = np.array([len(row.target) for row in rows], np.int32)
    labels = np.zeros((len(rows), CHOSEN), np.uint8)
    for i, row in enumerate(rows):
        labels[i, : len(row.labels)] = row.labels
    return PackedCorpus(
        tokens=np.array([token for row in rows for token in row.tokens], np.uint16),
        targets=np.array([token for row in rows for token in row.target], np.uint16),
        source_starts=(np.cumsum(lengths) - lengths).astype(np.int32),
        source_lengths=lengths,
        target_starts=(np.cumsum(target_lengths) - target_lengths).astype(np.int32),
        target_lengths=target_lengths,
        start_ids=np.array([row.start_id for row in rows], np.int32),
        inner_starts=np.array([row.inner_start for row in rows], np.int32),
        labels=labels,
        formulaic=np.array([row.formulaic for row in rows], bool),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Packs files from the command line."""
    parser = argparse.ArgumentParser(prog="python -m model.packed", description=__doc__)
    add = parser.add_argument
    add("--data", nargs="+", required=True, help="as for model.train, without weights")
    add("--tokenizer", type=Path, required=True)
    add("--truecaser", type=Path, help="of a run of model.train; without it targets stay as is")
    add("--out", type=Path, required=True)
    add("--max-source-tokens", type=int, default=1024)
    add("--max-summary-tokens", type=int, default=48)
    add("--no-labels", action="store_true")
    add("--merge-dropout", type=float, default=0.0, help="share of merges left out of the texts")
    add("--every", type=int, default=1, help="take one example of so many")
    add("--first", type=int, default=0, help="the first that is taken")
    given = parser.parse_args(arguments)
    limit = given.max_source_tokens * CHARACTERS_PER_TOKEN
    examples = [e for address in given.data for e in read_examples(address, limit)]
    spellings = given.truecaser and json.loads(given.truecaser.read_text(encoding="utf-8"))
    pack(
        examples[given.first :: given.every],
        Tokenizer.load(given.tokenizer),
        None if spellings is None else Truecaser(spellings),
        max_source_tokens=given.max_source_tokens,
        max_summary_tokens=given.max_summary_tokens,
        with_labels=not given.no_labels,
        merge_dropout=given.merge_dropout,
    ).save(given.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

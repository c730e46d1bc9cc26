"""Data sets that lie in one corpus, for tables that compare what a network learns from each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.packed import PackedCorpus, pack
from model.readers import Example, read_examples
from model.tokenizer import Tokenizer
from model.words.truecasing import Truecaser

SUMMARY_TOKENS = 48

_MAX_CHARACTERS = 16_384

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class DataSet:
    """One set: rows of the joined corpus, and the references of its validation rows."""

    name: str
    train: Rows
    validation: Rows
    references: list[str]


class DataSets:
    """All sets in one corpus, tokenized in one vocabulary, which gets the styles that it lacks.

    Args:
        named: NAME=TRAIN,VALIDATION, files as for model.train.
        tokenizer: Of the vocabulary.
        truecaser: Of a run of model.train.
        out: Where the packs and the tokenizer go; packs that are there are taken as they are.
    """

    def __init__(self, named: Sequence[str], tokenizer: Path, truecaser: Path, out: Path) -> None:
        self.tokenizer = Tokenizer.load(tokenizer)
        self.sets: list[DataSet] = []
        self._truecaser = Truecaser(json.loads(truecaser.read_text(encoding="utf-8")))
        parts: list[PackedCorpus] = []
        for argument in named:
            name, _, files = argument.partition("=")
            rows: list[Rows] = []
            for file, part in zip(files.split(","), ("train", "validation"), strict=True):
                path = out / f"{name}.{part}.npz"
                # Of what was packed before only the references are needed.
                is_needed = part == "validation" or not path.exists()
                examples = list(read_examples(file, _MAX_CHARACTERS)) if is_needed else []
                first = sum(len(one) for one in parts)
                parts.append(self._packed(path, examples))
                rows.append(np.arange(first, first + len(parts[-1])))
            self.sets.append(DataSet(name, rows[0], rows[1], [e.summary for e in examples]))
        self.corpus = PackedCorpus.joined(parts)
        self.tokenizer.save(out / "tokenizer.json")

    def _packed(self, path: Path, examples: Sequence[Example]) -> PackedCorpus:
        for style in sorted({example.style for example in examples}):
            if style not in self.tokenizer.styles:
                self.tokenizer = self.tokenizer.add_style(style)
        if not path.exists():
            packed = pack(
                examples,
                self.tokenizer,
                self._truecaser,
                max_source_tokens=1024,
                max_summary_tokens=SUMMARY_TOKENS,
                with_labels=False,
            )
            packed.save(path)
        return PackedCorpus.load(path)

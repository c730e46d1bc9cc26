"""An exported SavedModel, asked without the service."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.artifact import COMPUTE_IN, SUMMARIZE, TOKENIZER, read_manifest
from model.data import padded
from model.tokenizer import PAD_ID, Tokenizer

BATCH = 16


class Written(NamedTuple):
    """A summary and how sure the model is of it."""

    text: str
    log_prob: float  # mean a token, in nats, as `low_confidence` reads it


class ExportedModel:
    """Summarizes with a SavedModel and the defaults of its manifest."""

    def __init__(
        self,
        directory: Path,
        *,
        num_beams: int | None = None,
        strict: bool | None = None,
        length_penalty: float | None = None,
    ) -> None:
        import tensorflow as tf  # loaded here: a command line answers --help without it

        self.manifest = read_manifest(directory)
        self.tokenizer = Tokenizer.load(directory / TOKENIZER)
        self.num_beams, self.strict = num_beams or self.manifest.default_num_beams, strict
        self.length_penalty = length_penalty
        self._loaded = tf.saved_model.load(str(directory / "saved_model"))
        self._constant = tf.constant

    @property
    def weights(self) -> Sequence[Any]:
        """The variables of the graph; what is assigned to them counts from the next call on."""
        weights: Sequence[Any] = self._loaded.weights
        return weights

    @property
    def signatures(self) -> Collection[str]:
        """What it can be asked."""
        names: Collection[str] = self._loaded.signatures.keys()
        return names

    def compute_in(self, precision: str) -> None:
        """Chooses what the encoder computes in, of `COMPUTE_IN`, from the next call on.

        Raises:
            ValueError: the graph is too old to have a choice.
        """
        choose = getattr(self._loaded, COMPUTE_IN[precision], None)
        if choose is None:
            raise ValueError(f"version {self.manifest.version} can't choose what it computes in")
        choose()

    def call(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The outputs of a signature of the contract for arrays of its inputs' types."""
        tensors = {name: self._constant(value) for name, value in inputs.items()}
        found = self._loaded.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in found.items()}

    def summary_ids(self, source_ids: Sequence[int], style: str) -> list[int]:
        """The ids of the summary of one source, its `<eos>` among them, without padding."""
        style_ids = np.array([self.manifest.styles.index(style)], np.int32)
        row = self._ask(np.array([source_ids], np.int32), style_ids)[0][0]
        return [int(token_id) for token_id in row if token_id != PAD_ID]

    def summarize(self, texts: Sequence[str], styles: Sequence[str]) -> list[Written]:
        """The summaries, in the order of the texts; the default style where one is unknown."""
        manifest = self.manifest
        limit = manifest.max_source_tokens
        sources = [self.tokenizer.encode(text, limit).ids for text in texts]
        summaries = [Written("", 0.0)] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(sources[i]))
        for chunk in _chunks(order, BATCH):
            source_ids = padded([sources[i] for i in chunk], len(sources[chunk[-1]]))
            known = [s if s in manifest.styles else manifest.default_style for s in styles]
            style_ids = [manifest.styles.index(known[i]) for i in chunk]
            found = self._ask(source_ids, np.array(style_ids, np.int32))
            for i, row, log_probs in zip(chunk, *found, strict=True):
                summaries[i] = self._written(row, log_probs)
        return summaries

    def _written(self, row: NDArray[np.int32], log_probs: NDArray[np.float32]) -> Written:
        kept = [int(t) for t in row if t not in (PAD_ID, self.tokenizer.eos_id)]
        mean = float(log_probs[row != PAD_ID].mean())
        return Written(self.tokenizer.decode(kept).text, mean)

    def _penalty(self, style: str) -> float:
        known = self.manifest.length_penalty(style)
        return known if self.length_penalty is None else self.length_penalty

    def _is_strict(self, style: str) -> bool:
        return self.manifest.is_strict(style) if self.strict is None else self.strict

    def _ask(self, source_ids: Any, style_ids: Any) -> tuple[Any, Any]:
        manifest, batch = self.manifest, len(source_ids)
        penalties = [self._penalty(manifest.styles[i]) for i in style_ids]
        inputs = {
            "source_ids": source_ids,
            "source_keep_mask": source_ids > 0,
            "style_ids": style_ids,
            "max_new_tokens": [manifest.default_max_new_tokens] * batch,
            "min_new_tokens": [manifest.default_min_new_tokens] * batch,
            "length_penalty": penalties,
            "num_beams": self.num_beams,
            "num_candidates": 1,
            "strict_support": [self._is_strict(manifest.styles[i]) for i in style_ids],
            "sentence_ids": 0 * source_ids,
        }
        found = self.call(SUMMARIZE, inputs)
        return found["summary_ids"], found["log_probs"]


def _chunks(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(order), size):
        yield order[first : first + size]

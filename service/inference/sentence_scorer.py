"""Logits of the sentences of long texts, which the model reads in chunks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.artifact import SCORE_SENTENCES
from model.sentences import Chunk
from service.inference.batches import padded_length, plan, sentence_array, token_arrays
from service.inference.calls import Arrays, ModelCalls, call_in_parts
from service.inference.key_sentences import padded_logits
from service.inference.reading import Logits


class SentenceScorer:
    """Scores sentences with the `score_sentences` signature, in whatever thread calls.

    Args:
        model: What is called.
        max_source_tokens: The most tokens of a chunk, `<eos>` counted.
    """

    def __init__(self, model: ModelCalls, max_source_tokens: int) -> None:
        self._model = model
        self._max_source_tokens = max_source_tokens

    def logits(self, texts: Sequence[Sequence[Chunk]]) -> list[Logits]:
        """For each text, given by its chunks, one logit a sentence; chunks of all share calls."""
        chunks = [chunk for text in texts for chunk in text]
        lengths = [padded_length(len(c.source_ids), self._max_source_tokens) for c in chunks]
        found: dict[int, Logits] = {}
        for planned in plan(lengths, 1, self._model.budget.tokens):
            for group, outputs in call_in_parts(
                planned, lambda members: self._call([chunks[index] for index in members])
            ):
                for row, index in zip(outputs["sentence_logits"], group, strict=True):
                    found[index] = padded_logits(row, len(chunks[index].sentences))
        ordered = iter([found[index] for index in range(len(chunks))])
        return [np.concatenate([np.zeros(0), *(next(ordered) for _ in text)]) for text in texts]

    def _call(self, chunks: Sequence[Chunk]) -> Arrays:
        sources = [chunk.source_ids for chunk in chunks]
        length = padded_length(max(map(len, sources)), self._max_source_tokens)
        return self._model(
            SCORE_SENTENCES,
            {
                **token_arrays(sources, length),
                "sentence_ids": sentence_array([chunk.sentence_ids for chunk in chunks], length),
            },
        )

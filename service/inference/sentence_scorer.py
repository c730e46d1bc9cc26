"""Logits of the sentences of long texts, which the model reads in chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from model.sentences import Chunk
from service.errors import OutOfMemory
from service.inference.batches import padded_length, plan, sentence_array, token_arrays
from service.inference.calls import Arrays, Signature, call_in_parts
from service.inference.key_sentences import padded_logits
from service.inference.reading import Logits
from service.inference.token_budget import TokenBudget
from service.predictor import EngineCall


class SentenceScorer:
    """Scores sentences with the `score_sentences` signature, in whatever thread calls.

    Args:
        score_sentences: The signature.
        max_source_tokens: The most tokens of a chunk, `<eos>` counted.
        budget: Padded tokens in one call.
        called: Told of every call; each chunk counts as a text there.
    """

    def __init__(
        self,
        score_sentences: Signature,
        max_source_tokens: int,
        budget: TokenBudget,
        called: Callable[[EngineCall], None],
    ) -> None:
        self._score_sentences = score_sentences
        self._max_source_tokens = max_source_tokens
        self._budget = budget
        self._called = called

    def logits(self, texts: Sequence[Sequence[Chunk]]) -> list[Logits]:
        """For each text, given by its chunks, one logit a sentence; chunks of all share calls."""
        chunks = [chunk for text in texts for chunk in text]
        lengths = [padded_length(len(c.source_ids), self._max_source_tokens) for c in chunks]
        found: dict[int, Logits] = {}
        for planned in plan(lengths, 1, self._budget.tokens):
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
        inputs = {
            **token_arrays(sources, length),
            "sentence_ids": sentence_array([chunk.sentence_ids for chunk in chunks], length),
        }
        try:
            outputs = self._score_sentences(inputs)
        except OutOfMemory:
            self._budget.shrink(length * len(chunks))
            raise
        self._called(
            EngineCall(
                texts=len(chunks),
                tokens=sum(map(len, sources)),
                padded_tokens=length * len(chunks),
            )
        )
        return outputs

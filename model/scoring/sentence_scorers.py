"""Scores of sentences by a trained network, through its signatures. Knows no TensorFlow itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.artifact import Manifest
from model.extractive import SentenceScores, copy_mass
from model.sentences import read_in_chunks, sentence_ids
from model.tokenizer import Span, Tokenizer

NO_SENTENCE = -1e9
"""The logit of a sentence in which no token starts."""

Arrays = Mapping[str, NDArray[Any]]
Signature = Callable[[Arrays], Arrays]
"""Named arrays in, named arrays out."""


class HeadScorer:
    """The sentence head's logits; a text longer than the network reads is scored in chunks.

    Args:
        tokenizer: The one that the network was trained with.
        max_source_tokens: What the network reads at once, `<eos>` counted.
        score_sentences: The signature: `source_ids` int32 (1, S), `source_keep_mask` bool (1, S)
            and `sentence_ids` int32 (1, S) in, `sentence_logits` float32 (1, up to N) out.
    """

    def __init__(
        self, tokenizer: Tokenizer, max_source_tokens: int, score_sentences: Signature
    ) -> None:
        self._tokenizer, self._limit = tokenizer, max_source_tokens
        self._score_sentences = score_sentences

    def __call__(self, text: str, sentences: Sequence[Span]) -> SentenceScores:
        """(N,) logits; a sentence that the network saw nothing of has the lowest of the others."""
        logits = np.full(len(sentences), NO_SENTENCE)
        for chunk in read_in_chunks(self._tokenizer.encode(text), sentences, self._limit):
            outputs = self._score_sentences(
                {
                    "source_ids": np.array([chunk.source_ids], np.int32),
                    "source_keep_mask": np.ones((1, len(chunk.source_ids)), bool),
                    "sentence_ids": np.array([chunk.sentence_ids], np.int32),
                }
            )
            found = outputs["sentence_logits"][0, : len(chunk.sentences)]
            logits[chunk.sentences.start :][: len(found)] = found
        seen = logits > NO_SENTENCE / 2
        lowest = logits.min(where=seen, initial=np.inf) if seen.any() else 0.0
        return np.where(seen, logits, lowest)


class CopyMassScorer:
    """How much the summary copied from each sentence; nothing beyond what the network reads.

    Args:
        tokenizer: The one that the network was trained with.
        manifest: Of the artifact, for its limits and defaults.
        summarize: The signature.
    """

    def __init__(self, tokenizer: Tokenizer, manifest: Manifest, summarize: Signature) -> None:
        self._tokenizer, self._manifest, self._summarize = tokenizer, manifest, summarize

    def __call__(self, text: str, sentences: Sequence[Span]) -> SentenceScores:
        """(N,): attention times copy gate, added up over the summary's tokens."""
        manifest = self._manifest
        source = self._tokenizer.encode(text, manifest.max_source_tokens)
        ids = [*sentence_ids(source.spans, sentences), 0]
        penalty = manifest.length_penalty(manifest.default_style)
        outputs = self._summarize(
            {
                "source_ids": np.array([source.ids], np.int32),
                "source_keep_mask": np.ones((1, len(source.ids)), bool),
                "style_ids": np.array([manifest.styles.index(manifest.default_style)], np.int32),
                "max_new_tokens": np.array([manifest.default_max_new_tokens], np.int32),
                "min_new_tokens": np.array([manifest.default_min_new_tokens], np.int32),
                "length_penalty": np.array([penalty], np.float32),
                "num_beams": np.array(manifest.default_num_beams, np.int32),
                "num_candidates": np.array(1, np.int32),
                "strict_support": np.array([True]),
                "sentence_ids": np.array([ids], np.int32),
            }
        )
        copied = outputs["copy_gate"][0, :, None] * outputs["attention_weights"][0]  # (T, S)
        return copy_mass(copied, ids, len(sentences))

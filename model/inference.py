"""The network and the search together: source ids in, summary and its numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keras import ops

from model.attention import Tensor
from model.decoding import (
    Filter,
    NeverTokens,
    NoRepeatedNgrams,
    SearchOptions,
    State,
    ValidUtf8,
    add_by_id,
    search,
)
from model.summarizer import LOG_FLOOR, Prediction, Score, Source, Summarizer, score
from model.support import SupportedNames
from model.support_tables import support_tables
from model.tokenizer import EOS_ID, PAD_ID, Tokenizer

REPEATED_NGRAM = 3


class Summaries(NamedTuple):
    """All hypotheses, the best first, and all that `score` says of the best."""

    summary_ids: Tensor  # int32 (B, T), padded with 0: the best hypothesis
    hypothesis_ids: Tensor  # int32 (B, K, T), padded with 0
    score_per_hypothesis: Tensor  # float32 (B, K), falling
    sentence_logits: Tensor  # float32 (B, N)
    numbers: Score


class Inference:
    """Summarizes and scores with one network and one tokenizer."""

    def __init__(self, model: Summarizer, tokenizer: Tokenizer, styles: Sequence[str]) -> None:
        self.model, self.styles = model, tuple(styles)
        self._start_ids = [tokenizer.start_id(style) for style in styles]
        vocab_size = tokenizer.vocab_size
        pieces = [tokenizer.token_bytes(i) for i in range(vocab_size)]
        never = [i for i, piece in enumerate(pieces) if not piece and i != EOS_ID]
        self.filters: tuple[Filter, ...] = (
            NeverTokens(vocab_size, never),
            NoRepeatedNgrams(REPEATED_NGRAM, vocab_size),
            ValidUtf8(pieces),
        )
        self._support_tables = support_tables(pieces)

    def start_ids(self, style_ids: Tensor) -> Tensor:
        """int32 (B,) start tokens of styles given by their index."""
        return ops.take(ops.convert_to_tensor(self._start_ids, "int32"), style_ids)

    def filters_for(self, source: Source) -> tuple[Filter, ...]:
        """What steers the search over given sources."""
        return (*self.filters, SupportedNames(self._support_tables, source.ids, source.mask))

    def summarize(
        self,
        source_ids: Tensor,
        source_keep_mask: Tensor,
        style_ids: Tensor,
        options: SearchOptions,
        sentence_ids: Tensor,
    ) -> Summaries:
        """Encodes once, scores sentences, searches, then scores the summary by teacher forcing."""
        source = self.model.encode(source_ids, source_keep_mask)

        def step(previous_ids: Tensor, state: State) -> tuple[Tensor, State]:
            prediction, state = self.model.predict_next(source, previous_ids, state)
            return vocabulary_log_probs(source, prediction, self.model.config.vocab_size), state

        starts = self.start_ids(style_ids)
        found = search(step, source.initial_state, starts, options, self.filters_for(source))
        best = found.ids[:, 0]
        sentence_logits = self._score_sentences(source, sentence_ids)
        numbers = self._score(source, starts, best)
        return Summaries(best, found.ids, found.scores, sentence_logits, numbers)

    def score(
        self,
        source_ids: Tensor,
        source_keep_mask: Tensor,
        style_ids: Tensor,
        summary_ids: Tensor,
    ) -> Score:
        """The numbers of given summaries; zero where `summary_ids` is padding."""
        source = self.model.encode(source_ids, source_keep_mask)
        return self._score(source, self.start_ids(style_ids), summary_ids)

    def score_sentences(
        self, source_ids: Tensor, source_keep_mask: Tensor, sentence_ids: Tensor
    ) -> Tensor:
        """Logits (B, N) of sentences numbered from 1; -1e9 where a text has fewer."""
        source = self.model.encode(source_ids, source_keep_mask)
        return self._score_sentences(source, sentence_ids)

    def _score_sentences(self, source: Source, sentence_ids: Tensor) -> Tensor:
        return self.model.score_sentences(source, sentence_ids, ops.max(sentence_ids))

    def _score(self, source: Source, starts: Tensor, summary_ids: Tensor) -> Score:
        previous_ids = ops.concatenate([starts[:, None], summary_ids[:, :-1]], axis=1)
        numbers = score(source, self.model.predict_all(source, previous_ids), summary_ids)
        real = ops.not_equal(summary_ids, PAD_ID)  # (B, T)

        def blank(part: Tensor) -> Tensor:
            mask = real if len(part.shape) == 2 else real[:, :, None]
            return ops.where(mask, part, 0.0)

        return Score(*(blank(part) for part in numbers))


def vocabulary_log_probs(source: Source, prediction: Prediction, vocab_size: int) -> Tensor:
    """log(copy + generate) of every token: (B, T, V)."""
    batch, steps, length = (ops.shape(prediction.attention_weights)[i] for i in range(3))
    ids = ops.broadcast_to(source.ids[:, None, :], (batch, steps, length))
    copied = add_by_id(ids, prediction.attention_weights, vocab_size)
    copied = prediction.copy_gate[:, :, None] * copied
    generated = 1.0 - prediction.copy_gate[:, :, None]
    generated = generated * ops.softmax(prediction.generator_logits, axis=-1)
    return ops.log(copied + generated + LOG_FLOOR)

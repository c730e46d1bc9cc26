"""The network and the search together: source ids in, summary and its numbers out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple

from keras import ops

from model.attention import Tensor
from model.decoding import Found, State, search
from model.steering import utf8
from model.steering.choices import Choices, choices_for
from model.steering.filters import Filter, NeverTokens, NoRepeatedNgrams, SearchOptions, ValidUtf8
from model.steering.support import SupportedNames
from model.steering.support_tables import support_tables
from model.summarizer import LOG_FLOOR, Prediction, Score, Source, Summarizer, score
from model.tokenizer import EOS_ID, PAD_ID, Tokenizer

REPEATED_NGRAM = 3

NUM_COMMON = 4096
"""How many tokens the search may generate; the source's own it may copy in any case."""


class Summaries(NamedTuple):
    """All hypotheses, the best first, and all that `score` says of the best."""

    summary_ids: Tensor  # int32 (B, T), padded with 0: the best hypothesis
    hypothesis_ids: Tensor  # int32 (B, K, T), padded with 0
    score_per_hypothesis: Tensor  # float32 (B, K), falling
    sentence_logits: Tensor  # float32 (B, N)
    numbers: Score


class Inference:
    """Summarizes and scores with one network and one tokenizer."""

    def __init__(
        self,
        model: Summarizer,
        tokenizer: Tokenizer,
        styles: Sequence[str],
        num_common: int = NUM_COMMON,
    ) -> None:
        self.model, self.styles, self.num_common = model, tuple(styles), num_common
        self.encode: Callable[..., Source] = model.encode
        self._start_ids = [tokenizer.start_id(style) for style in styles]
        pieces = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
        self.never_ids = [i for i, piece in enumerate(pieces) if not piece and i != EOS_ID]
        self.utf8_after = utf8.transitions(pieces, end_ids=[EOS_ID])
        self.support_tables = support_tables(pieces)

    def with_encoder(self, encode: Callable[..., Source]) -> Inference:
        """The same, but that sources are read by what computes as `Summarizer.encode` does."""
        changed = copy.copy(self)
        changed.encode = encode
        return changed

    def start_ids(self, style_ids: Tensor) -> Tensor:
        """int32 (B,) start tokens of styles given by their index."""
        return ops.take(ops.convert_to_tensor(self._start_ids, "int32"), style_ids)

    def choices_for(self, source: Source) -> Choices:
        """What a search over given sources may write."""
        return choices_for(source.ids, self.model.config.vocab_size, self.num_common)

    def filters_for(self, source: Source, choices: Choices) -> tuple[Filter, ...]:
        """What steers the search over given sources."""
        return (
            NeverTokens(self.never_ids, self.model.config.vocab_size),
            NoRepeatedNgrams(REPEATED_NGRAM),
            ValidUtf8(self.utf8_after),
            SupportedNames(self.support_tables, source.ids, source.mask, choices),
        )

    def summarize(
        self,
        source_ids: Tensor,
        source_keep_mask: Tensor,
        style_ids: Tensor,
        options: SearchOptions,
        sentence_ids: Tensor,
    ) -> Summaries:
        """Encodes once, scores sentences, searches, then scores the summary by teacher forcing."""
        source, starts = self.encode(source_ids, source_keep_mask), self.start_ids(style_ids)
        found = self.search(source, starts, options)
        best = found.ids[:, 0]
        sentence_logits = self._score_sentences(source, sentence_ids)
        numbers = self._score(source, starts, best)
        return Summaries(best, found.ids, found.scores, sentence_logits, numbers)

    def search(self, source: Source, starts: Tensor, options: SearchOptions) -> Found:
        """The hypotheses for encoded sources, each begun with its start token int32 (B,)."""
        choices = self.choices_for(source)
        columns = self.model.output_tiles(choices.num_common)

        def step(previous_ids: Tensor, state: State) -> tuple[Tensor, State]:
            prediction, state = self.model.predict_next(source, previous_ids, state, columns)
            return choice_log_probs(choices, prediction), state

        filters = self.filters_for(source, choices)
        return search(step, source.initial_state, starts, options, filters, choices)

    def score(
        self,
        source_ids: Tensor,
        source_keep_mask: Tensor,
        style_ids: Tensor,
        summary_ids: Tensor,
        embedded: Tensor | None = None,
    ) -> Score:
        """The numbers of given summaries; zero where `summary_ids` is padding.

        `embedded` are the embeddings of the source, for whoever takes gradients by them.
        """
        source = self.encode(source_ids, source_keep_mask, embedded=embedded)
        return self._score(source, self.start_ids(style_ids), summary_ids)

    def score_sentences(
        self, source_ids: Tensor, source_keep_mask: Tensor, sentence_ids: Tensor
    ) -> Tensor:
        """Logits (B, N) of sentences numbered from 1; -1e9 where a text has fewer."""
        source = self.encode(source_ids, source_keep_mask)
        return self._score_sentences(source, sentence_ids)

    def _score_sentences(self, source: Source, sentence_ids: Tensor) -> Tensor:
        return self.model.score_sentences(source, sentence_ids, ops.max(sentence_ids))

    def _score(self, source: Source, starts: Tensor, summary_ids: Tensor) -> Score:
        previous_ids = ops.concatenate([starts[:, None], summary_ids[:, :-1]], axis=1)
        numbers = score(source, self.model.predict_all(source, previous_ids), summary_ids)
        return blanked(numbers, ops.not_equal(summary_ids, PAD_ID))


def blanked(numbers: Score, real: Tensor) -> Score:
    """The same, and zero where `real`, bool (B, T), is false."""

    def blank(part: Tensor) -> Tensor:
        return ops.where(real if len(part.shape) == 2 else real[:, :, None], part, 0.0)

    return Score(*(blank(part) for part in numbers))


def vocabulary_log_probs(source: Source, prediction: Prediction, vocab_size: int) -> Tensor:
    """log(copy + generate) of every token: (B, T, V)."""
    return choice_log_probs(choices_for(source.ids, vocab_size, vocab_size), prediction)


def choice_log_probs(choices: Choices, prediction: Prediction) -> Tensor:
    """log(copy + generate) of every choice: (B, T, C). Only common tokens are generated."""
    gate = prediction.copy_gate[:, :, None]
    copied = choices.spread(gate * prediction.attention_weights)
    generated = (1.0 - gate) * ops.softmax(prediction.generator_logits, axis=-1)  # (B, T, G)
    rest = ops.shape(copied)[2] - choices.num_common
    generated = ops.pad(generated, [[0, 0], [0, 0], [0, rest]])
    return ops.log(copied + generated + LOG_FLOOR) + choices.closed

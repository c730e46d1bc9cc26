"""The predictor over an exported graph: tokenize, call, slice. Knows no TensorFlow itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from model.sentences import read_in_chunks, split_sentences
from model.tokenizer import Tokenizer
from service.batches import (
    option_arrays,
    padded_length,
    plan,
    sentence_array,
    source_arrays,
    summary_of,
)
from service.calls import Arrays, Signature, call_in_parts
from service.errors import TextTooLong
from service.key_sentences import key_sentences, padded_logits
from service.predictor import (
    EngineObserver,
    ModelInfo,
    NoObserver,
    SummarizeOptions,
    Summary,
)
from service.reading import Logits, Reading, read, select_passages
from service.sentence_scorer import SentenceScorer
from service.worker import InferenceThread


class SignaturePredictor:
    """Writes summaries and picks sentences with a graph's signatures, in a thread of its own.

    Args:
        info: What is loaded.
        tokenizer: The one that the model was trained with.
        summarize: The signature.
        score_sentences: The signature that scores chunks of long texts.
        thread: Where they run.
        max_batch_tokens: Padded source tokens times beams in one call.
        observer: Told of every call.
    """

    def __init__(
        self,
        *,
        info: ModelInfo,
        tokenizer: Tokenizer,
        summarize: Signature,
        score_sentences: Signature,
        thread: InferenceThread,
        max_batch_tokens: int,
        observer: EngineObserver | None = None,
    ) -> None:
        self._info = info
        self._tokenizer = tokenizer
        self._summarize = summarize
        self._thread = thread
        self._max_batch_tokens = max_batch_tokens
        self._observer = observer or NoObserver()
        self._scorer = SentenceScorer(
            score_sentences, info.max_source_tokens, max_batch_tokens, self._observer
        )

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        return self._info

    async def summarize(self, texts: Sequence[str], options: SummarizeOptions) -> list[Summary]:
        """One summary a text; see `Predictor`."""
        summaries, waited = await self._thread.run(
            lambda: self.summarize_now(texts, options), len(texts)
        )
        return [
            replace(summary, stage_seconds={"queue": waited, **summary.stage_seconds})
            for summary in summaries
        ]

    async def close(self) -> None:
        """Finishes the work accepted."""
        await self._thread.close()

    def warm_up(self, text: str, options: SummarizeOptions) -> None:
        """Calls each signature that requests will need, so that the first isn't the slowest."""
        self.summarize_now([text], options)
        whole, limit = self._tokenizer.encode(text), self._info.max_source_tokens
        self._scorer.logits([read_in_chunks(whole, split_sentences(text), limit)])

    def summarize_now(self, texts: Sequence[str], options: SummarizeOptions) -> list[Summary]:
        """The work itself, in whatever thread calls."""
        began = time.perf_counter()
        readings = [self._read(index, text, options) for index, text in enumerate(texts)]
        encoded = time.perf_counter()
        in_chunks = [index for index, reading in enumerate(readings) if reading.chunks]
        logits = dict(
            zip(
                in_chunks, self._scorer.logits([readings[i].chunks for i in in_chunks]), strict=True
            )
        )
        if options.truncation == "select":
            for index in in_chunks:
                readings[index] = self._selected(texts[index], readings[index], logits[index])
        summaries = self._search(texts, readings, logits, options)
        stages = {"tokenize": encoded - began, "model": time.perf_counter() - encoded}
        return [replace(summary, stage_seconds=stages) for summary in summaries]

    def _read(self, index: int, text: str, options: SummarizeOptions) -> Reading:
        limit = self._info.max_source_tokens
        reading = read(text, self._tokenizer, options, limit)
        if reading.source.truncated and options.truncation == "error":
            raise TextTooLong(index, reading.source.total_tokens, limit)
        return reading

    def _selected(self, text: str, reading: Reading, logits: Logits) -> Reading:
        limit = self._info.max_source_tokens
        return select_passages(text, reading, logits, self._tokenizer, limit)

    def _search(
        self,
        texts: Sequence[str],
        readings: Sequence[Reading],
        logits: dict[int, Logits],
        options: SummarizeOptions,
    ) -> list[Summary]:
        """One summary a text; sentences that have no logits yet get them by the way."""
        summaries: dict[int, Summary] = {}
        limit = self._info.max_source_tokens
        lengths = [padded_length(len(reading.source.ids), limit) for reading in readings]
        for planned in plan(lengths, options.num_beams, self._max_batch_tokens):
            for group, outputs in call_in_parts(
                planned, lambda members: self._call([readings[i] for i in members], options)
            ):
                for row, index in enumerate(group):
                    reading = readings[index]
                    summary = summary_of(outputs, row, reading, self._tokenizer, options)
                    found = padded_logits(outputs["sentence_logits"][row], len(reading.sentences))
                    key = key_sentences(
                        texts[index],
                        reading.sentences,
                        logits.get(index, found),
                        options.key_sentences,
                    )
                    summaries[index] = replace(summary, key_sentences=key, batch_texts=len(group))
        return [summaries[index] for index in range(len(texts))]

    def _call(self, readings: Sequence[Reading], options: SummarizeOptions) -> Arrays:
        sources = [reading.source.ids for reading in readings]
        length = padded_length(max(map(len, sources)), self._info.max_source_tokens)
        style_id = self._info.styles.index(options.style)
        outputs = self._summarize(
            {
                **source_arrays(sources, style_id, length),
                **option_arrays(options, len(sources)),
                "sentence_ids": sentence_array([r.sentence_ids for r in readings], length),
            }
        )
        self._observer.called(len(sources), sum(map(len, sources)), length * len(sources))
        return outputs

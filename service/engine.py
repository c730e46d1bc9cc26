"""The work itself, over an exported graph: tokenize, call, slice. Knows no TensorFlow itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model.artifact import SCORE, SUMMARIZE
from model.sentences import read_in_chunks, split_sentences
from model.tokenizer import Tokenizer
from service.errors import NonFiniteOutput
from service.explanation.explainer import Explainer
from service.inference.batches import (
    option_arrays,
    padded_length,
    plan,
    sentence_array,
    source_arrays,
    summary_of,
)
from service.inference.calls import Arrays, ModelCalls, Signature, call_in_parts
from service.inference.key_sentences import key_sentences, padded_logits
from service.inference.reading import Logits, Reading, read, select_passages
from service.inference.sentence_scorer import SentenceScorer
from service.predictor import (
    EngineCall,
    EngineState,
    ModelInfo,
    SummarizeOptions,
    Summary,
    Task,
    TooLong,
)

Outcome = Summary | TooLong | NonFiniteOutput


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Texts that share a call as far as they fit into one."""

    texts: Sequence[str]
    options: SummarizeOptions


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a worker answers.

    Attributes:
        outcomes: One for each text; of a task its answer, or what stands in its place.
        calls: Of the model, that it took.
        state: What is left behind.
    """

    outcomes: Sequence[Any]
    calls: list[EngineCall]
    state: EngineState


Handle = Callable[[Batch | Task[Any]], Reply]


class Engine:
    """Writes summaries and picks sentences with a graph's signatures, in whatever thread calls.

    Args:
        info: What is loaded.
        tokenizer: The one that the model was trained with.
        signatures: Of the graph, by name.
        max_batch_tokens: Padded source tokens in one call, times `row_width`.
        count_traces: How many functions have been traced in this process.
        on_call: Called after each call of the model.
    """

    def __init__(
        self,
        *,
        info: ModelInfo,
        tokenizer: Tokenizer,
        signatures: Mapping[str, Signature],
        max_batch_tokens: int,
        count_traces: Callable[[], int] = lambda: 0,
        on_call: Callable[[], None] = lambda: None,
    ) -> None:
        self.info = info
        """What is loaded."""
        self._tokenizer = tokenizer
        self._model = ModelCalls(signatures, max_batch_tokens, on_call)
        self._count_traces = count_traces
        self._told = (0, 0)  # traces and shortages that are known already
        self.explainer = Explainer(
            info=info, tokenizer=tokenizer, model=self._model, read=self._read_one
        )
        self._scorer = SentenceScorer(self._model, info.max_source_tokens)

    def take_calls(self) -> list[EngineCall]:
        """The calls of the model since this was last asked."""
        return self._model.take()

    def take_state(self) -> EngineState:
        """What has happened since this was last asked, and the budget that is in force."""
        budget = self._model.budget
        (traces, shortages), self._told = self._told, (self._count_traces(), budget.shortages)
        return EngineState(
            traces=self._told[0] - traces,
            shortages=self._told[1] - shortages,
            budget_tokens=budget.tokens,
        )

    def warm_up(self, text: str, options: SummarizeOptions, methods: Collection[str]) -> None:
        """Calls each signature that requests will need, so that the first isn't the slowest.

        `methods`: the explanations that are served.
        """
        self.summarize([text], options)
        whole, limit = self._tokenizer.encode(text), self.info.max_source_tokens
        self._scorer.logits([read_in_chunks(whole, split_sentences(text), limit)])
        if SCORE in self._model:
            self.explainer.warm_up(text, methods)

    def summarize(self, texts: Sequence[str], options: SummarizeOptions) -> list[Summary | TooLong]:
        """One summary a text, in their order; for one that may not be cut, what it exceeds."""
        began = time.perf_counter()
        limit = self.info.max_source_tokens
        readings = [read(text, self._tokenizer, options, limit) for text in texts]
        fitting = [i for i, r in enumerate(readings) if not _refused(r, options)]
        summaries = self._summaries(
            [texts[i] for i in fitting], [readings[i] for i in fitting], options, began
        )
        found = dict(zip(fitting, summaries, strict=True))
        return [
            found.get(i, TooLong(tokens=reading.source.total_tokens, limit=limit))
            for i, reading in enumerate(readings)
        ]

    def _summaries(
        self,
        texts: Sequence[str],
        readings: list[Reading],
        options: SummarizeOptions,
        began: float,
    ) -> list[Summary]:
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

    def _read_one(self, text: str, options: SummarizeOptions) -> Reading | TooLong:
        """What a summary of the text would be written from; nothing is searched."""
        limit = self.info.max_source_tokens
        options = replace(options, key_sentences=0)
        reading = read(text, self._tokenizer, options, limit)
        if _refused(reading, options):
            return TooLong(tokens=reading.source.total_tokens, limit=limit)
        if reading.chunks and options.truncation == "select":
            (logits,) = self._scorer.logits([reading.chunks])
            return self._selected(text, reading, logits)
        return reading

    def _selected(self, text: str, reading: Reading, logits: Logits) -> Reading:
        limit = self.info.max_source_tokens
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
        limit = self.info.max_source_tokens
        lengths = [padded_length(len(reading.source.ids), limit) for reading in readings]
        for planned in plan(lengths, options.num_beams, self._model.budget.tokens):
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
        length = padded_length(max(map(len, sources)), self.info.max_source_tokens)
        style_id = self.info.styles.index(options.style)
        return self._model(
            SUMMARIZE,
            {
                **source_arrays(sources, style_id, length),
                **option_arrays(options, len(sources)),
                "sentence_ids": sentence_array([r.sentence_ids for r in readings], length),
            },
        )


def _refused(reading: Reading, options: SummarizeOptions) -> bool:
    return reading.source.truncated and options.truncation == "error"


def serving(engine: Engine) -> tuple[ModelInfo, Handle]:
    """What a worker process tells of an engine, and what it answers with it."""
    engine.take_calls()  # those of the warm-up
    engine.take_state()

    def handle(asked: Batch | Task[Any]) -> Reply:
        if isinstance(asked, Task):
            outcomes = [engine.explainer.answer(asked)]
        else:
            found = engine.summarize(asked.texts, asked.options)
            outcomes = [
                NonFiniteOutput() if isinstance(one, Summary) and not one.is_finite else one
                for one in found
            ]
        return Reply(outcomes=outcomes, calls=engine.take_calls(), state=engine.take_state())

    return engine.info, handle

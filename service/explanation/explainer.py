"""Answers tasks with a graph's signatures. In a worker; knows no TensorFlow itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np

from model.artifact import SALIENCY, SCORE, SELF_ATTENTION
from model.explanation.scorer import Floats, Scores
from model.tokenizer import Tokenizer
from service.errors import InternalError, NonFiniteOutput, RuleBroken
from service.explanation.signature_scorer import SignatureScorer
from service.explanation.tasks import OwnSummary, Saliency, Scoring, SelfAttention
from service.inference.batches import (
    SUMMARY_BUCKET,
    padded_length,
    source_arrays,
    summary_array,
    summary_of,
    token_arrays,
)
from service.inference.calls import ModelCalls
from service.inference.reading import Reading
from service.predictor import ModelInfo, SummarizeOptions, Summary, Task, TooLong

Read = Callable[[str, SummarizeOptions], Reading | TooLong]
"""What of a text the model reads, or that it is too long to be read in full."""


class Explainer:
    """One task after the other, in whatever thread calls.

    Args:
        info: What is loaded.
        tokenizer: The one that the model was trained with.
        model: What is called: `score`, and those of the others that the artifact has.
        read: Reads a text as for a search.
    """

    def __init__(
        self,
        *,
        info: ModelInfo,
        tokenizer: Tokenizer,
        model: ModelCalls,
        read: Read,
    ) -> None:
        self._info = info
        self._tokenizer = tokenizer
        self._model = model
        self._read = read

    def scorer(self, style: str) -> SignatureScorer:
        """The model in one of its styles."""
        return SignatureScorer(
            model=self._model,
            style_id=self._info.styles.index(style),
            max_source_tokens=self._info.max_source_tokens,
        )

    def answer(self, task: Task[Any]) -> Any:
        """The answer to a task; in its place TooLong, or an error that the client is told."""
        if isinstance(task, OwnSummary):
            return self._own_summary(task)
        if isinstance(task, Scoring):
            return _finite(
                self.scorer(task.style).score(task.source_ids, task.keep, task.summary_ids)
            )
        if isinstance(task, Saliency):
            return _finite(self._saliency(task))
        if isinstance(task, SelfAttention):
            return _finite(self._self_attention(task))
        return InternalError()

    def warm_up(self, text: str, methods: Collection[str]) -> None:
        """Calls each signature that tasks will need, so that the first isn't the slowest.

        `methods`: the explanations that are served.
        """
        ids = self._tokenizer.encode(text, self._info.max_source_tokens).ids
        source, summary = np.array(ids, np.int32), np.array(ids[-3:], np.int32)
        style = self._info.default_style
        self.scorer(style).score(source, np.ones((2, len(ids)), np.bool_), summary)
        if SALIENCY in self._model and "gradient" in methods:
            target = np.ones(len(summary))
            self._saliency(
                Saliency(source_ids=source, summary_ids=summary, target=target, style=style)
            )
        if SELF_ATTENTION in self._model and "self_attention" in methods:
            self._self_attention(SelfAttention(source_ids=source, layer=0, head=0))

    def _own_summary(self, task: OwnSummary) -> Summary | TooLong | RuleBroken | NonFiniteOutput:
        most = self._info.max_summary_tokens
        encoded = self._tokenizer.encode(task.summary)
        if len(encoded.ids) > most:
            return RuleBroken(
                f"summary has {len(encoded.ids)} tokens, the final one counted; at most {most} "
                "are read"
            )
        reading = self._read(task.text, task.options)
        if isinstance(reading, TooLong):
            return reading
        summary_ids = summary_array(np.array(encoded.ids), rows=1)
        source = self._source(reading.source.ids, task.options.style)
        outputs = self._model(SCORE, {**source, "summary_ids": summary_ids})
        read = summary_of(
            {**outputs, "summary_ids": summary_ids},
            0,
            reading,
            self._tokenizer,
            replace(task.options, candidates=1),
        )
        # As it was sent: decoded, it would have lost the whitespace that its tokens don't show.
        summary = replace(read, text=task.summary, summary_spans=[*encoded.spans, None])
        return summary if summary.is_finite else NonFiniteOutput()

    def _saliency(self, task: Saliency) -> Floats:
        summary_ids = summary_array(task.summary_ids, rows=1)
        more = -len(task.target) % SUMMARY_BUCKET
        found = self._model(
            SALIENCY,
            {
                **self._source(task.source_ids.tolist(), task.style),
                "summary_ids": summary_ids,
                "target_weights": np.pad(task.target, (0, more))[None].astype(np.float32),
            },
        )["saliency"]
        norms: Floats = found[0, : len(task.source_ids)].astype(np.float64)
        return norms

    def _self_attention(self, task: SelfAttention) -> Floats:
        length = len(task.source_ids)
        padded = padded_length(length, self._info.max_source_tokens)
        found = self._model(
            SELF_ATTENTION,
            {
                **token_arrays([task.source_ids.tolist()], padded),
                "layer": np.array(task.layer, np.int32),
                "head": np.array(task.head, np.int32),
            },
        )["attention_weights"]
        weights: Floats = found[0, :length, :length].astype(np.float64)
        return weights

    def _source(self, ids: list[int], style: str) -> dict[str, Any]:
        length = padded_length(len(ids), self._info.max_source_tokens)
        return {**source_arrays([ids], self._info.styles.index(style), length)}


def _finite(answer: Scores | Floats) -> Scores | Floats | NonFiniteOutput:
    arrays = answer if isinstance(answer, Scores) else (answer,)
    return answer if all(np.isfinite(array).all() for array in arrays) else NonFiniteOutput()

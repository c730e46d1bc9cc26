"""A text and its summary, prepared for whatever is asked about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.explanation.document import Document, Units, make_document
from model.explanation.scorer import Floats, Scores
from model.tokenizer import Span
from service.errors import RuleBroken
from service.explanation.schemas import ExplainRequest
from service.predictor import Summary
from service.rendering.alignment import Alignment, merge_words, merged_spans, token_alignment
from service.rendering.offsets import OffsetTable
from service.rendering.title_case import title_case


@dataclass(frozen=True)
class Subject:
    """One text of a request and its summary.

    Attributes:
        request: What was asked.
        text: What was sent.
        summary: What was written of it, or sent with it.
    """

    request: ExplainRequest
    text: str
    summary: Summary

    @property
    def is_in_title_case(self) -> bool:
        """Whether the client sees the summary so; a summary of its own is left as it is."""
        return self.request.case == "title" and self.request.summary is None

    @cached_property
    def tokens(self) -> Alignment:
        """Summary and source token by token, in the case that was asked for."""
        text, spans = self.summary.text, self.summary.summary_spans
        if self.is_in_title_case:
            text, spans = title_case(text, spans)
        return token_alignment(self.summary, self.text, text, spans)

    @cached_property
    def units(self) -> Alignment:
        """The same in the unit that was asked for."""
        return merge_words(self.tokens) if self.request.unit == "word" else self.tokens

    @cached_property
    def document(self) -> Document:
        """The same as methods take it; what is hidden are its words and sentences."""
        summary = self.summary
        return make_document(
            self.text,
            summary.source_ids.tolist(),
            [span for span in summary.source_spans if span is not None],
            summary.text,
            summary.summary_ids.tolist(),
            summary.style,
        )

    @cached_property
    def scores(self) -> Scores:
        """What the model said when the summary was written: nothing hidden, one mask."""
        summary = self.summary
        arrays = (
            summary.log_probs,
            summary.attention,
            summary.copy_gate,
            np.exp(summary.log_probs) * summary.copied_share,
            summary.generated_prob,
        )
        return Scores(*(array.astype(np.float64)[None] for array in arrays))

    @cached_property
    def target(self) -> Span | None:
        """The part of the summary that is asked about, grown to whole tokens; none: all of it.

        Raises:
            RuleBroken: it is empty, ends after the summary or touches no token.
        """
        asked = self.request.target
        if asked is None:
            return None
        text = self.tokens.summary_text
        offsets = OffsetTable(text, self.request.offset_unit)
        if asked.start >= asked.end:
            raise RuleBroken("target: start should be less than end")
        if asked.end > offsets[len(text)]:
            raise RuleBroken(
                f"target: end should be at most {offsets[len(text)]}, the end of the summary"
            )
        span = offsets.code_points(asked.start, asked.end)
        touched = [s for s in self.tokens.summary_spans if s is not None and _overlaps(s, span)]
        if not touched:
            raise RuleBroken("target: touches no token of the summary")
        return touched[0][0], touched[-1][1]

    @property
    def target_weights(self) -> Floats:
        """(T,): 1 for each token that is asked about, else 0."""
        return self.asked_about(self.tokens).astype(np.float64)

    def asked_about(self, alignment: Alignment) -> NDArray[np.bool_]:
        """Which rows of an alignment are."""
        target = self.target
        spans = alignment.summary_spans
        if target is None:
            return np.ones(len(spans), np.bool_)
        return np.array([s is not None and _overlaps(s, target) for s in spans])

    def spans_of(self, units: Units) -> list[Span | None]:
        """The span of each word or sentence of the document."""
        starts = np.flatnonzero(np.diff(units, prepend=-1)).tolist()  # the last is `<eos>`'s
        return merged_spans(self.text, self.summary.source_spans, starts)[:-1]


def _overlaps(first: Span, second: Span) -> bool:
    return first[0] < second[1] and second[0] < first[1]

"""Summaries as the bytes of a `/predict` response. Pure work on the processor, for a thread."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from model.tokenizer import Span
from model.unsupported import unsupported_words
from service.errors import MatrixTooLarge, NonFiniteOutput
from service.predictor import ModelInfo, Summary
from service.rendering.alignment import Alignment, merge_words, token_alignment
from service.rendering.attention_view import DECIMALS, matrix_view, number, sources_view
from service.rendering.offsets import OffsetTable, OffsetUnit
from service.rendering.title_case import title_case
from service.rendering.unsupported_view import unsupported_view
from service.rendering.warning_rules import warnings_for
from service.schemas import PredictRequest

MAX_MATRIX_CELLS = 65_536
"""Attention weights in one response: 0.6 MB of JSON."""


def render(
    request: PredictRequest,
    summaries: Sequence[Summary],
    info: ModelInfo,
    request_id: str,
    audits: Sequence[Mapping[str, float]] = (),
) -> bytes:
    """The whole response as JSON.

    Args:
        request: What was asked.
        summaries: One a text.
        info: Who wrote them.
        request_id: Of the response.
        audits: One a text, where they were asked for.

    Raises:
        NonFiniteOutput: a number is NaN or infinite.
        MatrixTooLarge: matrices were asked for and hold too many weights.
    """
    texts = request.texts
    if not all(summary.is_finite for summary in summaries):
        raise NonFiniteOutput
    alignments = [
        _alignment(request, text, summary) for text, summary in zip(texts, summaries, strict=True)
    ]
    if request.attention == "matrix":
        _check_size(alignments)
    predictions = [
        _prediction(request, text, summary, alignment, info)
        for text, summary, alignment in zip(texts, summaries, alignments, strict=True)
    ]
    for prediction, audit in zip(predictions, audits, strict=False):
        prediction["audit"] = {name: number(value) for name, value in audit.items()}
    body = {
        "id": request_id,
        "model": {"name": info.name, "version": info.version, "sha256": info.sha256},
        "predictions": predictions,
        "usage": {
            "source_tokens": sum(summary.used_source_tokens for summary in summaries),
            "summary_tokens": sum(len(summary.log_probs) for summary in summaries),
        },
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _alignment(request: PredictRequest, text: str, summary: Summary) -> Alignment:
    summary_text, spans = summary.text, summary.summary_spans
    if request.case == "title":
        summary_text, spans = title_case(summary_text, spans)
    tokens = token_alignment(summary, text, summary_text, spans)
    return merge_words(tokens) if request.unit == "word" else tokens


def _check_size(alignments: Sequence[Alignment]) -> None:
    cells = sum(alignment.attention.size for alignment in alignments)
    if cells > MAX_MATRIX_CELLS:
        raise MatrixTooLarge(
            f'attention "matrix" would hold {cells} weights, more than {MAX_MATRIX_CELLS}; '
            'ask for attention "sources", or for fewer texts at once'
        )


def _prediction(
    request: PredictRequest, text: str, summary: Summary, alignment: Alignment, info: ModelInfo
) -> dict[str, Any]:
    prediction: dict[str, Any] = {
        "summary": alignment.summary_text,
        "style": summary.style,
        "finish_reason": summary.finish_reason,
        "log_prob": round(summary.log_prob, DECIMALS),
    }
    if request.candidates > 1:
        prediction["candidates"] = _candidates(request, summary, alignment.summary_text)
    if request.attention == "sources":
        prediction["attention"] = sources_view(alignment, request.offset_unit)
    elif request.attention == "matrix":
        prediction["attention"] = matrix_view(alignment, request.offset_unit)
    offsets = OffsetTable(text, request.offset_unit)
    prediction["key_sentences"] = [
        {
            "text": text[slice(*sentence.span)],
            **_offsets(sentence.span, offsets),
            "score": round(sentence.score, DECIMALS),
        }
        for sentence in summary.key_sentences
    ]
    prediction["source"] = source_use(text, summary, offsets, request.offset_unit)
    unsupported = unsupported_words(summary.text, text)
    prediction["unsupported_words"] = unsupported_view(
        unsupported, summary.text, request.offset_unit, in_title_case=request.case == "title"
    )
    prediction["warnings"] = warnings_for(text, summary, info, unsupported)
    return prediction


def _candidates(request: PredictRequest, summary: Summary, chosen: str) -> list[dict[str, Any]]:
    """As many as were asked for, if there are so many that have text and differ in it."""
    found: dict[str, float] = {}
    for candidate in summary.candidates:
        text = candidate.text
        if request.case == "title":
            text, _ = title_case(text, [])
        if text or text == chosen:
            found.setdefault(text, candidate.score)
    listed = list(found.items())[: request.candidates]
    return [{"summary": text, "score": round(score, DECIMALS)} for text, score in listed]


def source_use(
    text: str, summary: Summary, offsets: OffsetTable, unit: OffsetUnit
) -> dict[str, Any]:
    """How much of the text the summary was written from."""
    source: dict[str, Any] = {
        "tokens": summary.total_source_tokens,
        "used_tokens": summary.used_source_tokens,
        "used_end": offsets[summary.used_end],
        "truncated": summary.truncated,
    }
    if summary.passages is not None:
        source["passages"] = [_offsets(passage, offsets) for passage in summary.passages]
    return {
        **source,
        "offset_unit": unit,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def _offsets(span: Span, offsets: OffsetTable) -> dict[str, int]:
    start, end = span
    return {"start": offsets[start], "end": offsets[end]}

"""What a request leaves open, decided by the model's defaults; what it asks, held to its bounds."""

from __future__ import annotations

from typing import TypeVar

from service.errors import RuleBroken
from service.predictor import ModelInfo, SummarizeOptions
from service.schemas import DEFAULT_KEY_SENTENCES, PredictRequest, SummaryRequest

Number = TypeVar("Number", int, float)


def options_of(request: SummaryRequest, info: ModelInfo) -> SummarizeOptions:
    """The options of a request to this model; what `/predict` alone has is as it is by default.

    Raises:
        RuleBroken: the model doesn't know the style, a length is out of its bounds, or the search
            is narrower than the candidates asked for.
    """
    style = info.default_style if request.style is None else request.style
    if style not in info.styles:
        raise RuleBroken(f"style must be one of: {', '.join(info.styles)}")
    most = _most_tokens(request, info)
    candidates, key_sentences = 1, DEFAULT_KEY_SENTENCES
    if isinstance(request, PredictRequest):
        candidates, key_sentences = request.candidates, request.key_sentences
    num_beams = _num_beams(request, candidates, info)
    return SummarizeOptions(
        style=style,
        num_beams=num_beams,
        max_new_tokens=most,
        min_new_tokens=_fewest_tokens(request, info, most),
        length_penalty=_or(request.length_penalty, info.length_penalty(style)),
        truncation=request.truncation,
        support=request.support or info.support(style),
        key_sentences=key_sentences,
        candidates=candidates,
    )


def _num_beams(request: SummaryRequest, candidates: int, info: ModelInfo) -> int:
    if request.num_beams is None:
        # More candidates than the default width are a wish for a wider search.
        return max(info.default_num_beams, candidates)
    if candidates > request.num_beams:
        raise RuleBroken(
            f"candidates should be at most num_beams: {candidates} are asked for, "
            f"and num_beams is {request.num_beams}"
        )
    return request.num_beams


def _most_tokens(request: SummaryRequest, info: ModelInfo) -> int:
    if request.max_new_tokens is None:
        # A minimum above the default maximum is a wish for a longer summary.
        wished = min(request.min_new_tokens or 0, info.max_summary_tokens)
        return max(info.default_max_new_tokens, wished)
    if request.max_new_tokens > info.max_summary_tokens:
        raise RuleBroken(f"max_new_tokens should be at most {info.max_summary_tokens}")
    return request.max_new_tokens


def _fewest_tokens(request: SummaryRequest, info: ModelInfo, most: int) -> int:
    if request.min_new_tokens is None:
        return min(info.default_min_new_tokens, most)
    if request.min_new_tokens > most:
        raise RuleBroken(f"min_new_tokens should be at most max_new_tokens, which is {most}")
    return request.min_new_tokens


def _or(value: Number | None, default: Number) -> Number:
    return default if value is None else value

"""What a request leaves open, decided by the model's defaults; what it asks, held to its bounds."""

from __future__ import annotations

from typing import TypeVar

from service.errors import RuleBroken
from service.predictor import ModelInfo, SummarizeOptions
from service.schemas import PredictRequest

Number = TypeVar("Number", int, float)


def options_of(request: PredictRequest, info: ModelInfo) -> SummarizeOptions:
    """The options of a request to this model.

    Raises:
        RuleBroken: the model doesn't know the style, or a length is out of its bounds.
    """
    style = info.default_style if request.style is None else request.style
    if style not in info.styles:
        raise RuleBroken(f"style must be one of: {', '.join(info.styles)}")
    most = _most_tokens(request, info)
    return SummarizeOptions(
        style=style,
        num_beams=_or(request.num_beams, info.default_num_beams),
        max_new_tokens=most,
        min_new_tokens=_fewest_tokens(request, info, most),
        length_penalty=_or(request.length_penalty, info.default_length_penalty),
        truncation=request.truncation,
    )


def _most_tokens(request: PredictRequest, info: ModelInfo) -> int:
    if request.max_new_tokens is None:
        # A minimum above the default maximum is a wish for a longer summary.
        wished = min(request.min_new_tokens or 0, info.max_summary_tokens)
        return max(info.default_max_new_tokens, wished)
    if request.max_new_tokens > info.max_summary_tokens:
        raise RuleBroken(f"max_new_tokens should be at most {info.max_summary_tokens}")
    return request.max_new_tokens


def _fewest_tokens(request: PredictRequest, info: ModelInfo, most: int) -> int:
    if request.min_new_tokens is None:
        return min(info.default_min_new_tokens, most)
    if request.min_new_tokens > most:
        raise RuleBroken(f"min_new_tokens should be at most max_new_tokens, which is {most}")
    return request.min_new_tokens


def _or(value: Number | None, default: Number) -> Number:
    return default if value is None else value

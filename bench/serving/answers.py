"""What the rivals run: the service's own engine, and its answers as plain data.

Only what lies between the bytes of a request and this differs between them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from model.unsupported import unsupported_words
from service.options import options_of
from service.predictor import ModelInfo, Summary, TooLong
from service.rendering.alignment import token_alignment
from service.rendering.attention_view import DECIMALS, matrix_view, sources_view
from service.rendering.unsupported_view import unsupported_view
from service.rendering.warning_rules import warnings_for
from service.saved_model import load_engine
from service.schemas import PredictRequest
from service.settings import Settings

SETTING: dict[str, Any] = json.loads(os.environ.get("BENCH_SETTING", "{}"))
"""The batch setting of this run."""

PORT = int(os.environ.get("BENCH_PORT", "0"))
WORKERS = int(os.environ.get("BENCH_WORKERS", "1"))
LOADED = os.environ.get("BENCH_LOADED")
"""A directory in which each process with a model leaves a file, so that all are waited for."""

USES_ORJSON = os.environ.get("BENCH_JSON") == "orjson"


class Answers:
    """The model, loaded in this process, and what is answered with it."""

    def __init__(self) -> None:
        # num_threads, the artifact and all else as SUMMARIZER_… of the environment say.
        self._engine = load_engine(Settings())
        if LOADED:
            Path(LOADED, str(os.getpid())).touch()

    def __call__(self, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """A body for each request; they may differ in `inputs` and `attention` alone."""
        info = self._engine.info
        texts = [request["inputs"] for request in requests]
        asked = PredictRequest(**requests[0])
        summaries = self._engine.summarize(texts, options_of(asked, info))
        self._engine.take_calls()
        return [
            body_of(text, summary, request.get("attention", "sources"), info)
            for text, summary, request in zip(texts, summaries, requests, strict=True)
        ]


def encoded(body: dict[str, Any]) -> bytes:
    """By orjson, which reads arrays as they are."""
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """For other people's JSON: arrays, which only matrices have, as lists."""
    for prediction in body["predictions"]:
        if isinstance(matrix := prediction.get("attention"), dict):
            prediction["attention"] = _lists(matrix)
    return body


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(part) for key, part in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def body_of(text: str, summary: Summary | TooLong, view: str, info: ModelInfo) -> dict[str, Any]:
    """What the service answers by default, but for the id of the request."""
    assert isinstance(summary, Summary), "no request here forbids truncation"
    alignment = token_alignment(summary, text, summary.text, summary.summary_spans)
    unsupported = unsupported_words(summary.text, text)
    prediction: dict[str, Any] = {
        "summary": summary.text,
        "style": summary.style,
        "finish_reason": summary.finish_reason,
        "log_prob": round(summary.log_prob, DECIMALS),
        "key_sentences": [
            {
                "text": text[slice(*sentence.span)],
                "start": sentence.span[0],
                "end": sentence.span[1],
                "score": round(sentence.score, DECIMALS),
            }
            for sentence in summary.key_sentences
        ],
        "source": {
            "tokens": summary.total_source_tokens,
            "used_tokens": summary.used_source_tokens,
            "used_end": summary.used_end,
            "truncated": summary.truncated,
            "offset_unit": "code_point",
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        },
        "unsupported_words": unsupported_view(
            unsupported, summary.text, "code_point", in_title_case=False
        ),
        "warnings": warnings_for(text, summary, info, unsupported),
    }
    if view == "sources":
        prediction["attention"] = sources_view(alignment, "code_point")
    elif view == "matrix":
        prediction["attention"] = matrix_view(alignment, "code_point")
    return {
        "model": {"name": info.name, "version": info.version, "sha256": info.sha256},
        "predictions": [prediction],
        "usage": {
            "source_tokens": summary.used_source_tokens,
            "summary_tokens": len(summary.log_probs),
        },
    }

"""What worker processes load in tests: an engine without TensorFlow, which copies its source."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from service.engine import Batch, Reply
from service.errors import NonFiniteOutput
from service.explanation.tasks import Scoring
from service.predictor import EngineCall, EngineState, ModelInfo, Summary, TooLong
from service.settings import Settings

LIMIT = 40

INFO = ModelInfo(
    name="echo", version="1", sha256="", created="", precision="float32", device="cpu",
    styles=("headline", "tldr"), default_style="headline", max_source_tokens=LIMIT,
    max_summary_tokens=8, default_num_beams=1, default_length_penalty=1.0,
    default_min_new_tokens=1, default_max_new_tokens=8, low_confidence_log_prob=None,
)  # fmt: skip

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


def load(_: Settings) -> tuple[ModelInfo, Any]:
    return INFO, handle


def hang(_: Settings) -> tuple[ModelInfo, Any]:
    time.sleep(3600)
    return INFO, handle


def handle(batch: Batch | Scoring) -> Reply:
    state = EngineState(budget_tokens=99)
    if isinstance(batch, Scoring):
        rows = len(batch.keep)
        scored = EngineCall(signature="score", texts=rows, tokens=rows, padded_tokens=16 * rows)
        return Reply(outcomes=[_answer(batch)], calls=[scored], state=state)
    seconds = 0.3 if "sleep" in batch.texts else 0.01
    time.sleep(seconds)
    call = EngineCall(signature="summarize", texts=len(batch.texts), tokens=9, padded_tokens=16)
    outcomes = [_outcome(text, batch, seconds) for text in batch.texts]
    return Reply(outcomes=outcomes, calls=[call], state=state)


def _answer(task: Scoring) -> Any:
    """What the style says; else the number of rows, in a tenth of a second."""
    if task.style == "long":
        return TooLong(tokens=99, limit=LIMIT)
    if task.style == "overflow":
        return NonFiniteOutput()
    time.sleep(0.1)
    return len(task.keep)


def _outcome(text: str, batch: Batch, seconds: float) -> Any:
    words = len(text.split())
    if words > LIMIT and batch.options.truncation == "error":
        return TooLong(tokens=words, limit=LIMIT)
    if text == "overflow":
        return NonFiniteOutput()
    written = " ".join(os.environ[name] for name in THREADS) if text == "environment" else text
    one = np.ones(1, np.float32)
    return Summary(
        text=written, style=batch.options.style, finish_reason="stop", summary_spans=[None],
        source_spans=[None], summary_ids=one, source_ids=one,
        attention=one[None], log_probs=-one, copy_gate=one, copied_share=one, generated_prob=one,
        total_source_tokens=words, used_source_tokens=words, used_end=len(text), truncated=False,
        stage_seconds={"tokenize": 0.0, "model": seconds},
    )  # fmt: skip

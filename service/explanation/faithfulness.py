"""`faithfulness.json` of an artifact: what was measured of its explanations, if it still holds.

In a worker; knows no TensorFlow itself. A file that is of another model, or says of the golden
texts what this graph does not say, counts as not there: the explanations are then not measured.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model.artifact import (
    FAITHFULNESS,
    FAITHFULNESS_SCHEMA,
    GoldenExample,
    Manifest,
    Tolerance,
    read_golden,
)
from model.explanation.document import all_kept, by_unit, read_document
from model.explanation.methods.attention import attention
from model.explanation.methods.removal import leave_one_out
from model.explanation.scorer import Floats
from model.tokenizer import Tokenizer
from service.explanation.explainer import Explainer

log = logging.getLogger(__name__)


def read_faithfulness(
    directory: Path,
    manifest: Manifest,
    tokenizer: Tokenizer,
    explainer: Explainer,
    tolerance: Tolerance,
) -> Mapping[str, Any] | None:
    """The report, or none that can be relied on: the graph must say the same within `tolerance`."""
    path = directory / FAITHFULNESS
    if not path.is_file():
        return None
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        reason = _objection(report, directory, manifest, tokenizer, explainer, tolerance)
    except (ValueError, LookupError, TypeError) as error:
        reason = f"it can't be read: {type(error).__name__}"
    if reason is None:
        return report
    log.warning("%s is not used: %s", FAITHFULNESS, reason)
    return None


def _objection(
    report: Mapping[str, Any],
    directory: Path,
    manifest: Manifest,
    tokenizer: Tokenizer,
    explainer: Explainer,
    tolerance: Tolerance,
) -> str | None:
    if report["schema"] != FAITHFULNESS_SCHEMA:
        return f"its schema is not {FAITHFULNESS_SCHEMA}"
    if report["model"]["sha256"] != manifest.model_sha256:
        return "it is of another model"
    golden = read_golden(directory)
    for stored in report["golden"]:
        example = golden[stored["golden"]]
        weights, losses = golden_scores(example, manifest, tokenizer, explainer)
        # A loss is the difference of two sums over the summary's tokens.
        allowed = 2 * len(example.summary_ids) * tolerance.log_prob
        if not (
            _is_near(weights, stored["attention"], tolerance.attention)
            and _is_near(losses, stored["leave_one_out"], allowed)
        ):
            return f"golden example {stored['golden']} is explained otherwise"
    return None


def golden_scores(
    example: GoldenExample, manifest: Manifest, tokenizer: Tokenizer, explainer: Explainer
) -> tuple[Floats, Floats]:
    """The attention by word and the leave-one-out by sentence of a golden text."""
    source = tokenizer.encode(example.text, manifest.max_source_tokens)
    document = read_document(tokenizer, example.text, source, example.summary_ids, example.style)
    scorer = explainer.scorer(example.style)
    scores = scorer.score(document.source_ids, all_kept(document), document.summary_ids)
    weights = scores.attention_weights[0]
    by_token = attention(weights, np.ones(len(weights)))
    losses = leave_one_out(scorer, document, document.sentences)
    return by_unit(by_token, document.words), losses


def _is_near(found: Floats, stored: Any, allowed: float) -> bool:
    expected = np.array(stored, np.float64)
    return found.shape == expected.shape and bool(np.abs(found - expected).max() <= allowed)

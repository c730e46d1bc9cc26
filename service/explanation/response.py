"""Explained summaries as the response of `/explain`. Work on the processor, for a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from model.unsupported import unsupported_words
from service.explanation.asked_model import AskedModel
from service.explanation.catalogue import Offer
from service.explanation.methods import explanations_of, source_places, summary_places
from service.explanation.subject import Subject
from service.prediction import source_use
from service.predictor import ModelInfo
from service.rendering.attention_view import rounded
from service.rendering.offsets import OffsetTable
from service.rendering.unsupported_view import unsupported_view
from service.rendering.warning_rules import warnings_for


def explained(
    subject: Subject, model: AskedModel, offered: Mapping[str, Offer], info: ModelInfo
) -> dict[str, Any]:
    """One prediction: the summary, and what each method says of it."""
    units, unit = subject.units, subject.request.offset_unit
    written = subject.summary.text
    unsupported = unsupported_words(written, subject.text)
    return {
        "summary": units.summary_text,
        "style": subject.summary.style,
        "summary_tokens": {
            **summary_places(subject, units).columns,
            "log_prob": rounded(units.log_probs),
            "copy_gate": rounded(units.copy_gate),
            "copied_share": rounded(units.copied_share),
        },
        "source_units": source_places(subject, units).columns,
        "explanations": explanations_of(subject, model, offered),
        "source": source_use(subject.text, subject.summary, OffsetTable(subject.text, unit), unit),
        "unsupported_words": unsupported_view(
            unsupported, written, unit, in_title_case=subject.is_in_title_case
        ),
        "warnings": warnings_for(subject.text, subject.summary, info, unsupported),
    }


def response(predictions: Sequence[Mapping[str, Any]], info: ModelInfo, request_id: str) -> bytes:
    """All of it as JSON."""
    body = {
        "id": request_id,
        "model": {"name": info.name, "version": info.version, "sha256": info.sha256},
        "predictions": predictions,
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def progress(job_id: str, state: str, **found: Any) -> bytes:
    """Where a slow explanation is; bytes among what was found are JSON already."""
    parts = {
        name: orjson.Fragment(value) if isinstance(value, bytes) else value
        for name, value in found.items()
    }
    return orjson.dumps({"id": job_id, "state": state, **parts})

"""The examples that the API's document shows; tests hold them to the schemas."""

from __future__ import annotations

from typing import Any

TEXT = (
    "The city council voted on Tuesday to build a tram line from the harbour to the university. "
    "Work starts in spring and is expected to take three years."
)

REQUEST_EXAMPLES: dict[str, Any] = {
    "one text": {"value": {"inputs": TEXT}},
    "words, for a web page": {
        "value": {"inputs": [TEXT], "unit": "word", "offset_unit": "utf16", "case": "title"}
    },
    "every weight": {"value": {"inputs": TEXT, "num_beams": 1, "attention": "matrix"}},
    "several summaries, and no attention": {
        "value": {
            "inputs": TEXT,
            "candidates": 3,
            "support": "loose",
            "key_sentences": 0,
            "attention": "none",
        }
    },
    "the best sentences of a long text": {
        "value": {"inputs": TEXT, "truncation": "select", "key_sentences": 5}
    },
}

PROBLEM_EXAMPLE: dict[str, Any] = {
    "type": "urn:attention-summarizer:problem:invalid-request",
    "title": "Invalid request",
    "status": 422,
    "detail": "inputs[1] must hold text: it is empty or blank",
    "instance": "urn:uuid:7f3a2c1e-5b1d-4c55-9d53-0a5b8f0c2f11",
    "error": "Invalid request: inputs[1] must hold text: it is empty or blank",
    "error_type": "invalid-request",
}
"""The answer to `{"inputs": ["text", ""]}`."""

RESPONSE_EXAMPLE: dict[str, Any] = {
    "id": "7f3a2c1e-5b1d-4c55-9d53-0a5b8f0c2f11",
    "model": {"name": "summarizer", "version": "1", "sha256": "0" * 64},
    "predictions": [
        {
            "summary": "City council approves tram line",
            "style": "headline",
            "finish_reason": "stop",
            "log_prob": -4.1,
            "attention": [
                {
                    "token": "City",
                    "start": 0,
                    "end": 4,
                    "log_prob": -0.2,
                    "copy_gate": 0.97,
                    "copied_share": 0.97,
                    "sources": [{"token": "city", "start": 4, "end": 8, "weight": 0.91}],
                    "rest": 0.09,
                },
                {
                    "token": "approves",
                    "start": 13,
                    "end": 21,
                    "log_prob": -0.8,
                    "copy_gate": 0.05,
                    "copied_share": 0.03,
                    "sources": [
                        {"token": "voted", "start": 17, "end": 22, "weight": 0.62},
                        {"token": "build", "start": 37, "end": 42, "weight": 0.21},
                    ],
                    "rest": 0.17,
                },
            ],
            "key_sentences": [
                {"text": TEXT[:90], "start": 0, "end": 90, "score": 0.71},
                {"text": TEXT[91:], "start": 91, "end": 149, "score": 0.29},
            ],
            "source": {
                "tokens": 33,
                "used_tokens": 33,
                "used_end": 149,
                "truncated": False,
                "offset_unit": "code_point",
                "sha256": "0" * 64,
            },
            "unsupported_words": [],
            "warnings": [],
        }
    ],
    "usage": {"source_tokens": 33, "summary_tokens": 6},
}

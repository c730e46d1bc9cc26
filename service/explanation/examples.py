"""The examples of `/explain` that the API's document shows; tests hold them to the schemas."""

from __future__ import annotations

from typing import Any

from service.examples import TEXT

REQUEST_EXAMPLES: dict[str, Any] = {
    "where the model looked, and what it copied": {"value": {"inputs": TEXT}},
    "two words of a summary of your own": {
        "value": {
            "inputs": TEXT,
            "methods": ["copy_split"],
            "summary": "Council to build tram line",
            "target": {"start": 17, "end": 26},
        }
    },
    "by words": {"value": {"inputs": [TEXT], "methods": ["attention"], "unit": "word"}},
}

_EVIDENCE = {"measured": False, "phrase": "where the model looked"}

RESPONSE_EXAMPLE: dict[str, Any] = {
    "id": "7f3a2c1e-5b1d-4c55-9d53-0a5b8f0c2f11",
    "model": {"name": "summarizer", "version": "1", "sha256": "0" * 64},
    "predictions": [
        {
            "summary": "Council",
            "style": "headline",
            "summary_tokens": {
                "token": ["Council"],
                "start": [0],
                "end": [7],
                "special": [False],
                "log_prob": [-0.2],
                "copy_gate": [0.97],
                "copied_share": [0.97],
            },
            "source_units": {
                "token": ["The", "city", "council"],
                "start": [0, 4, 9],
                "end": [3, 8, 16],
                "special": [False, False, False],
            },
            "explanations": [
                {
                    "method": "attention",
                    "unit": "token",
                    "target": {"start": 0, "end": 7},
                    "rows": [
                        {
                            "token": "Council",
                            "start": 0,
                            "end": 7,
                            "sources": [{"token": "council", "start": 9, "end": 16, "weight": 0.9}],
                            "special": 0.02,
                            "rest": 0.1,
                        }
                    ],
                    "evidence": _EVIDENCE,
                },
                {
                    "method": "leave_one_out",
                    "unit": "sentence",
                    "target": {"start": 0, "end": 7},
                    "scores": [4.2],
                    "source_units": {
                        "token": ["The city council"],
                        "start": [0],
                        "end": [16],
                        "special": [False],
                    },
                    "evidence": _EVIDENCE,
                },
            ],
            "source": {
                "tokens": 4,
                "used_tokens": 4,
                "used_end": 16,
                "truncated": False,
                "offset_unit": "code_point",
                "sha256": "0" * 64,
            },
            "unsupported_words": [],
            "warnings": ["very_short_input"],
        }
    ],
}

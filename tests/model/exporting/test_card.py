"""The card shows what was measured, and every text of its own with what became of it."""

from __future__ import annotations

import json
from typing import Any

from model.artifact import Manifest
from model.evaluate import CARD_TEXTS, samples
from model.exporting.card import render
from model.exporting.exported import Written


class Shouting:
    """Writes the first three words, loud."""

    def summarize(self, texts: list[str], styles: list[str]) -> list[Written]:
        return [Written(" ".join(text.split()[:3]).upper(), -1.0) for text in texts]


def manifest() -> Manifest:
    sizes = {"num_layers": 2, "hidden_dim": 8, "num_heads": 2, "vocab_size": 20}
    return Manifest(
        name="summarizer", version="1", model_sha256="", styles=("headline", "title"),
        default_style="headline", max_source_tokens=64, max_summary_tokens=32,
        default_num_beams=1, default_length_penalty=1.0, default_min_new_tokens=1,
        default_max_new_tokens=8, precision="float32", config=sizes, training={},
        low_confidence_log_prob=None, files={}, created="",
    )  # fmt: skip


def test_no_text_of_the_card_is_left_out() -> None:
    model: Any = Shouting()
    shown = render(manifest(), "a table", samples(model))
    rows = [json.loads(line) for line in CARD_TEXTS.read_text("utf-8").splitlines()]
    assert len(rows) == 10
    assert {row["style"] for row in rows} == {"headline", "title", "bill_title"}
    for row in rows:
        summary = " ".join(row["text"].split()[:3]).upper()
        assert f"- {row['text']}\n  - {row['style']}: **{summary}**" in shown


def test_a_card_without_measurements_says_so() -> None:
    shown = render(manifest())
    assert "Not evaluated yet" in shown
    assert "Ten texts" not in shown

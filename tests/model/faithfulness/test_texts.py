"""Summaries that were written before, and texts that have none among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model.faithfulness.texts import read_summaries
from model.readers import Example


def test_a_text_without_a_summary_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "summaries.jsonl"
    path.write_text("", encoding="utf-8")
    example = Example(text="A line to Vexley.", summary="A line", style="headline", origin="toy")
    model: Any = None  # is not asked
    with pytest.raises(ValueError, match=r"summaries\.jsonl has no summary of a text of toy"):
        read_summaries(path, model, [example])

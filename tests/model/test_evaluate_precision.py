"""The same texts in float32 and in bfloat16."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.artifact import latest_version
from model.evaluate_precision import compare, main
from model.exporting.exported import ExportedModel
from model.readers import Example

SHIPPED = Path(__file__).parents[2] / "artifacts" / "summarizer"
TEXTS = (
    "The council of Aldermoor opens a harbour line on Monday. Trams run every ten minutes.",
    "Rain fell on the hills of Harrow for three days. The river rose by two metres.",
)
EXAMPLES = [Example(TEXTS[0], TEXTS[0], "headline", "ours"), Example(TEXTS[1], "Rain", "?", "ours")]


@pytest.fixture(scope="module")
def model() -> ExportedModel:
    return ExportedModel(latest_version(SHIPPED))


def test_a_set_is_summarized_in_both_and_the_graph_left_exact(
    model: ExportedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []
    compute_in = model.compute_in

    def noted(precision: str) -> None:
        chosen.append(precision)
        compute_in(precision)

    monkeypatch.setattr(model, "compute_in", noted)
    found = compare(model, EXAMPLES)
    assert chosen == ["float32", "bfloat16", "float32"]
    assert found.exact.shape == found.other.shape == (2, 3)
    assert (found.exact[0] > 20).all()
    assert 0 < found.attention < 0.2
    assert 0 < found.log_prob < 1
    assert found.same in {0, 0.5, 1}


def test_the_command_prints_every_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"text": text, "summary": text, "style": "headline", "source": source}
        for source, text in zip(("one", "two"), TEXTS, strict=True)
    ]
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert main(["--data", str(data)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[:2] for line in printed[2:]] == [["| one", "1"], ["| two", "1"]]


def test_a_graph_without_a_choice_is_told(
    model: ExportedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "_loaded", object())
    with pytest.raises(ValueError, match="can't choose what it computes in"):
        compare(model, EXAMPLES)

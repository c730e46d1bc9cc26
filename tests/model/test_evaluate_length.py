"""Long texts, read whole and cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model import evaluate_length
from model.evaluate_length import longest_third, read_both, table
from model.exporting.exported import Written
from model.readers import Example
from model.tokenizer import Tokenizer
from tests.model.exporting.test_card import manifest


class Copying:
    """Copies as many words as it reads tokens."""

    manifest = manifest()

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def summarize(self, texts: list[str], styles: list[str]) -> list[Written]:
        count = self.manifest.max_source_tokens
        return [Written(" ".join(text.split()[:count]), -1.0) for text in texts]


def example(words: int) -> Example:
    text = " ".join(["rain"] * (words - 1) + ["harbour"])
    return Example(text, text, "headline", "ours")


@pytest.fixture
def model(tokenizer: Tokenizer) -> Any:
    return Copying(tokenizer)


def test_the_longest_third_is_kept_and_its_shortest_told(tokenizer: Tokenizer) -> None:
    kept, shortest = longest_third([example(words) for words in range(1, 10)], tokenizer, 1024)
    assert [len(e.text.split()) for e in kept] == [7, 8, 9]
    assert shortest == len(tokenizer.encode(kept[0].text).ids)


def test_a_cut_costs_what_stands_behind_it(model: Any) -> None:
    found = read_both(model, [example(words) for words in range(1, 10)], 4)
    assert model.manifest.max_source_tokens == 64  # as before
    assert (found.whole == 100).all()
    assert (found.cut < 80).all()
    row = table([found], 64, 4).splitlines()[2]
    assert row.startswith("| ours | ")
    assert "| 3 | 100.0 / 100.0 / 100.0 |" in row
    assert "(+" in row


def test_the_command_prints_every_set(
    model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"text": e.text, "summary": e.summary, "style": "headline", "source": source}
        for source in ("one", "two")
        for e in map(example, (3, 5, 8))
    ]
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    monkeypatch.setattr(evaluate_length, "ExportedModel", lambda _: model)
    assert evaluate_length.main(["--data", str(data), "--artifact", "a", "--cut", "2"]) == 0
    printed = capsys.readouterr().out
    assert "| 64 tokens | 2 tokens |" in printed
    assert [line.split(" | ")[0] for line in printed.splitlines()[2:]] == ["| one", "| two"]

"""The penalty that is written is the one that measured best, style by style."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model import tune_length
from model.artifact import Manifest, model_digest, read_manifest, write_manifest
from model.exporting.exported import Written
from model.readers import Example
from model.tune_length import Tried, best, spread, sweep, table

TEXT = "The council of Aldermoor opens a new harbour line on Monday"


class Counting:
    """Writes as many words of the text as its penalty says."""

    length_penalty: float | None = None

    def summarize(self, texts: list[str], styles: list[str]) -> list[Written]:
        count = int(self.length_penalty or 0)
        return [Written(" ".join(text.split()[:count]), -1.0) for text in texts]


def example(style: str, words: int) -> Example:
    return Example(TEXT, " ".join(TEXT.split()[:words]), style, "ours")


@pytest.mark.parametrize(
    ("given", "limit", "taken"), [(399, 200, 200), (5, 200, 5), (900, 200, 180)]
)
def test_no_more_than_the_limit_is_taken_and_from_all_over(
    given: int, limit: int, taken: int
) -> None:
    examples = [example("headline", number) for number in range(given)]
    found = spread(examples, limit)
    assert len(found) == taken
    assert found[-1] in examples[-given // limit - 1 :]


@pytest.mark.parametrize(("style", "words"), [("headline", 3), ("title", 7)])
def test_the_penalty_that_gives_the_references_lengths_is_best(style: str, words: int) -> None:
    model: Any = Counting()
    tried = sweep(model, [example(style, words)], [1.0, 3.0, 5.0, 7.0])
    assert best(tried) == {style: float(words)}
    assert [t.words for t in tried] == [1, 3, 5, 7]


def test_the_table_marks_the_best_of_each_style() -> None:
    tried = [
        Tried("headline", 1.0, [40.0, 20.0, 30.0], 9.0, 11.0),
        Tried("headline", 1.4, [41.0, 20.0, 30.0], 11.0, 11.0),
        Tried("title", 1.0, [50.0, 20.0, 30.0], 9.0, 9.0),
    ]
    marked = [line.split("|")[1:3] for line in table(tried).splitlines() if "**" in line]
    assert marked == [[" headline ", " **1.4** "], [" title ", " **1.0** "]]


def test_what_was_tuned_is_sealed_into_the_artifact(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text": TEXT, "summary": " ".join(TEXT.split()[:3]), "style": "headline"}] * 2
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    directory = tmp_path / "1"
    directory.mkdir()
    kept = manifest(model_sha256=model_digest(directory), length_penalties={"title": 1.8})
    write_manifest(directory, kept)

    def opened(_: Path) -> Any:
        model: Any = Counting()
        model.manifest = kept
        return model

    monkeypatch.setattr(tune_length, "ExportedModel", opened)
    assert tune_length.main(["--data", str(data), "--artifact", str(directory)]) == 0
    assert "| headline | **3.0** |" in capsys.readouterr().out
    assert read_manifest(directory) == kept
    tune_length.main(["--data", str(data), "--artifact", str(directory), "--write"])
    written = read_manifest(directory)
    assert written.length_penalties == {"headline": 3.0, "title": 1.8}
    assert (written.length_penalty("headline"), written.length_penalty("bill")) == (3.0, 1.0)


def manifest(**values: Any) -> Manifest:
    return Manifest(
        name="summarizer", version="1", styles=("headline", "title"),
        default_style="headline", max_source_tokens=64, max_summary_tokens=32,
        default_num_beams=1, default_length_penalty=1.0, default_min_new_tokens=1,
        default_max_new_tokens=8, precision="float32", config={}, training={},
        low_confidence_log_prob=None, files={}, created="", **values,
    )  # fmt: skip

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from model.readers import DataError, DataFile, read_examples
from model.readers.files import CsvFile, JsonlFile, ParquetFile
from model.readers.hub import HubSet
from model.readers.imdb import ImdbReviews
from model.readers.reading import NAMED_ROWS, source_of

ROW = {"text": "A text.", "summary": "A summary"}
SECRET = {"text": "Secret words.", "summary": " "}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_style_and_source_may_be_given(tmp_path: Path) -> None:
    row = {**ROW, "style": "title", "source": "arxiv", "id": 3}
    (example,) = read_examples(write(tmp_path / "a.jsonl", row))
    assert (example.style, example.origin) == ("title", "arxiv")


def test_texts_are_cut_to_the_given_number_of_characters(tmp_path: Path) -> None:
    (example,) = read_examples(write(tmp_path / "a.jsonl", ROW), max_characters=4)
    assert (example.text, example.summary) == ("A te", "A summary")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl: holds no examples$"):
        read_examples(write(tmp_path / "a.jsonl"))


def test_bad_rows_up_to_the_share_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.jsonl", ROW, SECRET, ROW, ROW)
    assert len(read_examples(path, max_bad_rows=0.25)) == 3
    captured = capsys.readouterr()
    rule = "'summary' must be a string that is not blank"
    assert captured.err == f"skipped {path}:2: {rule} (bad rows: 1 of 4)\n"
    assert captured.out == ""


def test_nothing_is_said_of_a_file_without_bad_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read_examples(write(tmp_path / "a.jsonl", ROW), max_bad_rows=0.5)
    assert capsys.readouterr().err == ""


def test_more_bad_rows_than_the_share_are_an_error_with_rules_and_counts(tmp_path: Path) -> None:
    rows = [ROW] * 10 + [SECRET, SECRET, {"summary": "S"}] + [SECRET] * 7
    path = write(tmp_path / "a.jsonl", *rows)
    with pytest.raises(DataError) as caught:
        read_examples(path, max_bad_rows=0.4999)
    message = str(caught.value)
    assert message.startswith(f"{path}:11: 'summary' must be a string that is not blank; ")
    assert message.count(f"{path}:") == NAMED_ROWS
    assert (
        "bad rows: 10 of 20, 9 × 'summary' must be a string that is not blank, 1 × 'te" in message
    )
    assert "--max-bad-rows" in message
    assert "\n" not in message
    assert "Secret" not in message


def test_the_share_itself_is_not_more(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *[ROW] * 10, *[SECRET] * 10)
    assert len(read_examples(path, max_bad_rows=0.5)) == 10


def test_no_row_that_is_left_is_an_error_whatever_the_share(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", SECRET, SECRET)
    with pytest.raises(DataError, match=r"holds no examples: .*a\.jsonl:1: 'summary' .* 2 of 2"):
        read_examples(path, max_bad_rows=1.0)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("a.jsonl", JsonlFile(Path("a.jsonl"))),
        ("a.csv.b/c.jsonl.gz", JsonlFile(Path("a.csv.b/c.jsonl.gz"))),
        ("a.csv.gz", CsvFile(Path("a.csv.gz"))),
        ("a.train.Parquet", ParquetFile(Path("a.train.Parquet"))),
        ("imdb:some/place", ImdbReviews(Path("some/place"))),
        ("hf:owner/name", HubSet(repository="owner/name", split="train")),
    ],
)
def test_an_address_names_its_reader(address: str, source: object) -> None:
    found = source_of(address)
    assert found == source
    assert type(found) is type(source)


@pytest.mark.parametrize(
    ("argument", "address", "weight"),
    [
        ("a.jsonl.gz", "a.jsonl.gz", 1.0),
        ("a.jsonl=0.25", "a.jsonl", 0.25),
        ("imdb:keras=2", "imdb:keras", 2.0),
        ("hf:owner/name:test=2", "hf:owner/name:test", 2.0),
        ("hf:o/n?text=article", "hf:o/n?text=article", 1.0),
        ("hf:o/n?text=article=3", "hf:o/n?text=article", 3.0),
        ("hf:o/n?text=a&summary=h=0.5", "hf:o/n?text=a&summary=h", 0.5),
    ],
)
def test_an_argument_is_an_address_and_may_have_a_weight(
    argument: str, address: str, weight: float
) -> None:
    assert DataFile.parse(argument) == DataFile(address=address, weight=weight)


@pytest.mark.parametrize("weight", ["0", "-1", "much", "nan", "inf"])
@pytest.mark.parametrize("address", ["a.jsonl", "hf:owner/name?text=article"])
def test_a_weight_must_be_a_positive_number(address: str, weight: str) -> None:
    with pytest.raises(DataError, match=f"a weight must be a positive number, got '{weight}'"):
        DataFile.parse(f"{address}={weight}")


def test_a_bad_address_is_refused_before_anything_is_read() -> None:
    with pytest.raises(DataError, match=r"hf:owner/name\?txt=a: an option must .* got 'txt'"):
        DataFile.parse("hf:owner/name?txt=a")


def test_a_file_knows_its_name_and_its_digest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ROW)
    file = DataFile(address=str(path))
    assert file.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file.name == "a.jsonl"

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from model.readers import DataError, Example, read_examples

ROW = {"text": "A text.", "summary": "A summary"}


def write(path: Path, content: str) -> Path:
    data = content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_jsonl(path: Path, *rows: Any) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows]
    return write(path, "".join(lines))


def write_parquet(path: Path, columns: dict[str, Any]) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("name", ["press.jsonl", "press.jsonl.gz", "press.train.jsonl.gz"])
def test_jsonl_is_read_gzipped_or_not(tmp_path: Path, name: str) -> None:
    rows = [{"text": "Ein Käse 🧀", "summary": "Käse"}, ROW]
    assert read_examples(write_jsonl(tmp_path / name, *rows)) == [
        Example("Ein Käse 🧀", "Käse", "headline", "press"),
        Example("A text.", "A summary", "headline", "press"),
    ]


@pytest.mark.parametrize("name", ["a.txt", "a", "a.json"])
def test_a_file_with_another_ending_is_jsonl(tmp_path: Path, name: str) -> None:
    assert len(read_examples(write_jsonl(tmp_path / name, ROW))) == 1


def test_a_byte_order_mark_is_no_part_of_the_content(tmp_path: Path) -> None:
    for name, content in {
        "a.jsonl": '{"text": "T", "summary": "S"}',
        "a.csv": "text,summary\nT,S",
    }.items():
        (example,) = read_examples(write(tmp_path / name, "\ufeff" + content))
        assert (example.text, example.summary) == ("T", "S")


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ("{not json}\n", "not JSON"),
        ("\n", "not JSON"),
        ("[1]\n", "must be an object, got list"),
        ("[" * 100_000 + "\n", "nested too deep"),
        ('{"text": ' + "1" * 5000 + "}\n", "a number too long"),
        ({"summary": "S"}, "'text' must be a string that is not blank"),
        ({"text": "T"}, "'summary' must be a string that is not blank"),
        ({"text": 3, "summary": "S"}, "'text' must be a string that is not blank"),
        ({"text": " \n", "summary": "S"}, "'text' must be a string that is not blank"),
        ({"text": "T", "summary": ""}, "'summary' must be a string that is not blank"),
        ({"text": "half a \ud83d pair", "summary": "S"}, "'text' holds half of a surrogate pair"),
        ({**ROW, "style": "\ud83d"}, "'style' holds half of a surrogate pair"),
        ({**ROW, "source": "\ud83d"}, "'source' holds half of a surrogate pair"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named(tmp_path: Path, bad: Any, rule: str) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", ROW, bad)
    with pytest.raises(DataError) as caught:
        read_examples(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert rule in str(caught.value)


@pytest.mark.parametrize("name", ["none.jsonl", "none.csv", "none.parquet", "none.jsonl.gz"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}: can't be read: .*No such file"):
        read_examples(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"text": "caf\xe9", "summary": "s"}\n'),
        ("a.csv", b"text,summary\ncaf\xe9,s\n"),
    ],
)
def test_a_file_that_is_not_utf8_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: can't be read"):
        read_examples(tmp_path / name, max_bad_rows=1.0)


@pytest.mark.parametrize("damage", ["not gzip", "cut", "changed"])
def test_a_damaged_gzip_file_is_named(tmp_path: Path, damage: str) -> None:
    rows = [{**ROW, "text": f"Text {i}."} for i in range(200)]
    path = write_jsonl(tmp_path / "a.jsonl.gz", *rows)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "not gzip": b"plain",
            "cut": whole[:-20],
            "changed": whole[:60] + bytes(40) + whole[100:],
        }[damage]
    )
    with pytest.raises(DataError, match=r"a\.jsonl\.gz: can't be read"):
        read_examples(path, max_bad_rows=1.0)


@pytest.mark.parametrize("name", ["town.csv", "town.csv.gz", "town.CSV"])
def test_csv_is_read_by_its_header(tmp_path: Path, name: str) -> None:
    content = 'id,summary,style,text\r\n1,"Käse, ""heute""",title,"Two\nlines"\r\n\r\n2,S,,T\r\n'
    assert read_examples(write(tmp_path / name, content)) == [
        Example("Two\nlines", 'Käse, "heute"', "title", "town"),
        Example("T", "S", "headline", "town"),
    ]


def test_a_csv_field_may_be_longer_than_the_libraries_limit(tmp_path: Path) -> None:
    text = "word " * 100_000
    (example,) = read_examples(write(tmp_path / "a.csv", f"text,summary\n{text},S\n"))
    assert example.text == text


@given(
    pairs=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
        ),
        min_size=1,
    )
)
def test_what_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerows([("text", "summary"), *pairs])
    path = write(tmp_path_factory.mktemp("csv") / "a.csv", stream.getvalue())
    assert [(e.text, e.summary) for e in read_examples(path)] == pairs


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("one field", "must have as many fields as the header, 2, got 1"),
        ("a,b,c", "must have as many fields as the header, 2, got 3"),
        ('"a"b,c', "not CSV: "),
        (" ,b", "'text' must be a string that is not blank"),
    ],
)
def test_a_csv_record_that_breaks_a_rule_is_named_by_its_first_line(
    tmp_path: Path, line: str, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.csv", f'text,summary\n"two\nlines",S\n{line}\nT,S\n')
    assert [e.text for e in read_examples(path, max_bad_rows=0.5)] == ["two\nlines", "T"]
    assert f"{path}:4: {rule}" in capsys.readouterr().err


def test_a_bad_last_line_of_csv_is_one_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,summary\nT,S\n"a"b,c')
    assert len(read_examples(path, max_bad_rows=0.5)) == 1


def test_a_quote_that_is_never_closed_is_not_one_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,summary\nT,S\n"T,S\n' + "T,S\n" * 1000)
    with pytest.raises(DataError, match=r"a\.csv:3: not CSV: a quote is never closed"):
        read_examples(path, max_bad_rows=1.0)


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        ("", "must have the columns 'text' and 'summary', 'text' and 'summary' is missing"),
        ("text,Summary", "must have the columns 'text' and 'summary', 'summary' is missing"),
        ("text,summary,text", "a column's name comes twice"),
        ('"text"x,summary', "not CSV"),
    ],
)
def test_a_header_that_breaks_a_rule_is_named(tmp_path: Path, header: str, rule: str) -> None:
    path = write(tmp_path / "a.csv", f"{header}\nT,S\n")
    with pytest.raises(DataError) as caught:
        read_examples(path, max_bad_rows=1.0)
    assert str(caught.value).startswith(f"{path}:1: {rule}")


def test_parquet_is_read_by_its_columns(tmp_path: Path) -> None:
    columns = {
        "id": [1, 2],
        "summary": pa.array(["Käse", "S"]).dictionary_encode(),
        "text": pa.array(["Ein Käse 🧀", "T"], pa.large_string()),
        "style": ["title", None],
    }
    assert read_examples(write_parquet(tmp_path / "town.parquet", columns)) == [
        Example("Ein Käse 🧀", "Käse", "title", "town"),
        Example("T", "S", "headline", "town"),
    ]


def test_a_parquet_row_that_breaks_a_rule_is_named_by_its_number(tmp_path: Path) -> None:
    texts: list[str | None] = [f"Text {i}." for i in range(1000)]
    texts[700] = None
    path = write_parquet(tmp_path / "a.parquet", {"text": texts, "summary": ["S"] * 1000})
    with pytest.raises(DataError, match=r"a\.parquet:701: 'text' must be a string"):
        read_examples(path)
    assert len(read_examples(path, max_bad_rows=0.001)) == 999


def test_a_parquet_file_without_a_column_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"text": ["T"], "headline": ["S"]})
    with pytest.raises(DataError, match=r"a\.parquet: must have the columns .*'summary' is missin"):
        read_examples(path)


@pytest.mark.parametrize("damage", ["no parquet", "cut", "changed"])
def test_a_damaged_parquet_file_is_named_in_one_line(tmp_path: Path, damage: str) -> None:
    texts = [f"Text {i} of many." for i in range(2000)]
    path = write_parquet(tmp_path / "a.parquet", {"text": texts, "summary": texts})
    whole = path.read_bytes()
    path.write_bytes(
        {
            "no parquet": b"plain text that is no table",
            "cut": whole[:-20],
            "changed": whole[:100] + bytes(4000) + whole[4100:],
        }[damage]
    )
    with pytest.raises(DataError, match=r"a\.parquet: can't be read: ") as caught:
        read_examples(path)
    assert "\n" not in str(caught.value)


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"text": ["T"], "summary": ["S"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"a\.parquet: .*pyarrow, which is missing: pip install py"):
        read_examples(path)

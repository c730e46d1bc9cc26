"""JSONL and CSV, gzipped or not, and Parquet: one row at a time, whatever the file's size."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from model.readers.rows import BadRowError, DataError, Row

REQUIRED, OPTIONAL = ("text", "summary"), ("style", "source")

_FIELD_CHARACTERS = 2**31 - 1
"""The most that `csv` takes on every platform; its own default, 128 Ki, cuts long documents."""

_PARQUET_ROWS = 256
"""Rows in memory at a time: long documents are a few hundred kilobytes each at most."""


@contextmanager
def read_errors_named(place: Path | str) -> Iterator[None]:
    """Makes what goes wrong with a file as a whole a DataError that names it."""
    try:
        yield
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{place}: can't be read: {error}") from error


def sha256_of(*paths: Path) -> str:
    """Digest of the bytes of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True)
class _File:
    path: Path
    required: tuple[str, ...] = REQUIRED

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def origin(self) -> str:
        """The file's name up to its first dot."""
        return self.path.name.split(".")[0]

    def sha256(self) -> str:
        """Digest of the file's bytes."""
        return sha256_of(self.path)

    def _open(self, newline: str | None = None) -> IO[str]:
        opener = gzip.open if self.path.suffix == ".gz" else open
        # Spreadsheets write a byte order mark before UTF-8.
        return io.TextIOWrapper(opener(self.path, "rb"), encoding="utf-8-sig", newline=newline)


class JsonlFile(_File):
    """One JSON object on each line."""

    def rows(self) -> Iterator[Row]:
        """Each line, by its number from 1."""
        with read_errors_named(self.path), self._open() as lines:
            for number, line in enumerate(lines, 1):
                yield Row(f"{self.path}:{number}", _json_object(line))


def _json_object(line: str) -> dict[str, object] | BadRowError:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        return BadRowError(f"not JSON: {error.msg}")
    except (RecursionError, ValueError):
        return BadRowError("not JSON that can be read: nested too deep, or a number too long")
    if not isinstance(value, dict):
        return BadRowError(f"must be an object, got {type(value).__name__}")
    return value


class CsvFile(_File):
    """RFC 4180: commas, double quotes, the names of the columns in the first record."""

    def rows(self) -> Iterator[Row]:
        """Each record by the line that it begins in; blank lines are no records."""
        csv.field_size_limit(_FIELD_CHARACTERS)
        with read_errors_named(self.path), self._open(newline="") as stream:
            lines = _Lines(stream)
            records = csv.reader(lines, strict=True)
            header = self._header(records)
            while not lines.ended:
                place = f"{self.path}:{records.line_num + 1}"
                try:
                    record = next(records, [])
                except csv.Error as error:
                    if lines.ended:
                        # All that follows the quote was taken for one field: not one bad row.
                        raise DataError(f"{place}: not CSV: a quote is never closed") from error
                    yield Row(place, BadRowError(f"not CSV: {error}"))
                    continue
                if record:
                    yield Row(place, _by_column(header, record))

    def _header(self, records: Iterator[list[str]]) -> list[str]:
        try:
            header = next(records, [])
        except csv.Error as error:
            raise DataError(f"{self.path}:1: not CSV: {error}") from error
        _require_columns(f"{self.path}:1", header, self.required)
        if len(set(header)) < len(header):
            raise DataError(f"{self.path}:1: a column's name comes twice")
        return header


class _Lines:
    """The lines of a stream; `ended` once somebody has asked for one more than there are."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self.ended = stream, False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline()
        if not line:
            self.ended = True
            raise StopIteration
        return line


def _by_column(header: list[str], record: list[str]) -> dict[str, str] | BadRowError:
    if len(record) != len(header):
        return BadRowError(
            f"must have as many fields as the header, {len(header)}, got {len(record)}"
        )
    return dict(zip(header, record, strict=True))


class ParquetFile(_File):
    """Columns of strings; needs pyarrow."""

    def rows(self) -> Iterator[Row]:
        """Each row, by its number from 1."""
        try:
            from pyarrow import ArrowException, parquet
        except ImportError as error:
            raise DataError(
                f"{self.path}: Parquet is read with pyarrow, which is missing: pip install pyarrow"
            ) from error
        try:
            with read_errors_named(self.path), parquet.ParquetFile(self.path) as file:
                _require_columns(str(self.path), file.schema_arrow.names, self.required)
                columns = [n for n in file.schema_arrow.names if n in (*REQUIRED, *OPTIONAL)]
                number = 0
                for batch in file.iter_batches(batch_size=_PARQUET_ROWS, columns=columns):
                    for values in batch.to_pylist():
                        number += 1
                        yield Row(f"{self.path}:{number}", values)
        except ArrowException as error:
            raise DataError(f"{self.path}: can't be read: {first_line(error)}") from error


def _require_columns(place: str, names: Sequence[str], required: Sequence[str]) -> None:
    if missing := [name for name in required if name not in names]:
        raise DataError(
            f"{place}: must have the column{'s' if len(required) > 1 else ''} "
            f"{_listed(required)}, {_listed(missing)} is missing"
        )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(repr(name) for name in names)


def first_line(error: Exception) -> str:
    """What a library says in a paragraph, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

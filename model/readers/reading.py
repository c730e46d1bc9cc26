"""Addresses -> sources -> examples, and what becomes of rows that break a rule."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from model.readers.files import CsvFile, JsonlFile, ParquetFile
from model.readers.hub import HubSet
from model.readers.imdb import ImdbReviews
from model.readers.rows import BadRowError, DataError, Example, Row, Source, example_of
from model.readers.texts import Texts, gap_example_of

NAMED_ROWS = 5
"""Bad rows that a message names; the others are counted."""


def source_of(address: str | Path) -> Source:
    """What an address stands for.

    `hf:OWNER/NAME…` is a data set of the hub, `imdb:DIRECTORY` Keras' reviews, `texts:FILE` a file
    of texts that need no summary. Anything else is a file: `.parquet`, `.csv` or `.csv.gz`; any
    other ending is JSONL.

    Raises:
        DataError: the address breaks a rule of its kind.
    """
    kind, _, rest = str(address).partition(":")
    if kind == "hf":
        return HubSet.parse(rest)
    if kind == "imdb":
        return ImdbReviews(Path(rest))
    if kind == "texts":
        return Texts(_file_of(Path(rest)))
    return _file_of(Path(address))


def _file_of(path: Path) -> CsvFile | JsonlFile | ParquetFile:
    ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if ending.lower() == ".csv":
        return CsvFile(path)
    return ParquetFile(path) if ending.lower() == ".parquet" else JsonlFile(path)


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """The address of some data and how often each of its pairs is seen in an epoch."""

    address: str
    weight: float = 1.0

    @classmethod
    def parse(cls, argument: str) -> DataFile:
        """Reads `ADDRESS` or `ADDRESS=WEIGHT`.

        Raises:
            DataError: the weight is not a positive number, or the address breaks a rule.
        """
        address, weight = _split_weight(argument)
        try:
            number = float(weight or 1)
        except ValueError:
            number = -1.0
        if not 0 < number < float("inf"):
            raise DataError(f"{argument}: a weight must be a positive number, got {weight!r}")
        source_of(address)
        return cls(address=address, weight=number)

    @property
    def name(self) -> str:
        """How the manifest calls it."""
        return source_of(self.address).name

    def sha256(self) -> str:
        """Digest of the content, for the manifest."""
        return source_of(self.address).sha256()


def _split_weight(argument: str) -> tuple[str, str]:
    """Of a hub address with options the weight comes after the second `=` of the last one."""
    place, mark, options = argument.partition("?")
    if not argument.startswith("hf:") or not mark:
        address, _, weight = argument.partition("=")
        return address, weight
    before, ampersand, last = options.rpartition("&")
    name, equals, value = last.partition("=")
    value, _, weight = value.partition("=")
    return f"{place}?{before}{ampersand}{name}{equals}{value}", weight


@dataclass
class BadRows:
    """Counts rows and the bad ones among them, and remembers where the first were."""

    total: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def add(self, row: Row, rule: BadRowError) -> None:
        """Counts a bad row."""
        self.rules[str(rule)] += 1
        if len(self.first) < NAMED_ROWS:
            self.first.append(f"{row.place}: {rule}")

    @property
    def share(self) -> float:
        """Of all rows, from 0 to 1."""
        return self.rules.total() / self.total if self.total else 0.0

    def __str__(self) -> str:
        rules = ", ".join(f"{count} × {rule}" for rule, count in self.rules.most_common())
        return (
            f"{'; '.join(self.first)} (bad rows: {self.rules.total()} of {self.total}"
            f"{', ' + rules if len(self.rules) > 1 or self.rules.total() > NAMED_ROWS else ''})"
        )


def read_examples(
    address: str | Path, max_characters: int | None = None, max_bad_rows: float = 0.0
) -> list[Example]:
    """Reads all of a source: `text`, `summary`, optional `style` and `source` of each row.

    Bad rows that are skipped are named on standard error, by place and rule, never by content.

    Args:
        address: A file, `hf:…`, `imdb:…` or `texts:…`, see `source_of`.
        max_characters: Texts are cut here, which saves memory.
        max_bad_rows: The share of rows, from 0 to 1, that may break a rule.

    Raises:
        DataError: the source can't be read, more rows than that are bad, or none is left.
    """
    source, bad = source_of(address), BadRows()
    make = gap_example_of if isinstance(source, Texts) else example_of
    examples = []
    for row in source.rows():
        bad.total += 1
        try:
            examples.append(make(row, source.origin, max_characters))
        except BadRowError as rule:
            bad.add(row, rule)
    if bad.share > max_bad_rows:
        raise DataError(f"{bad}; {100 * max_bad_rows:g} % may be, see --max-bad-rows")
    if not examples:
        raise DataError(f"{address}: holds no examples{f': {bad}' if bad.first else ''}")
    if bad.first:
        print(f"skipped {bad}", file=sys.stderr)  # noqa: T201  # the job's log, as in progress.py
    return examples

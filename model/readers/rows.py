"""What every reader gives: rows that may become examples, or the rule that they break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

DEFAULT_STYLE = "headline"


class DataError(ValueError):
    """Data can't be used; the message names the file, where it can the line, and the rule."""


class BadRowError(ValueError):
    """One row breaks the rule that the message names; the rows after it can still be read."""


@dataclass(frozen=True)
class Example:
    """One text and its reference summary; `origin` is the data set it came from.

    `gap` is where the summary stands in the text, if it is a sentence of it that is to be hidden.
    """

    text: str
    summary: str
    style: str
    origin: str
    gap: tuple[int, int] | None = None


@dataclass(frozen=True)
class Row:
    """A row's values by column, or the rule that already its form breaks.

    `place` is for messages: the file and the line.
    """

    place: str
    values: Mapping[str, Any] | BadRowError


class Source(Protocol):
    """Where rows come from: a file, a directory, a data set of the hub."""

    @property
    def name(self) -> str:
        """How the manifest calls it: no directory of this machine."""

    @property
    def origin(self) -> str:
        """The data set's name for rows that give none."""

    def rows(self) -> Iterator[Row]:
        """All rows, one at a time.

        Raises:
            DataError: the source, or what is left of it, can't be read.
        """

    def sha256(self) -> str:
        """Digest of the content, for the manifest."""


def example_of(row: Row, origin: str, max_characters: int | None) -> Example:
    """Checks a row's values.

    Raises:
        BadRowError: they break a rule.
    """
    if isinstance(row.values, BadRowError):
        raise row.values
    text, summary = (_string(row.values, key) for key in ("text", "summary"))
    style = str(row.values.get("style") or DEFAULT_STYLE)
    origin = str(row.values.get("source") or origin)
    for key, value in {"text": text, "summary": summary, "style": style, "source": origin}.items():
        if not _is_unicode(value):
            raise BadRowError(f"{key!r} holds half of a surrogate pair")
    return Example(text[:max_characters], summary, style, origin)


def _string(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not value.strip():
        raise BadRowError(f"{key!r} must be a string that is not blank")
    return value


def _is_unicode(text: str) -> bool:
    """JSON can escape what no encoding of Unicode allows and no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

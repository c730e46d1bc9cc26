"""The words of a text in the form in which two spellings of one word meet.

Case, accents and a possessive 's are dropped, hyphenated words fall into their parts, and numbers
and abbreviations get one form: two = 2, N.C. = NC. Time is linear in the text's length.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from typing import NamedTuple

from model.words.number_words import SCALES, SPELT, digits_form, joins, scaled, spelt_form

_MARKS = "\u0300-\u036f"
_TOKEN = re.compile(
    r"(?P<number>\d+(?:,\d{3})*(?:\.\d+)?[^\W_]*)"
    r"|(?P<initials>[^\W\d_](?:\.[^\W\d_](?![^\W\d_]))+)"
    rf"|[^\W\d_][^\W_]*(?:[{_MARKS}'\u2019]+[^\W\d_]+)*[{_MARKS}]*"
)


class WordKind(Enum):
    """What a word is written as."""

    WORD = "word"
    INITIALS = "initials"
    NUMBER = "number"


_WORD, _NUMBER = WordKind.WORD, WordKind.NUMBER  # found faster than attributes


class Word(NamedTuple):
    """A word, its place [start, end) in code points, and the form to compare.

    Initials have full stops in their form ("n.c."). A number of several words ("26 million") has
    its value as its form and its words' own forms as `parts`.
    """

    start: int
    end: int
    written: str
    kind: WordKind
    form: str
    parts: tuple[str, ...] = ()


def folded(word: str) -> str:
    """Without case, accents and possessive 's."""
    form = word.casefold()
    if not form.isascii():
        letters = unicodedata.normalize("NFKD", form.replace("\u2019", "'"))
        form = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return form.removesuffix("'s")


def read_words(text: str) -> list[Word]:
    """The words of `text` in order, number words joined: "twenty-two", "26 million"."""
    words: list[Word] = []
    number: Word | None = None  # the word before, if it is a number
    for match in _TOKEN.finditer(text):
        word = _word(match)
        longer = _with_next(number, word) if number is not None else None
        if longer is not None:
            words[-1] = number = longer
        else:
            words.append(word)
            number = word if word.kind is _NUMBER else None
    return words


def _word(match: re.Match[str]) -> Word:
    written, group = match.group(), match.lastgroup
    start, end = match.span()
    if group is None:
        form = written.casefold() if written.isascii() else folded(written)
        if form in SPELT:
            return Word(start, end, written, _NUMBER, spelt_form([form]))
        return Word(start, end, written, _WORD, form.removesuffix("'s"))
    if group == "number":
        return Word(start, end, written, _NUMBER, digits_form(written))
    return Word(start, end, written, WordKind.INITIALS, written.casefold() + ".")


def _with_next(number: Word, word: Word) -> Word | None:
    """The number together with the next word, where that goes on with it."""
    if word.start - number.end > 1:
        return None
    parts: tuple[str, ...] = ()
    first, second = folded(number.written), folded(word.written)
    if joins(first, second):
        form = spelt_form([first, second])
    elif second in SCALES and len(second) > 2 and _is_plain(number):
        form, parts = scaled(number.form, second), (number.form, second)
    else:
        return None
    return Word(number.start, word.end, f"{number.written} {word.written}", _NUMBER, form, parts)


def _is_plain(number: Word) -> bool:
    return not number.parts and number.form[-1:].isdigit()

"""Names and numbers of a summary that its text does not have.

It compares words, not meanings: a name that the text has of somebody else is supported. What it
finds is what a reader would look for in the text in vain. `model/steering/support.py` is the rule
of the search against such words; this is the measure, on finished summaries of any origin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from model.tokenizer import Span
from model.words.abbreviations import ENGLISH_WORDS, INITIALS, PHRASES, SHORT_WORDS
from model.words.usual_case import UsualCase, stem
from model.words.word_forms import Word, WordKind, read_words

Kind = Literal["name", "number"]

_OPENING = re.compile(r"[.!?:\u2026]['\"\u2019\u201d)]*\s|[\"\u201c\u2018(]$")
_NUMBER = WordKind.NUMBER
_PRONOUNS = frozenset({"a", "i", "o"})
_SHORTEST_ACRONYM = 3
_SMALL_WORDS = frozenset("a and for in of on the to".split())


class CheckedWord(NamedTuple):
    """A name or a number of a summary, its place there, and whether the text has it."""

    span: Span
    kind: Kind
    supported: bool


class SupportingText:
    """The words of one text, and all that its abbreviations and phrases stand for."""

    def __init__(self, text: str) -> None:
        self._words = words = read_words(text)
        self._lower_stems: frozenset[str] | None = None
        forms = [word.form for word in words]
        self._forms = set(forms)
        for place, (_, end, written, kind, form, parts) in enumerate(words):
            if parts:
                self._forms.update(parts)
            if kind is _NUMBER:
                continue
            if form in SHORT_WORDS and text.startswith(".", end):
                self._forms.update(*SHORT_WORDS[form])
            if form in PHRASES:
                self._forms.update(_initials_of_phrase(forms, place))
            if not written[0].islower():
                self._forms.update(_expansions(words[place]))

    def has(self, word: Word) -> bool:
        """Whether the text has this word, or what it is short for, or short for it."""
        if word.form in self._forms and word.form not in INITIALS:
            return True
        if word.kind is _NUMBER:
            return bool(word.parts) and self._forms.issuperset(word.parts)
        letters = _initials(word)
        if letters:
            return _dotted(letters) in self._forms or self._has_acronym(letters)
        longer = SHORT_WORDS.get(word.form, ())
        return word.form in self._forms or any(map(self._forms.issuperset, longer))

    def _has_acronym(self, letters: str) -> bool:
        if letters in INITIALS:  # the pronoun "us" is no country
            return False
        if letters in self._forms:
            return True
        return len(letters) >= _SHORTEST_ACRONYM and any(letters in run for run in self._runs())

    def inflects(self, word: Word) -> bool:
        """Whether the text has the word with another ending, and begun in lower case."""
        if self._lower_stems is None:
            lower = (word.form for word in self._words if word.written[:1].islower())
            self._lower_stems = frozenset(map(stem, lower))
        return stem(word.form) in self._lower_stems

    def _runs(self) -> Iterator[str]:
        """First letters of neighbours in capitals, with the small words between and without."""
        with_small, without = "", ""
        for word in self._words:
            small = word.form in _SMALL_WORDS
            if word.written[:1].isupper() or (small and with_small):
                with_small += word.form[0]
                without += "" if small else word.form[0]
            elif with_small:
                yield with_small
                yield without
                with_small, without = "", ""
        yield with_small
        yield without


def checked_words(
    summary: str, text: str, usual_case: UsualCase | None = None
) -> list[CheckedWord]:
    """Every name and every number of a summary, with whether the text has it.

    Names are words with a capital inside sentences. A capital says nothing where a sentence
    opens, and little where the text has the word in another inflection and in lower case
    ("Pleads" for "pleaded"); so there only acronyms count, and what `usual_case` knows.

    Args:
        summary: In sentence case; in a title in title case each word would be a name.
        text: The full text.
        usual_case: Learnt from a corpus, it finds names that open a sentence, and capitals of
            words that are no names.
    """
    support = SupportingText(text)
    return [
        CheckedWord((word.start, word.end), kind, supported)
        for word, kind, supported in _judged(summary, support, usual_case or UsualCase())
    ]


def unsupported_words(
    summary: str, text: str, usual_case: UsualCase | None = None
) -> list[CheckedWord]:
    """The names and numbers of a summary that the text does not have; see `checked_words`."""
    return [word for word in checked_words(summary, text, usual_case) if not word.supported]


def _judged(
    summary: str, support: SupportingText, usual_case: UsualCase
) -> Iterator[tuple[Word, Kind, bool]]:
    words = read_words(summary)
    shouted = summary.isupper()
    for previous, word in zip([None, *words], words, strict=False):
        supported = support.has(word)
        if word.kind is _NUMBER:
            yield word, "number", supported
        elif _initials(word) and not shouted:
            yield word, "name", supported
        elif shouted or _opens_sentence(summary, previous, word):
            if usual_case.is_name(word.form) and _has_capital(word):
                yield word, "name", supported
        elif _has_capital(word):
            ordinary = usual_case.is_ordinary(word.form)
            if not ordinary and (supported or not support.inflects(word)):
                yield word, "name", supported
        elif any(map(str.isdigit, word.written)):
            yield word, "number", supported


def _opens_sentence(summary: str, previous: Word | None, word: Word) -> bool:
    if previous is None:
        return True
    between = summary[previous.end : word.start]
    shortened = previous.kind is WordKind.INITIALS or previous.form in SHORT_WORDS
    if between.startswith(".") and (shortened or len(previous.form) == 1):
        between = between[1:]
    return _OPENING.search(between) is not None


def _has_capital(word: Word) -> bool:
    return word.form not in _PRONOUNS and any(letter.isupper() for letter in word.written)


def _initials_of_phrase(forms: Sequence[str], place: int) -> Iterator[str]:
    for phrase, letters in PHRASES[forms[place]]:
        if tuple(forms[place : place + len(phrase)]) == phrase:
            yield _dotted(letters)


def _expansions(word: Word) -> Iterator[str]:
    """Of an abbreviation in capitals its form with full stops, and what it stands for."""
    letters = _initials(word)
    if letters:
        yield _dotted(letters)
        if word.kind is WordKind.INITIALS or letters not in ENGLISH_WORDS:
            yield from chain.from_iterable(INITIALS.get(letters, ()))


def _initials(word: Word) -> str:
    """The letters of an abbreviation in capitals or with full stops, in lower case; else ""."""
    if word.kind is WordKind.INITIALS:
        return word.form.replace(".", "") if word.written[0].isupper() else ""
    is_acronym = len(word.form) > 1 and word.written[: len(word.form)].isupper()
    return word.form if is_acronym else ""


def _dotted(letters: str) -> str:
    return "".join(f"{letter}." for letter in letters)

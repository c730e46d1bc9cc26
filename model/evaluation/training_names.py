"""Surnames of the training headlines, and summaries that put one into a text without it.

A network that learnt from headlines about few people may name them wherever they would fit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from model.unsupported import SupportingText
from model.words.usual_case import UsualCase
from model.words.word_forms import WordKind, read_words

_TITLES = (
    r"Rep(?:resentative)?s?|Sen(?:ator)?s?|Congress(?:man|woman|men|members?)|Gov(?:ernor)?s?"
    r"|Chair(?:man|woman)?|Leader|Speaker|President|Secretary|Attorney General|Judge"
    r"|Director|Mayor|Mr|Mrs|Ms|Dr"
)
_NAME = rf"(?!(?:{_TITLES})\b)[^\W\d_a-z][\w'\u2019-]*"
_TITLED = re.compile(rf"\b(?:{_TITLES})\b\.?\s+({_NAME}(?:\.?\s+{_NAME}){{0,3}})")
_FULL_NAME_WORDS = 2
_TITLED_SHARE = 0.05
"""Of the places where a word has a capital, the share that must follow a title."""


def surnames(headlines: Iterable[str], usual_case: UsualCase) -> frozenset[str]:
    """Folded surnames in headlines: behind a title, or behind a title and a first name.

    In title case a headline doesn't show where a name ends: it ends before the first word that
    `usual_case` knows in lower case. Places and offices follow titles too ("Attorney General of
    South …"), but mostly they stand elsewhere, and are left out for that.
    """
    seen: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for headline in headlines:
        seen.update(word.form for word in read_words(headline) if word.written[0].isupper())
        for match in _TITLED.finditer(headline):
            words = list(_name_words(match.group(1), usual_case))
            named.update(words[:_FULL_NAME_WORDS][-1:])
    return frozenset(
        form for form, count in named.items() if count >= _TITLED_SHARE * max(seen[form], 1)
    )


def _name_words(run: str, usual_case: UsualCase) -> Iterator[str]:
    """The words of a name; initials and acronyms are none, and end none."""
    for word in read_words(run):
        if usual_case.is_ordinary(word.form):
            return
        if word.kind is WordKind.WORD and not word.written.isupper():
            yield word.form


def names_from_training(
    summaries: Sequence[str], texts: Sequence[str], names: frozenset[str]
) -> list[int]:
    """Indices of the summaries that have a surname, with its capital, that their text has not."""
    return [
        i
        for i, (summary, text) in enumerate(zip(summaries, texts, strict=True))
        if _names_another(summary, text, names)
    ]


def _names_another(summary: str, text: str, names: frozenset[str]) -> bool:
    named = [w for w in read_words(summary) if w.form in names and w.written[0].isupper()]
    if not named:
        return False
    support = SupportingText(text)
    return not all(support.has(word) for word in named)

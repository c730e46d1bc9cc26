"""Headline capitals: a summary in sentence case as a title, with its spans moved along."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import regex

from model.tokenizer import Span

_SMALL_WORDS = frozenset(
    "a an and as at but by for from if in nor of off on or per so the to up via vs with yet".split()
)
"""Words that stay small inside a title."""

_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['’]\p{L}+)*")
_OPENING = regex.compile(r"[:!?—][\s\"'“‘(\[]*$")
"""What stands before a word that begins a part of a title; a full stop may be of "U.S."."""


def title_case(text: str, spans: Sequence[Span | None]) -> tuple[str, list[Span | None]]:
    """The text with headline capitals, and the spans that point into it.

    Words with a capital (names, acronyms, iPhone) are left as they are. A letter whose capital
    is longer (ﬁ -> Fi) moves what follows it.
    """
    pieces = list(text)
    words = list(_WORD.finditer(text))
    for number, word in enumerate(words):
        first = number == 0 or _OPENING.search(text, words[number - 1].end(), word.start())
        last = number == len(words) - 1
        if _keeps_its_case(text, word.span()) and not first and not last:
            continue
        if word[0] == word[0].lower():
            pieces[word.start()] = pieces[word.start()].title()
    starts = list(accumulate((len(piece) for piece in pieces), initial=0))
    moved = [None if span is None else (starts[span[0]], starts[span[1]]) for span in spans]
    return "".join(pieces), moved


def _keeps_its_case(text: str, span: Span) -> bool:
    """Whether this is a small word; joined by a hyphen ("built-in") it is one no more."""
    start, end = span
    joined = text[start - 1 : start] == "-" or text[end : end + 1] == "-"
    return not joined and text[start:end].casefold() in _SMALL_WORDS

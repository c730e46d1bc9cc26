"""Which words are usually written with a capital inside sentences: the names, by a corpus' own use.

A capital alone makes no name: headlines that texts quote spread it ("Smith Pleads Guilty"). So
rare words are judged together with their inflections: "Pleads" is a form of "pleaded".
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from model.words.truecasing import inside_spellings, usual
from model.words.word_forms import folded

OFTEN = 20
"""A word that occurs so many times is judged by itself."""

_INFLECTION = re.compile(r"(?:ing|ed|es|s|e)$")
_SHORTEST_STEM = 2


def stem(form: str) -> str:
    """A folded word without the ending of a verb or plural: pleads, pleaded -> plead."""
    shorter = _INFLECTION.sub("", form)
    if len(shorter) < _SHORTEST_STEM:
        return form
    return shorter[:-1] if shorter[-1] == shorter[-2] else shorter


@dataclass(frozen=True)
class UsualCase:
    """What a corpus says of capitals; one that was taught nothing knows no word.

    Attributes:
        names: Folded words that are usually capitalised.
        ordinary: Folded words that are usually not.
        ordinary_stems: Stems, of which most words are usually not.
    """

    names: frozenset[str] = frozenset()
    ordinary: frozenset[str] = frozenset()
    ordinary_stems: frozenset[str] = frozenset()

    @classmethod
    def learn(cls, texts: Iterable[str]) -> UsualCase:
        """Counts capitals inside the sentences of `texts`."""
        spellings: Counter[str] = Counter()
        for text in texts:
            for counts in inside_spellings(text).values():
                spellings.update(counts)
        words: dict[str, Counter[str]] = defaultdict(Counter)
        stems: dict[str, Counter[str]] = defaultdict(Counter)
        for spelling, count in spellings.items():
            case = "Aa" if spelling[0].isupper() else "aa"
            form = folded(spelling)
            words[form][case] += count
            stems[stem(form)][case] += count
        ordinary_stems = {form for form, cases in stems.items() if usual(cases) == "aa"}
        names = {
            form
            for form, cases in words.items()
            if usual(cases) == "Aa" and (cases.total() >= OFTEN or stem(form) not in ordinary_stems)
        }
        return cls(frozenset(names), frozenset(words.keys() - names), frozenset(ordinary_stems))

    def is_name(self, form: str) -> bool:
        """Whether the word is known and usually capitalised."""
        return form in self.names

    def is_ordinary(self, form: str) -> bool:
        """Whether the word, or for want of it its stem, is usually not capitalised."""
        if form in self.names:
            return False
        return form in self.ordinary or stem(form) in self.ordinary_stems

"""Common abbreviations and what they stand for, in lower case; of places, titles, months, firms.

Postal codes of the states follow the US Postal Service, the older forms the AP style.
"""

from __future__ import annotations

from collections import defaultdict

_STATES = """
al ala alabama|ak - alaska|az ariz arizona|ar ark arkansas|ca calif california|co colo colorado
ct conn connecticut|de del delaware|dc - district of columbia|fl fla florida|ga ga georgia
hi - hawaii|id - idaho|il ill illinois|in ind indiana|ia - iowa|ks kan kansas|ky ky kentucky
la la louisiana|me - maine|md md maryland|ma mass massachusetts|mi mich michigan|mn minn minnesota
ms miss mississippi|mo mo missouri|mt mont montana|ne neb nebraska|nv nev nevada
nh - new hampshire|nj - new jersey|nm - new mexico|ny - new york|nc - north carolina
nd - north dakota|oh - ohio|ok okla oklahoma|or ore oregon|pa pa pennsylvania|pr - puerto rico
ri - rhode island|sc - south carolina|sd - south dakota|tn tenn tennessee|tx tex texas|ut - utah
vt vt vermont|va va virginia|wa wash washington|wv - west virginia|wi wis wisconsin|wy wyo wyoming
"""
_SHORT_WORDS = """
sen senator|sens senators|rep representative|reps representatives|gov governor|govs governors
atty attorney|dr doctor|prof professor|hon honorable|gen general|lt lieutenant|sgt sergeant
capt captain|col colonel|maj major|adm admiral|pres president|sec secretary|supt superintendent
dept department|depts departments|div division|comm committee|assn association|assoc associates
univ university|natl national|intl international|admin administration|inc incorporated
corp corporation|co company|cos companies|bros brothers|ltd limited|st saint|st street|ave avenue
ft fort|mt mount|jan january|feb february|mar march|apr april|jun june|jul july|aug august
sep september|sept september|oct october|nov november|dec december|no number|nos numbers|vs versus
v versus|jr junior|sr senior|govt government|dist district|cir circuit
"""
_INITIALS = """
us united states|usa united states|uk united kingdom|eu european union|un united nations
va veterans affairs|ag attorney general
"""

Expansions = dict[str, list[tuple[str, ...]]]


def _pairs(table: str) -> list[list[str]]:
    return [entry.split() for line in table.split("\n") for entry in line.split("|") if entry]


def _short_words() -> Expansions:
    table: Expansions = defaultdict(list)
    for short, *words in _pairs(_SHORT_WORDS):
        table[short].append(tuple(words))
    for _, traditional, *words in _pairs(_STATES):
        table[traditional].append(tuple(words))
    del table["-"]
    return dict(table)


def _initials() -> Expansions:
    table: Expansions = defaultdict(list)
    for postal, _, *words in _pairs(_STATES):
        table[postal].append(tuple(words))
    for initials, *words in _pairs(_INITIALS):
        table[initials].append(tuple(words))
    return dict(table)


def _phrases() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    table = defaultdict(list)
    for letters, expansions in INITIALS.items():
        for words in expansions:
            table[words[0]].append((words, letters))
    return dict(table)


SHORT_WORDS = _short_words()
"""Written with a full stop: "Sen." is senator, "Co." company, "Mass." Massachusetts."""

INITIALS = _initials()
"""Written in capitals, with full stops or without: "N.C." and "NC" are North Carolina."""

PHRASES = _phrases()
"""What `INITIALS` stand for, by the first word: the words, and the letters in lower case."""

ENGLISH_WORDS = frozenset("hi in me oh ok or us".split())
"""Initials that in a text set in capitals are ordinary words."""

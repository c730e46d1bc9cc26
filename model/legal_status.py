"""Whether a summary asserts a guilt that its text only alleges: charged -> convicted.

Patterns over a few words on either side, in English, in the language of press releases and the
news. What they see: guilt that the text asserts nowhere, or only under a condition ("if
convicted", "faces up to"), as a plan ("scheduled to be sentenced"), negated ("not guilty",
"presumed innocent until proven guilty"), of accomplices or of the past ("co-conspirators",
"previously convicted"), or of another person by name, if the summary names its own right before
the verb, or else if the text opens with a charge and comes to guilt only later. What they don't
see: who "he" or "a former manager" is, guilt for another count, and guilt in words that are not
listed ("the jury returned its verdict against"). Time is linear in the text's length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from itertools import dropwhile, takewhile
from typing import NamedTuple

from model.tokenizer import Span

_CHARGED = re.compile(
    r"\b(?:charg(?:ed|es|ing)|indict(?:ed|s|ments?)|alleg(?:e[ds]?|edly|ing|ations?)"
    r"|accus(?:e[ds]?|ing|ations?)|arrest(?:ed|s)?|arraign(?:ed|ment)|complaints?)\b",
    re.IGNORECASE,
)
_GUILT = re.compile(
    r"\b(?:(?P<sentenced>sentenc(?:ed|es|ing)|sentence|sent to (?:prison|jail)|(?:jail|imprison)ed)"
    r"|(?P<guilty>convict(?:ed|s|ing|ions?)|guilty)|admit(?:s|ted|ting)?)\b",
    re.IGNORECASE,
)
_IMPOSED = re.compile(
    r"\b(?:receiv\w+|gets?|got|given|impos\w+|hand(?:s|ed)|today[\'\u2019]?s|his|her|their)"
    r"\W+(?:\w+\W+){0,4}$",
    re.IGNORECASE,
)
"""What stands before the noun "sentence" where it is one that was passed."""

_CLAUSE_END = re.compile(
    r"[;:!?\n]|,\s(?=(?:and|but|or|who|which|while)\b)"
    r"|(?<!\b[A-Z])(?<!\b[A-Z][a-z])(?<!\b[A-Z][a-z][a-z])(?<!\b[A-Z][a-z][a-z][a-z])\.(?=\s)"
)
"""Full stops behind short words in capitals (Mr., Inc., Sept.) end none."""

_BEFORE, _AFTER = 100, 60
"""Characters of a clause that are looked at: a dozen words, and time stays linear."""

_CONDITION = re.compile(
    r"\b(?:if|unless|until|whether|upon|could|may|might|would|fac(?:es?|ed|ing)|carr(?:y|ies)"
    r"|maximum|statutory|potential|possible|up to|presumed|expected|proven|alleged(?:ly)?"
    r"|seek(?:s|ing)?|avoid|any|If|Unless|Until|Upon|Any)\b[^,]*,?\s*$"
)
"""In this case only: "May" is a month."""

_CONVICTION_IF = re.compile(r"\b\w*ions?\W+(?:carr(?:y|ies)|would|could|may|might|can)\b")
"""As in "A conviction carries up to ten years"; "guilty and may" would be no condition."""

_NEGATION = re.compile(
    r"(?:\b(?:not|never|no|without|neither|nor|den(?:y|ie[sd])|overturn\w*|vacat\w*|revers\w*)"
    r"|n['\u2019]t)\W+(?:\w+\W+){0,3}$",
    re.IGNORECASE,
)
_PLAN = re.compile(
    r"\b(?:will|to be|scheduled|await(?:s|ing)?|set|pending|before|at)\W+(?:\w+\W+){0,2}$",
    re.IGNORECASE,
)
_PLAN_AFTER = re.compile(
    r"\W+(?:(?:hearing|date)\W+)?(?:is|are|was|has been|will be)\W+(?:\w+\W+)?"
    r"(?:scheduled|set|pending|determined)|\W+(?:hearing|date|guidelines?|commission|reform)\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\b(?:co-?(?:conspirator|defendant)s?|(?<!and )others?|another|previous(?:ly)?|prior"
    r"|earlier|already|additional|to date)\b",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"\W+(?:felons?|criminals?|offenders?|murderers?|terrorists?)\b", re.IGNORECASE
)
_BETWEEN = frozenset(
    "is was were are be been has have had also today both each later then a plea of to "
    "plead pleads pleaded pled pleading found enters entered by jury the judge".split()
)
"""Words between the subject of a clause and the word that asserts guilt."""

_PRONOUNS = frozenset("he she they it we i you who".split())
_PREPOSITIONS = frozenset("at by for from in near of on".split())
_NOUNS = frozenset({"sentence", "sentencing"})
_UNMISTAKABLE = frozenset({"sentenced", "convicted", "guilty"})


OPENING = 800
"""Characters. A text that begins with a charge and tells of a conviction only after them tells of
somebody else's: of 279 headlines about guilt in releases that mention charges, 277 have it here."""


class Guilt(IntEnum):
    """How far a proceeding has come; each implies those before it, and bears them out."""

    ADMITTED = 1
    GUILTY = 2
    SENTENCED = 3


class Assertion(NamedTuple):
    """A word that asserts guilt, in its clause, and of whom, if a name is right before it."""

    span: Span
    guilt: Guilt
    subject: str | None
    clause: str


def charges(text: str) -> bool:
    """Whether the text says charged, indicted, alleged, accused, arrested or the like."""
    return _CHARGED.search(text) is not None


def escalations(summary: str, text: str) -> list[Span]:
    """Spans of the words in `summary` that assert a guilt which `text` does not assert.

    Where the text charges nobody, words with other senses ("sentence", "admits", "conviction")
    are no such assertion.
    """
    claims = _assertions(summary)
    if claims and not charges(text):
        claims = [c for c in claims if summary[slice(*c.span)].casefold() in _UNMISTAKABLE]
    if not claims:
        return []
    evidence = _assertions(text)
    return [claim.span for claim in claims if not _is_borne_out(claim, evidence, text)]


def escalates(summary: str, text: str) -> bool:
    """Whether the summary asserts a guilt that the text does not assert; see `escalations`."""
    return bool(escalations(summary, text))


def _assertions(text: str) -> list[Assertion]:
    """What the text asserts, leaving out conditions, plans, negations, others and the past."""
    return [
        Assertion(match.span(), _guilt(match), _subject(before), before + after)
        for match in _GUILT.finditer(text)
        for before, after in [_clause(text, match.span())]
        if not _is_doubted(match, before, after)
    ]


def _guilt(match: re.Match[str]) -> Guilt:
    if match["sentenced"]:
        return Guilt.SENTENCED
    return Guilt.GUILTY if match["guilty"] else Guilt.ADMITTED


def _is_doubted(match: re.Match[str], before: str, after: str) -> bool:
    if any(pattern.search(before) for pattern in (_CONDITION, _NEGATION, _OTHERS)):
        return True
    if match["sentenced"] and (_PLAN.search(before) or _PLAN_AFTER.match(after)):
        return True
    if match.group().casefold() in _NOUNS and not _IMPOSED.search(before):
        return True
    return bool(_ATTRIBUTE.match(after) or _CONVICTION_IF.match(match.group() + after))


def _clause(text: str, span: Span) -> tuple[str, str]:
    """What stands in the same clause before the span and after it."""
    start, end = span
    before = _CLAUSE_END.split(text[max(0, start - _BEFORE) : start])[-1]
    return before, _CLAUSE_END.split(text[end : end + _AFTER], maxsplit=1)[0]


def _subject(before: str) -> str | None:
    """The word before the verb, if it may be a name and no place or group that another is of."""
    words = [word.strip(",.\"'\u2018\u2019\u201c\u201d()") for word in before.split()]
    words = list(dropwhile(lambda word: word.casefold() in _BETWEEN, reversed(words)))
    name = list(takewhile(lambda word: word[:1].isupper(), words))
    preposition = words[len(name)] if len(name) < len(words) else ""
    if not name or name[0].casefold() in _PRONOUNS or preposition in _PREPOSITIONS:
        return None
    return name[0]


def _is_borne_out(claim: Assertion, evidence: Sequence[Assertion], text: str) -> bool:
    """Whether the text asserts at least as much, and as far as is seen of the same person."""
    fitting = [found for found in evidence if found.guilt >= claim.guilt]
    name = claim.subject
    if name and _is_name(name, text):
        return any(found.subject is None or _has_word(name, found.clause) for found in fitting)
    if charges(text[:OPENING]):
        return any(found.span[0] < OPENING for found in fitting)
    return bool(fitting)


def _is_name(word: str, text: str) -> bool:
    """Whether the text has the word with its capital and not without: "Man" is no name."""
    return _has_word(word, text) and not _has_word(word.casefold(), text)


def _has_word(word: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", text) is not None

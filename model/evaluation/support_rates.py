"""How often summaries name what their texts don't have, and assert what their texts only allege.

Each figure of a model stands beside that of the references and never alone: people paraphrase
too, round numbers, and name what everybody knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from model.legal_status import charges, escalates
from model.unsupported import checked_words
from model.words.truecasing import Truecaser
from model.words.usual_case import UsualCase

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Rate:
    """`found` of `total`, in per cent, with a 95 % interval (Wilson 1927); nothing of nothing."""

    found: int
    total: int
    percent: float | None
    low: float
    high: float

    @classmethod
    def of(cls, found: int, total: int) -> Rate:
        """Computes share and interval."""
        if total == 0:
            return cls(0, 0, None, 0.0, 100.0)
        share, spread = found / total, _Z**2 / total
        middle = (share + spread / 2) / (1 + spread)
        half = sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
        low, high = (100 * min(max(end, 0.0), 1.0) for end in (middle - half, middle + half))
        return cls(found, total, 100 * share, low, high)

    def __str__(self) -> str:
        """As in "5.1 % (4.2 to 6.2, n 1935)"."""
        if self.percent is None:
            return "– (n 0)"
        return f"{self.percent:.1f} % ({self.low:.1f} to {self.high:.1f}, n {self.total})"


@dataclass(frozen=True)
class SupportRates:
    """Of one set of summaries.

    Attributes:
        summaries: How many.
        names, numbers: Unsupported ones among all names and all numbers.
        names_per_hundred, numbers_per_hundred: Unsupported ones in a hundred summaries.
        escalation: Summaries that assert guilt which the text does not, among the summaries of
            texts that charge somebody.
    """

    summaries: int
    names: Rate
    names_per_hundred: float
    numbers: Rate
    numbers_per_hundred: float
    escalation: Rate


def support_rates(
    summaries: Sequence[str], texts: Sequence[str], usual_case: UsualCase | None = None
) -> SupportRates:
    """Counts over summaries in sentence case, of the texts in the same order.

    Raises:
        ValueError: there are no summaries, or not as many as texts.
    """
    if not summaries:
        raise ValueError("support is measured on at least 1 summary, got 0")
    total: Counter[str] = Counter()
    unsupported: Counter[str] = Counter()
    charged = escalated = 0
    for summary, text in zip(summaries, texts, strict=True):
        for word in checked_words(summary, text, usual_case):
            total[word.kind] += 1
            unsupported[word.kind] += not word.supported
        if charges(text):
            charged += 1
            escalated += escalates(summary, text)
    return SupportRates(
        summaries=len(summaries),
        names=Rate.of(unsupported["name"], total["name"]),
        names_per_hundred=100 * unsupported["name"] / len(summaries),
        numbers=Rate.of(unsupported["number"], total["number"]),
        numbers_per_hundred=100 * unsupported["number"] / len(summaries),
        escalation=Rate.of(escalated, charged),
    )


class SupportMeasure:
    """Measures summaries and references alike, with capitals as the texts of a corpus use them."""

    def __init__(self, texts: Iterable[str]) -> None:
        corpus = list(texts)
        self.usual_case = UsualCase.learn(corpus)
        self._truecaser = Truecaser.learn(corpus)

    def summaries(self, summaries: Sequence[str], texts: Sequence[str]) -> SupportRates:
        """The rates of summaries that a model wrote."""
        return support_rates(summaries, texts, self.usual_case)

    def references(self, references: Sequence[str], texts: Sequence[str]) -> SupportRates:
        """The rates of references, respelt as for training: in title case all words are names."""
        pairs = zip(references, texts, strict=True)
        respelt = [self._truecaser.truecase(reference, text) for reference, text in pairs]
        return support_rates(respelt, texts, self.usual_case)


def support_table(rows: Sequence[tuple[str, str, SupportRates]]) -> str:
    """A Markdown table of (set, whose summaries, rates)."""
    lines = [
        "| set | of | unsupported names | in 100 summaries "
        "| unsupported numbers | in 100 summaries | escalation in texts that charge |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {whose} | {r.names} | {r.names_per_hundred:.1f} "
        f"| {r.numbers} | {r.numbers_per_hundred:.1f} | {r.escalation} |"
        for name, whose, r in rows
    ]
    return "\n".join(lines)

"""Gives the words of title-case targets the spelling that they have inside sentences.

A copy mechanism copies only what is spelt alike, and headlines are set in title case while their
texts are not: with case as it stands 55 % of the words of press headlines occur in their texts,
without it 85 %.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

_WORD = re.compile(r"(?:[^\W\d_]\.){2,}|[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
"""A word, or an abbreviation such as "U.S.", which keeps its case."""

_SENTENCE_BREAK = re.compile(r"(?:^|[.!?:;\n]|[.!?:]['\"\u2019\u201d)]|[\"\u201c(])\s*$")
_LONG_WORD = 4
"""From this many letters on, title case capitalises a word whatever its part of speech."""

_TITLE_SHARE = 0.8
_LOWER_SHARE = 0.2


def inside_spellings(text: str) -> dict[str, Counter[str]]:
    """How words are spelt inside the sentences of `text`, by case-folded form.

    Lines in title case are headlines that a text repeats: they say nothing of its sentences.
    """
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for line in text.splitlines():
        if is_title_case(line):
            continue
        for match in _WORD.finditer(line):
            before = line[max(0, match.start() - 4) : match.start()]
            if match.start() and not _SENTENCE_BREAK.search(before):
                spellings[match.group().casefold()][match.group()] += 1
    return spellings


def is_title_case(summary: str) -> bool:
    """Whether nearly all long words after the first begin with a capital."""
    words = [word for word in _WORD.findall(summary)[1:] if len(word) >= _LONG_WORD]
    capitalised = sum(word[0].isupper() for word in words)
    return len(words) >= 2 and capitalised >= _TITLE_SHARE * len(words)


class Truecaser:
    """Rewrites title-case targets; others pass through unchanged."""

    def __init__(self, spellings: dict[str, str]) -> None:
        self.spellings = spellings

    @classmethod
    def learn(cls, texts: Iterable[str]) -> Truecaser:
        """Keeps the commonest spelling inside sentences of every word of `texts`."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            for folded, spellings in inside_spellings(text).items():
                counts[folded].update(spellings)
        return cls({folded: usual(spellings) for folded, spellings in counts.items()})

    def truecase(self, summary: str, source: str) -> str:
        """`summary` with the source's spellings, else the corpus', the first word capitalised."""
        if not is_title_case(summary):
            return summary
        local = inside_spellings(source)
        shouted = summary.isupper()

        def respell(match: re.Match[str]) -> str:
            word = match.group()
            if word.endswith(".") or (word.isupper() and len(word) > 1 and not shouted):
                return word
            folded = word.casefold()
            if folded in local:
                return usual(local[folded])
            return self.spellings.get(folded, word)

        return capitalised(_WORD.sub(respell, summary))


def usual(spellings: Counter[str]) -> str:
    """The commonest spelling, or the lower-case one if it is no rarity.

    Names lend capitals to ordinary words ("Tax Division"), but not the other way round.
    """
    spelling, _ = spellings.most_common(1)[0]
    lower = spelling.casefold()
    return lower if spellings[lower] >= _LOWER_SHARE * spellings.total() else spelling


def capitalised(summary: str) -> str:
    """With a first letter in upper case, unless the word has one further on (as in "iOS")."""
    first = _WORD.search(summary)
    if first is None or first.start() > 1 or any(letter.isupper() for letter in first.group()):
        return summary
    at = first.start()
    return summary[:at] + summary[at].upper() + summary[at + 1 :]

"""Numbers as one spelling each: two = 2, twenty-second = 22nd, 1,000 = 1000, $2.5M = 2500000.

Works on digits as strings: a number may have more digits than Python turns into an int.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINAL_UNITS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
).split()

_CARDINALS = {word: value for value, word in enumerate(_UNITS)} | {
    word: 20 + 10 * place for place, word in enumerate(_TENS)
}
_ORDINALS = {word: value for value, word in enumerate(_ORDINAL_UNITS)} | {
    word[:-1] + "ieth": 20 + 10 * place for place, word in enumerate(_TENS)
}
SPELT = frozenset({*_CARDINALS, *_ORDINALS})
"""Words that are a number by themselves."""

SCALES = {
    "hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12,
    "k": 3, "m": 6, "mn": 6, "b": 9, "bn": 9, "t": 12,
}  # fmt: skip
"""How many zeros a word, or a letter behind the digits, adds."""

_DIGITS = re.compile(r"(\d+(?:,\d{3})*)(?:\.(\d+))?([^\W\d_]*)")
_ORDINAL_ENDINGS = ("st", "nd", "rd", "th")
_TENS_VALUES = range(20, 100, 10)


def digits_form(written: str) -> str:
    """The one spelling of a number that is written in digits: "1,000.50" is "1000.5".

    Ordinals keep "th", whatever theirs is; other letters stay: "5G" is "5g".
    """
    match = _DIGITS.fullmatch(written)
    if match is None:
        return written.casefold()
    whole, decimals, letters = match.groups(default="")
    letters = letters.casefold()
    if letters in _ORDINAL_ENDINGS:
        letters = "th"
    elif letters in SCALES:
        return scaled(_plain(whole, decimals), letters)
    return _plain(whole, decimals) + (letters if letters != "s" else "")


def spelt_form(words: Sequence[str]) -> str:
    """The one spelling of a number in words: ("twenty", "two") is "22", ("first",) is "1th"."""
    value = sum(_CARDINALS.get(word, _ORDINALS.get(word, 0)) for word in words)
    return f"{value}th" if words[-1] in _ORDINALS else str(value)


def joins(word: str, following: str) -> bool:
    """Whether two number words are one number, as "twenty" and "two" are."""
    unit = _CARDINALS.get(following, _ORDINALS.get(following, 0))
    return _CARDINALS.get(word) in _TENS_VALUES and 0 < unit < 10


def scaled(number: str, scale: str) -> str:
    """A number in its one spelling times a word or letter of `SCALES`."""
    whole, _, decimals = number.partition(".")
    zeros = SCALES[scale]
    moved = decimals[:zeros].ljust(zeros, "0")
    return _plain(whole + moved, decimals[zeros:])


def _plain(whole: str, decimals: str) -> str:
    digits = whole.replace(",", "").lstrip("0") or "0"
    decimals = decimals.rstrip("0")
    return f"{digits}.{decimals}" if decimals else digits

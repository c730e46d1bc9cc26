"""No name and no number in a summary that its source does not have."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from model.steering.choices import Offer, choices_for
from model.steering.filters import Moment, SearchOptions
from model.steering.support import UNCAPITALISED, UNSUPPORTED, SupportedNames, SupportState
from model.steering.support_tables import Role, support_tables
from model.tokenizer import EOS_ID
from model.unsupported import unsupported_words
from model.words.usual_case import UsualCase

WORDS = """ the city City Harrow Har row ris of on a A U S pays million thousand two twenty Twenty
six teen guilty convicted sentenced 2 5 000 22 $ “ ( us US said man""".split()
CHARACTERS = [chr(i) for i in range(33, 127)] + ["\u2019", "”"]
TEXTS = ["", "", "", " ", "'s", "st", "row", "ris", "teen", "ty", "000", "22"]
TEXTS += [*CHARACTERS, *(f" {text}" for text in [*CHARACTERS, *WORDS] if text)]
TEXTS = ["", "", "", *dict.fromkeys(text for text in TEXTS if text)]
PIECES = [text.encode() for text in TEXTS] + [b"\xc3", b"\x89"]
IDS = {text: i for i, text in enumerate(TEXTS)}
TABLES = support_tables(PIECES)
_WORD = re.compile(r"'s| ?[^\W\d_]+| ?\d+| ?[^\w\s]|\s")


def tokens(text: str) -> list[int]:
    """The pieces that are in the vocabulary, and letters where a word is not."""
    found: list[int] = []
    for part in _WORD.findall(f" {text}" if text else ""):
        whole = [IDS[part]] if part in IDS else _letters(part)
        found += whole
    return found


def _letters(part: str) -> list[int]:
    first = part[:2] if part.startswith(" ") else part[:1]
    return [IDS[first], *(IDS[letter] for letter in part[len(first) :])]


class Rule:
    """The rule over one source, as a graph: eagerly it would take its tests minutes."""

    def __init__(self, source_ids: list[int], hidden: int | None = None) -> None:
        self.ids = np.zeros((1, 64), np.int32)
        self.ids[0, : len(source_ids) + 1] = [*source_ids, EOS_ID]
        self.mask = self.ids > 0
        if hidden is not None:
            self.mask[0, hidden] = False
        self.state = _start(self.ids, self.mask)

    def judged(self, step: int, *, longest: int = 60, strict: bool = True) -> np.ndarray:
        """What is added to every token."""
        limits = np.array([longest], np.int32), np.array([strict])
        added = _judge(self.ids, self.mask, self.state, np.int32(step), *limits)
        row: np.ndarray = np.asarray(added)[0, 0]
        return row

    def write(self, token_id: int) -> None:
        """Goes on after a token."""
        token_ids = np.array([[token_id]], np.int32)
        self.state = _advance(self.ids, self.mask, self.state, token_ids)


def _rule(ids: Any, mask: Any) -> SupportedNames:
    return SupportedNames(TABLES, ids, mask, choices_for(ids, len(PIECES), len(PIECES)))


@tf.function(autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow is untyped
def _start(ids: Any, mask: Any) -> SupportState:
    return _rule(ids, mask).start(tf.zeros((1, 1), tf.int32))


@tf.function(autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow is untyped
def _judge(ids: Any, mask: Any, state: Any, step: Any, longest: Any, strict: Any) -> Any:
    options = SearchOptions(longest, tf.ones_like(longest), tf.ones(1), 1, strict)
    offer = Offer(tf.range(len(PIECES))[None, None])
    moment = Moment(step, tf.zeros((1, 1, 60), tf.int32), options, offer)
    return _rule(ids, mask).judge(tf.zeros((1, 1, len(PIECES))), state, moment)


@tf.function(autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow is untyped
def _advance(ids: Any, mask: Any, state: Any, token_ids: Any) -> SupportState:
    return _rule(ids, mask).advance(state, token_ids)


def first_refused(
    summary: str | list[int],
    source: str | list[int],
    *,
    longest: int = 60,
    hidden: int | None = None,
) -> int | None:
    """The place of the first token of the summary that may not come; `<eos>` is one."""
    written = tokens(summary) if isinstance(summary, str) else summary
    rule = Rule(tokens(source) if isinstance(source, str) else source, hidden)
    for step, token_id in enumerate([*written, EOS_ID][:longest]):
        if rule.judged(step, longest=longest)[token_id] <= UNSUPPORTED:
            return step
        rule.write(token_id)
    return None


@pytest.mark.parametrize(
    ("summary", "source"),
    [
        ("the man of Harrow", "the city of Harrow, said a man."),
        ("the man of Harris", "Harris said so"),
        ("the man of Harrow", "a plan (the Harrow said)"),
        ("the man of Harrow", "Harrow's man said so"),
        ("the man of Harrow", "Harrow\u2019s man said so"),
        ("Harrow's man", "Harrow's man said so"),
        ("the U.S. pays", "the man of the U.S. said"),
        ("the U.S.", "the man of the U.S."),
        ("pays $2.5 million", "the city pays $2.5 million."),
        ("pays 22,000", "it pays 22,000, said the man"),
        ("pays two million", "two pays a million"),
        ("the man of O'Harrow", "said O'Harrow"),
        ("the Har-row man", "the Har-row man"),
        ("the Harrow-based man", "the man of Harrow"),
        ("the man said so", ""),
        ("City pays", "the city pays"),
        ("A man pays", "a man"),
        ("City of Harrow", "the city of Harrow"),
        ("the man of Zug", "a man of Zug,"),
        ("the man is guilty", "the man was convicted"),
        ("the man is guilty", "the man was sentenced"),
    ],
)
def test_what_the_source_has_may_come(summary: str, source: str) -> None:
    assert first_refused(summary, source) is None


@pytest.mark.parametrize(
    ("summary", "source", "place"),
    [
        ("the man of Harrow", "the man of Harris", 3),
        ("the man of Har", "the man of Harris", 3),
        ("the man of Har said", "the man of Harris", 3),
        ("the man of Har, said", "the man of Harris", 3),
        ("the U.s. pays", "the U.S. pays its men", 3),
        ("the U pays", "the U.S. pays", 2),
        ("the U.S", "the U.S.A", 4),
        ("pays $2 million", "pays $2.5 million", 3),
        ("pays $5 million", "pays $2.5 million", 2),
        ("pays 22,000,000", "pays 22,000 and 5,000", 5),
        ("pays 22", "pays 222", 1),
        ("pays 22st", "pays 22 of 2st", 2),
        ("pays two", "pays a man", 1),
        ("Two men", "a man", 0),
        ("pays sixteen", "pays six", 3),
        ("pays six", "pays sixteen", 1),
        ("pays two", "pays twenty two men", 1),
        ("pays two", "pays twenty-two men", 1),
        ("pays twenty", "pays twenty-two men", 1),
        ("pays 2 million", "pays 2 thousand, in millions", 2),
        ("the c5 man", "the c", 2),
        ("the pre-Harrow man", "the anti-Harrow man", 5),
        ("US pays", "the man told us", 0),
        ("City pays", "the cityhall", 0),
        ("the City", "the city", 1),
        ("the man of HarrowCity", "Harrow City", 3),
        ("the man is guilty", "the man was charged", 4),
        ("the man is sentenced", "the man was convicted", 4),
    ],
)
def test_what_it_does_not_have_is_refused(summary: str, source: str, place: int) -> None:
    assert first_refused(summary, source) == place


def test_a_number_is_refused_however_its_word_is_cut() -> None:
    written = [IDS[" t"], IDS["w"], IDS["o"]]
    assert first_refused(written, "pays a man") == 2
    assert first_refused(written, "pays two") == 2, "the source cuts it otherwise"
    assert first_refused(written, written) is None


def test_half_a_character_may_be_a_capital() -> None:
    capital = [IDS[" "], len(TEXTS), len(TEXTS) + 1]  # É
    assert first_refused(capital, "a man") == 1
    assert first_refused(capital, capital) is None


def test_no_name_begins_that_the_longest_summary_would_cut() -> None:
    source = "the man of Zug said"
    assert len(tokens("of Zug")) == 4
    assert first_refused("of Zug", source, longest=4) is None
    assert first_refused("of Zug", source, longest=3) == 1


def test_hidden_positions_support_nothing() -> None:
    source = tokens("the Har row man")
    assert first_refused("the Har", source) is None
    assert first_refused("the Har", source, hidden=1) == 1
    assert first_refused("the Har", source, hidden=2) == 1, "the word may go on there"


def test_loose_support_refuses_nothing_and_still_wants_a_capital() -> None:
    rule = Rule(tokens("the city"))
    assert rule.judged(3, strict=False).min() == 0.0
    first = rule.judged(0, strict=False)
    assert first.min() == first[IDS[" city"]] == UNCAPITALISED


def test_tables_know_what_tokens_do_to_a_word() -> None:
    assert TABLES.named[[IDS[" Har"], IDS[" 2"], IDS["S"], len(TEXTS)]].all()
    assert not TABLES.named[[IDS[" the"], IDS["row"], EOS_ID]].any()
    assert (TABLES.role[[IDS["row"], IDS["'s"], 0]] == Role.GOES_ON).all()
    assert (TABLES.role[[IDS["."], IDS[","], IDS["'"]]] == Role.MAY_GO_ON).all()
    assert (TABLES.role[[IDS["-"], IDS[" the"], EOS_ID]] == Role.ENDS).all()
    assert TABLES.lower[IDS[" City"]] == IDS[" city"]
    assert TABLES.lower[IDS[" US"]] == IDS[" US"]


_SOURCES = st.lists(
    st.sampled_from(
        "the City Harrow Harris U.S. US us 2.5 22,000 $2 million twenty-two twenty six sixteen "
        "two's Harrow's O'Harris F-22 (Har) “Row” c5 a.b. S.”, said of 2nd row's U.S.-row".split()
    ),
    max_size=12,
).map(" ".join)


@given(_SOURCES, st.integers(0, 2**32 - 1), st.integers(1, 14))
def test_whatever_the_rule_allows_counts_as_supported(source: str, seed: int, longest: int) -> None:
    rng, rule, written = np.random.default_rng(seed), Rule(tokens(source)[:60]), list[int]()
    texts = np.array([bool(text) for text in TEXTS] + [False, False])
    likely = np.isin(np.arange(len(PIECES)), tokens(source)) * 8 + 1
    for step in range(longest):
        chances = (rule.judged(step, longest=longest) > UNSUPPORTED) * texts * likely
        assert chances.any(), "a way out is always left"
        written.append(int(rng.choice(len(chances), p=chances / chances.sum())))
        rule.write(written[-1])
    summary = "".join(TEXTS[token_id] for token_id in written).strip()
    words = frozenset(re.findall(r"\w+", f"{source} {summary}".casefold()))
    assert unsupported_words(summary, source) == [], summary
    assert unsupported_words(summary, source, UsualCase(names=words)) == []

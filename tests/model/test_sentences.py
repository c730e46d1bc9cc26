from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sentencex
from hypothesis import given
from hypothesis import strategies as st

from model.sentences import (
    LONGEST_QUOTATION,
    WINDOW,
    chunks,
    read_in_chunks,
    sentence_ids,
    split_sentences,
)
from model.tokenizer import EOS_ID, Tokenizer

SIZE = 200_000
HOSTILE = {
    "no full stop": "word " * (SIZE // 5),
    "one word": "a" * SIZE,
    "line ends": "\n" * SIZE,
    "carriage returns and line ends": "\r\n" * (SIZE // 2),
    "full stops": "." * SIZE,
    "full stops and spaces": ". " * (SIZE // 2),
    "blank lines": "a\n\n" * (SIZE // 3),
    "spaces": (" " * 997 + "a. ") * (SIZE // 1000),
    "abbreviations": "Mr. " * (SIZE // 4),
    "right to left": "שלום עולם. " * (SIZE // 11),
    "emoji": "😀" * SIZE,
    "emoji and full stops": "😀. " * (SIZE // 3),
    "opening quotation marks": "“a. " * (SIZE // 4),
    "straight quotation marks": ' "' * (SIZE // 2),
    "brackets": "(a. " * (SIZE // 4),
    "list items": "- a\n" * (SIZE // 4),
}
LINE_ENDS = ["\n", "\r\n", "\r", "\n\n", " \n \n", "\x1c", "\u2028", "\u2029"]
MARKS = [". ", "! ", "。", "…", "“", "” ", '"', ' "', "(", ") ", "- ", "1. ", "(1) ", "• "]
WORDS = ["Mr. ", "U.S. ", "tram ", "Vexley", "e\u0301", "שלום", "日本", "3.5 ", "x" * 700 + " "]
ODD = ["😀", "👩\u200d👩\u200d👧", "\x00", "\ufeff"]
PIECES = st.sampled_from([*LINE_ENDS, *MARKS, *WORDS, *ODD])


def pieces(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


def assert_spans_cover(text: str) -> None:
    position = 0
    for start, end in split_sentences(text):
        assert position <= start < end
        assert text[position:start].strip() == ""
        assert text[start:end] == text[start:end].strip()
        position = end
    assert text[position:].strip() == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t ", []),
        ("no end in sight", ["no end in sight"]),
        ("It rained. The tram ran!", ["It rained.", "The tram ran!"]),
        ("  Late?  \r\n Yes. ", ["Late?", "Yes."]),
        ("Mr. Vex ran 3.5 miles. Then he left.", ["Mr. Vex ran 3.5 miles.", "Then he left."]),
        ("Dr. A. B. Orme of the U.S. Navy spoke.", ["Dr. A. B. Orme of the U.S. Navy spoke."]),
        ("On Jan. 25, 2008, it began.", ["On Jan. 25, 2008, it began."]),
        ("这是一句话。还有一句！", ["这是一句话。", "还有一句！"]),
        ("هل هذا؟ نعم.", ["هل هذا؟", "نعم."]),
        ("😀 A. tram 👩‍👩‍👧 came. 😀 It left.", ["😀 A. tram 👩‍👩‍👧 came.", "😀 It left."]),
    ],
)  # fmt: skip
def test_sentences_end_at_full_stops_that_are_no_abbreviations(
    text: str, expected: list[str]
) -> None:
    assert pieces(text) == expected


@pytest.mark.parametrize(
    "blank", ["\n\n", "\r\n\r\n", "\r\r", "\n \t\n", "\n\u2003\n\n", "\u2029\n"]
)
def test_a_blank_line_ends_a_sentence(blank: str) -> None:
    assert pieces(f"A new line{blank}and its trams{blank}") == ["A new line", "and its trams"]


def test_a_line_end_alone_ends_no_sentence() -> None:
    assert pieces("The tram line\r\nopens\non Monday. It\nruns.") == [
        "The tram line\r\nopens\non Monday.",
        "It\nruns.",
    ]


@pytest.mark.parametrize(
    "items", [["- open", "- close"], ["• Open", "• Close"], ["1. Open", "2. Close"]]
)
def test_list_items_are_sentences(items: list[str]) -> None:
    assert pieces("\n".join(["Agenda", *items])) == ["Agenda", *items]


@pytest.mark.parametrize(
    "text",
    [
        "See www.TRAMS.example for more.",
        "Loads of up to 91,000 lbs. on six axles are allowed.",
        "It was built in two parts (June 29, 2010) by hand (July 4, 2011) and slowly.",
        "He was told (1) to stop, (2) to wait and (3) to go home.",
        "She asked “Late?” and left.",
    ],
)
def test_what_looks_like_an_end_is_none(text: str) -> None:
    assert pieces(text) == [text]


def test_a_quotation_stays_whole_with_the_words_that_say_whose_it_is() -> None:
    parts = ["It rained.", "“We go on. We must,” said Orme.", "“And now? Home.”", "All left."]
    assert pieces(" ".join(parts)) == parts


def test_a_speech_is_cut_into_its_sentences() -> None:
    sentence = "We go on and on and on."
    speech = " ".join([sentence] * (LONGEST_QUOTATION // len(sentence) + 1))
    found = pieces(f"Orme spoke: “{speech}” Then he left.")
    assert found[1:-2] == [sentence] * (len(found) - 3)
    assert (found[0], found[-2:]) == (f"Orme spoke: “{sentence}", [f"{sentence}”", "Then he left."])


def test_an_opening_quotation_mark_belongs_to_what_follows() -> None:
    speech = "We go. " * 100
    found = pieces(f"“{speech}“ To stay is odd. {speech}”")
    assert "“ To stay is odd." in found
    assert pieces("He left. “ It is odd.") == ["He left.", "“ It is odd."]


@pytest.mark.parametrize("offset", range(0, 60, 7))
def test_a_long_paragraph_has_the_sentences_of_a_short_one(offset: int) -> None:
    sentence = "Mr. Vex of the U.S. Navy sent 91,000 lbs. of rope to St. Orme on Jan. 5."
    count = 3 * WINDOW // len(sentence)
    text = "Word " * offset + "came. " + " ".join([sentence] * count)
    assert pieces(text)[1:] == [sentence] * count


def test_a_sentence_longer_than_a_window_is_whole() -> None:
    text = "On and on it goes, " * (WINDOW // 5) + "then ends. Next."
    assert pieces(text) == [text[:-6], "Next."]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts_are_covered(text: str) -> None:
    assert_spans_cover(text)


@pytest.mark.parametrize("text", [HOSTILE["opening quotation marks"], "这是一句话。" * 30_000])
def test_the_library_reads_little_at_once_and_nothing_often(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    read: list[int] = []
    library = sentencex.get_sentence_boundaries

    def watched(language: str, part: str) -> list[dict[str, Any]]:
        read.append(len(part))
        return library(language, part)

    monkeypatch.setattr(sentencex, "get_sentence_boundaries", watched)
    split_sentences(text)
    assert max(read) <= WINDOW
    assert sum(read) < 4 * len(text)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_spans_cover_everything_but_whitespace_in_order(text: str) -> None:
    assert_spans_cover(text)


# ------------------------------------------------------------------------------ tokens, chunks


def test_a_token_belongs_to_the_sentence_in_which_it_starts() -> None:
    found = sentence_ids([(0, 2), (2, 3), (3, 4), (4, 6), (6, 9), (9, 10)], [(0, 3), (4, 7)])
    np.testing.assert_array_equal(found, [1, 1, 0, 2, 2, 0])
    assert found.dtype == np.int32


def test_no_sentences_or_no_tokens() -> None:
    np.testing.assert_array_equal(sentence_ids([(0, 1)], []), [0])
    assert sentence_ids([], [(0, 1)]).shape == (0,)


@given(st.lists(PIECES, max_size=20).map("".join))
def test_every_token_that_is_not_whitespace_has_a_sentence(tokenizer: Tokenizer, text: str) -> None:
    sentences, spans = split_sentences(text), tokenizer.encode(text).spans
    for (start, end), number in zip(spans, sentence_ids(spans, sentences), strict=True):
        if number:
            first, last = sentences[number - 1]
            assert first <= start < last
        else:
            assert text[start:end].isspace()


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], []),
        ([3], [range(1)]),
        ([3, 3, 4], [range(3)]),
        ([3, 3, 5], [range(2), range(2, 3)]),
        ([11, 1], [range(1), range(1, 2)]),
        ([1, 11], [range(1), range(1, 2)]),
        ([0, 0, 10, 0, 1], [range(4), range(4, 5)]),
    ],
)
def test_chunks_are_filled_with_whole_sentences(counts: list[int], expected: list[range]) -> None:
    assert chunks(counts, 10) == expected


def test_a_chunk_needs_room() -> None:
    with pytest.raises(ValueError, match="limit of 0"):
        chunks([1], 0)


@given(st.lists(st.integers(0, 12)), st.integers(1, 12))
def test_chunks_cover_all_sentences_in_order(counts: list[int], limit: int) -> None:
    found = chunks(counts, limit)
    assert [index for part in found for index in part] == list(range(len(counts)))
    totals = [sum(counts[index] for index in part) for part in found]
    for part, total in zip(found, totals, strict=True):
        assert total <= limit or sum(counts[index] > 0 for index in part) == 1
    for total, following in zip(totals, found[1:], strict=False):
        assert total + counts[following.start] > limit  # no room was left for it


def test_a_text_that_fits_is_read_as_it_is_encoded(tokenizer: Tokenizer) -> None:
    text = "The tram ran.\n\n 😀 It was late.  "
    encoded, sentences = tokenizer.encode(text), split_sentences(text)
    (chunk,) = read_in_chunks(encoded, sentences, len(encoded.ids))
    assert chunk.sentences == range(2)
    assert chunk.source_ids == encoded.ids
    assert chunk.sentence_ids == [*sentence_ids(encoded.spans, sentences), 0]


def test_a_long_text_is_read_in_chunks_that_end_where_sentences_end(tokenizer: Tokenizer) -> None:
    text = " ".join(["The tram ran late."] * 10)
    encoded, sentences = tokenizer.encode(text), split_sentences(text)
    each = (len(encoded.ids) - 1) // 10
    found = read_in_chunks(encoded, sentences, 3 * each + 2)
    assert [chunk.sentences for chunk in found] == [
        range(3),
        range(3, 6),
        range(6, 9),
        range(9, 10),
    ]
    for chunk in found:
        first = chunk.sentences.start * each
        count = len(chunk.sentences)
        assert chunk.source_ids == [*encoded.ids[first : first + count * each], EOS_ID]
        assert chunk.sentence_ids == [*np.repeat(np.arange(1, count + 1), each), 0]


def test_a_sentence_that_is_too_long_loses_its_end(tokenizer: Tokenizer) -> None:
    text = "The tram ran late and later. It ran."
    encoded = tokenizer.encode(text)
    first, *_, last = read_in_chunks(encoded, split_sentences(text), 4)
    assert first.source_ids == [*encoded.ids[:3], EOS_ID]
    assert first.sentence_ids == [1, 1, 1, 0]
    assert last.sentences == range(1, 2)


@given(st.lists(PIECES, max_size=20).map("".join), st.integers(2, 40))
def test_chunks_hold_every_token_in_order_and_no_more_than_is_read(
    tokenizer: Tokenizer, text: str, limit: int
) -> None:
    encoded, sentences = tokenizer.encode(text), split_sentences(text)
    found = read_in_chunks(encoded, sentences, limit)
    assert [index for chunk in found for index in chunk.sentences] == list(range(len(sentences)))
    assert all(len(c.source_ids) == len(c.sentence_ids) <= limit for c in found)
    assert all(max(c.sentence_ids) <= len(c.sentences) for c in found)
    if all(len(chunk.source_ids) < limit for chunk in found):  # nothing was cut
        read = [token for chunk in found for token in chunk.source_ids[:-1]]
        assert read == encoded.ids[:-1] or not sentences

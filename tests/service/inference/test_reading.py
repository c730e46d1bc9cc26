"""What of a text is read: the whole, the lead, or a selection, with spans into what was sent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.sentences import split_sentences
from model.tokenizer import Tokenizer
from service.inference.reading import Reading, best_that_fit, read, select_passages
from service.predictor import SummarizeOptions

LIMIT = 24

SENTENCES = [
    "The harbour board met on Monday.",
    "It was 4 °C.",
    "A “new” quay 😀 is planned for Grünau!",
    "Nobody objected.",
    "Costs are shared by two towns.",
    "Work may begin in May.",
]
TEXT = "  \n" + " \t ".join(SENTENCES[:3]) + "\n\n" + "  ".join(SENTENCES[3:]) + " \n"

OPTIONS = SummarizeOptions(
    style="headline", num_beams=1, max_new_tokens=3, min_new_tokens=1, length_penalty=1.0,
    truncation="lead", support="strict", key_sentences=3, candidates=1,
)  # fmt: skip
SELECT = replace(OPTIONS, truncation="select")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([TEXT] * 3, SENTENCES, ["headline"], 400)


def selected(tokenizer: Tokenizer, text: str, logits: list[float], limit: int = LIMIT) -> Reading:
    return select_passages(
        text, read(text, tokenizer, SELECT, limit), np.array(logits), tokenizer, limit
    )


@pytest.mark.parametrize("truncation", ["lead", "select"])
def test_a_text_that_fits_is_read_whole_with_the_sentence_of_each_token(
    tokenizer: Tokenizer, truncation: str
) -> None:
    reading = read(TEXT, tokenizer, replace(OPTIONS, truncation=truncation), 999)
    assert reading.source == tokenizer.encode(TEXT)
    assert reading.chunks == []
    assert reading.passages is None
    assert [TEXT[slice(*span)] for span in reading.sentences] == SENTENCES
    assert reading.sentence_ids[-1] == 0
    assert len(reading.sentence_ids) == len(reading.source.ids)
    for number, (start, end) in zip(reading.sentence_ids, reading.source.spans, strict=False):
        first, last = reading.sentences[number - 1]
        assert first <= start < end <= last


@pytest.mark.parametrize("truncation", ["lead", "select", "error"])
def test_without_key_sentences_none_are_sought_in_a_text_that_fits(
    tokenizer: Tokenizer, truncation: str
) -> None:
    options = replace(OPTIONS, truncation=truncation, key_sentences=0)
    reading = read(TEXT, tokenizer, options, 999)
    assert (reading.sentences, reading.chunks) == ([], [])
    assert set(reading.sentence_ids) == {0}


@pytest.mark.parametrize("key_sentences", [0, 3])
def test_of_a_longer_text_the_lead_is_read_as_the_tokenizer_cuts_it(
    tokenizer: Tokenizer, key_sentences: int
) -> None:
    reading = read(TEXT, tokenizer, replace(OPTIONS, key_sentences=key_sentences), LIMIT)
    assert reading.source == tokenizer.encode(TEXT, max_tokens=LIMIT)
    assert reading.sentence_ids == [0] * len(reading.source.ids)
    assert LIMIT - 4 <= len(reading.source.ids) <= LIMIT
    covered = [index for chunk in reading.chunks for index in chunk.sentences]
    assert covered == (list(range(len(SENTENCES))) if key_sentences else [])
    assert all(len(chunk.source_ids) <= LIMIT for chunk in reading.chunks)


def test_a_text_that_may_not_be_cut_is_not_split_first(tokenizer: Tokenizer) -> None:
    reading = read(TEXT, tokenizer, replace(OPTIONS, truncation="error"), LIMIT)
    assert reading.source.truncated
    assert (reading.sentences, reading.chunks) == ([], [])


def test_the_first_and_the_best_sentences_are_read_in_the_texts_order(
    tokenizer: Tokenizer,
) -> None:
    lengths = [len(ids) for ids in tokenizer.encode_ids(SENTENCES)]
    room = lengths[0] + lengths[3] + lengths[5] + 1
    reading = selected(tokenizer, TEXT, [-9.0, 0.0, 0.0, 1.0, 0.0, 2.0], room)
    assert reading.passages == [reading.sentences[index] for index in (0, 3, 5)]
    assert reading.source.ids == [
        *(i for n in (0, 3, 5) for i in tokenizer.encode(SENTENCES[n]).ids[:-1]), 1,
    ]  # fmt: skip
    assert reading.sentence_ids == [0] * len(reading.source.ids)
    assert reading.source.truncated
    assert reading.source.total_tokens == tokenizer.encode(TEXT).total_tokens
    assert reading.source.used_end == reading.sentences[5][1]


def test_neighbours_make_one_passage(tokenizer: Tokenizer) -> None:
    lengths = [len(ids) for ids in tokenizer.encode_ids(SENTENCES)]
    room = lengths[0] + lengths[1] + lengths[4] + lengths[5] + 1
    reading = selected(tokenizer, TEXT, [0.0, 5.0, 0.0, 0.0, 5.0, 5.0], room)
    passages = [TEXT[slice(*span)] for span in reading.passages or []]
    assert passages == [" \t ".join(SENTENCES[:2]), "  ".join(SENTENCES[4:])]


@settings(deadline=None)  # other work may hold up the processor
@given(order=st.permutations(range(len(SENTENCES))), limit=st.integers(4, 40))
def test_spans_of_a_selection_point_into_the_text_that_was_sent(
    tokenizer: Tokenizer, order: list[int], limit: int
) -> None:
    reading = selected(tokenizer, TEXT, [float(place) for place in order], limit)
    source = reading.source
    assert len(source.ids) <= limit
    assert len(source.spans) == len(source.ids) - 1
    assert source.spans == sorted(source.spans)
    covered = {place for span in source.spans for place in range(*span)}
    read_places = {p for span in reading.passages or [] for p in range(*span)}
    assert all(TEXT[place].isspace() for place in read_places - covered)
    assert covered <= read_places
    for token_id, (start, end) in zip(source.ids, source.spans, strict=False):
        piece = tokenizer.token_bytes(token_id).strip()
        assert piece in TEXT[start:end].encode()


def test_a_first_sentence_that_is_too_long_is_read_as_far_as_it_fits(tokenizer: Tokenizer) -> None:
    text = "word " * 40 + "end. It is short."
    assert len(split_sentences(text)) == 2
    reading = selected(tokenizer, text, [0.0, 9.0])
    cut = tokenizer.encode(text, max_tokens=LIMIT)
    assert reading.source == cut
    assert reading.passages == [(0, cut.used_end)]


def test_with_equal_scores_the_earlier_sentences_are_read() -> None:
    assert best_that_fit([2, 2, 2, 2], [0.0] * 4, 6) == [0, 1, 2]


def test_what_does_not_fit_leaves_room_for_what_does() -> None:
    assert best_that_fit([2, 9, 3, 4, 1], [0.0, 9.0, 1.0, 8.0, 2.0], 8) == [0, 3, 4]
    assert best_that_fit([9, 1], [0.0, 1.0], 8) == [0]

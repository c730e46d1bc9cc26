"""Words and sentences of a text as the tokens that are hidden with them."""

from __future__ import annotations

import numpy as np

from model.explanation.document import by_unit, count, keep_masks, read_document
from model.tokenizer import EOS_ID, Tokenizer, word_spans

TEXT = "The harbour of Aldermoor opens on Monday. Two ferries call there, and  a market is held."


def test_every_token_belongs_to_the_word_and_the_sentence_in_which_it_starts(
    tokenizer: Tokenizer,
) -> None:
    source = tokenizer.encode(TEXT)
    summary = [*tokenizer.encode("harbour Opens").ids]
    document = read_document(tokenizer, TEXT, source, summary, "headline")
    words = word_spans(TEXT)
    assert count(document.words) == len(words)
    assert count(document.sentences) == 2
    for token, (start, end) in enumerate(source.spans):
        word = words[document.words[token]]
        assert word[0] <= start < word[1] or TEXT[start:end].isspace()
        assert document.sentences[token] == (start > TEXT.index("."))
    assert (document.words[-1], document.sentences[-1]) == (-1, -1)
    said = [TEXT[slice(*words[i])] for i in np.flatnonzero(document.overlap)]
    assert said == ["harbour", "opens"]
    first_of_second = [TEXT[slice(*word)] for word in words].index("Two")
    expected = np.arange(len(words)) >= first_of_second
    np.testing.assert_array_equal(document.sentence_of_word, expected)


def test_a_text_that_is_cut_has_the_words_that_are_read(tokenizer: Tokenizer) -> None:
    source = tokenizer.encode(TEXT, max_tokens=6)
    document = read_document(tokenizer, TEXT, source, [EOS_ID], "headline")
    assert len(document.words) == len(document.sentences) == 6
    assert count(document.words) == len(document.overlap) <= 5
    assert count(document.sentences) == 1
    assert sorted(set(document.words.tolist())) == list(range(-1, count(document.words)))


def test_units_are_hidden_whole_and_the_end_mark_never() -> None:
    units = np.array([0, 0, 1, 2, -1])
    kept = np.array([[True, False, True], [False, False, False]])
    assert keep_masks(units, kept).tolist() == [
        [True, True, False, True, True],
        [False, False, False, False, True],
    ]


def test_scores_of_tokens_add_up_in_their_units() -> None:
    units = np.array([0, 0, 1, 2, -1])
    found = by_unit(np.array([0.1, 0.2, 0.3, 0.0, 0.4]), units)
    np.testing.assert_allclose(found, [0.3, 0.3, 0.0])

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
import regex
from hypothesis import assume, given
from hypothesis import strategies as st

from model.subwords.byte_level import REPLACEMENT
from model.tokenizer import (
    EOS_ID,
    MASK_ID,
    NUM_SPARE_STARTS,
    PAD_ID,
    EncodedText,
    Tokenizer,
    word_spans,
)

ODD_TEXTS = [
    "👩‍👩‍👧‍👦",  # joined by zero-width joiners
    "👍🏽",  # a skin tone
    "🇩🇪🇫🇷",  # flags are pairs of letters
    "e\u0301a\u0308\u0323",  # combining marks
    "שלום עולם",
    "مرحبا بالعالم",
    "日本語の文章",
    "안녕하세요",
    "\r\n",
    "\n",
    "\t",
    "\u00a0",  # no-break space
    "\u2003",
    "\u200b",  # zero-width space, which is no space
    "\ufeff",  # byte order mark
    "\x00",
    "\x1c",  # whitespace to Python and not to Unicode
    "\x85",
    "ﬁ",
    "ﬃ",
    "ß",
    "İ",
    "Ǆ",
    "<pad>",
    "<eos>",
    "<mask>",
    "<start:headline>",
    "Ġ",  # the library's own marker
    "\ufffd",
    "\U0010ffff",
    " ",
    "council",
    "Voted",
    "3,000",
    "don’t",
]

texts = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=3)), max_size=12).map("".join),
    st.lists(st.sampled_from(ODD_TEXTS), max_size=8).map(" ".join),
)


def collapsed(text: str) -> tuple[str, list[int]]:
    """The text that is tokenized, and for each of its characters the source's index."""
    words = [(m.group(), m.start()) for m in regex.finditer(r"\P{White_Space}+", text)]
    characters, indices = [], []
    for word, start in words:
        if characters:
            characters.append(" ")
            indices.append(start)
        characters += word
        indices += range(start, start + len(word))
    return "".join(characters), indices


def slices(text: str, encoded: EncodedText) -> list[str]:
    return [text[start:end] for start, end in encoded.spans]


@given(texts)
def test_ids_are_text_tokens_and_one_end(tokenizer: Tokenizer, text: str) -> None:
    encoded = tokenizer.encode(text)
    assert encoded.ids[-1] == EOS_ID
    assert len(encoded.spans) == len(encoded.ids) - 1
    assert all(tokenizer.token_bytes(token_id) for token_id in encoded.ids[:-1])


@given(texts)
def test_every_byte_lies_in_its_tokens_span(tokenizer: Tokenizer, text: str) -> None:
    """The strongest of the rules: tokens spell the text, each within its own span."""
    encoded = tokenizer.encode(text)
    plain, indices = collapsed(text)
    owners = [
        index for index, character in zip(indices, plain, strict=True) for _ in character.encode()
    ]
    spelt = b"".join(tokenizer.token_bytes(token_id) for token_id in encoded.ids)
    assert spelt == (" " + plain if plain else "").encode()
    position = -1  # the virtual space belongs to no character
    for token_id, (start, end) in zip(encoded.ids, encoded.spans, strict=False):
        for _ in tokenizer.token_bytes(token_id):
            if position >= 0 and not spelt[position + 1 : position + 2].isspace():
                assert start <= owners[position] < end
            position += 1


@given(texts)
def test_spans_lie_in_the_text_and_are_not_empty(tokenizer: Tokenizer, text: str) -> None:
    assert all(0 <= start < end <= len(text) for start, end in tokenizer.encode(text).spans)


@given(texts)
def test_spans_have_no_leading_whitespace_but_where_they_are_nothing_else(
    tokenizer: Tokenizer, text: str
) -> None:
    for piece in slices(text, tokenizer.encode(text)):
        assert piece.isspace() or piece == piece.lstrip()


@given(texts)
def test_starts_and_ends_never_decrease(tokenizer: Tokenizer, text: str) -> None:
    spans = tokenizer.encode(text).spans
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)
    assert [end for _, end in spans] == sorted(end for _, end in spans)


@given(texts, st.integers(1, 12))
def test_every_character_lies_in_some_span_up_to_used_end(
    tokenizer: Tokenizer, text: str, max_tokens: int
) -> None:
    encoded = tokenizer.encode(text, max_tokens)
    covered = {i for start, end in encoded.spans for i in range(start, end)}
    missing = [i for i in range(encoded.used_end) if i not in covered and not text[i].isspace()]
    assert missing == []


@given(texts)
def test_a_whole_text_is_used_to_its_last_character(tokenizer: Tokenizer, text: str) -> None:
    encoded = tokenizer.encode(text)
    assert not regex.search(r"\P{White_Space}", text[encoded.used_end :])
    assert not encoded.truncated


def test_a_cut_leaves_no_half_of_a_word(tokenizer: Tokenizer) -> None:
    text = "The harbour line of Vexleyton opens."
    for most in range(2, len(tokenizer.encode(text).ids)):
        cut = tokenizer.encode(text, most)
        assert text[cut.used_end : cut.used_end + 1] in (" ", ""), most


@given(texts, st.integers(1, 12))
def test_cutting_keeps_the_first_tokens_and_the_end(
    tokenizer: Tokenizer, text: str, max_tokens: int
) -> None:
    whole, cut = tokenizer.encode(text), tokenizer.encode(text, max_tokens)
    most = min(len(whole.spans), max_tokens - 1)
    kept = len(cut.spans)
    assert most - 16 < kept <= most or kept == most == 0
    assert cut.ids == [*whole.ids[:kept], EOS_ID]
    assert cut.spans == whole.spans[:kept]
    assert cut.total_tokens == len(whole.ids)
    assert cut.truncated == (len(whole.ids) > max_tokens)
    assert cut.used_end == (whole.spans[kept - 1][1] if kept else 0)


@given(texts)
def test_decoding_gives_the_text_with_its_spaces_collapsed(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids).text == collapsed(text)[0].strip()


@given(texts)
def test_a_text_encodes_to_the_same_ids_alone_and_in_a_batch(
    tokenizer: Tokenizer, text: str
) -> None:
    assert tokenizer.encode_ids([text, "x"])[0] == tokenizer.encode(text).ids[:-1]


@given(texts)
def test_a_reloaded_tokenizer_says_the_same(
    tokenizer: Tokenizer, reloaded: Tokenizer, text: str
) -> None:
    assert reloaded.encode(text) == tokenizer.encode(text)


@pytest.fixture(scope="module")
def reloaded(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path: Path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(path)
    return Tokenizer.load(path)


def test_a_reloaded_tokenizer_has_the_same_vocabulary(
    tokenizer: Tokenizer, reloaded: Tokenizer
) -> None:
    assert reloaded.vocab_size == tokenizer.vocab_size
    assert reloaded.styles == tokenizer.styles
    pieces = [[t.token_bytes(i) for i in range(t.vocab_size)] for t in (tokenizer, reloaded)]
    assert pieces[0] == pieces[1]


@pytest.mark.parametrize("special", ["<pad>", "<eos>", "<mask>", "<start:headline>"])
@pytest.mark.parametrize("where", ["{}", "a {} b", "a{}b", "\n{}"])
def test_special_tokens_are_never_parsed_out_of_text(
    tokenizer: Tokenizer, reloaded: Tokenizer, special: str, where: str
) -> None:
    text = where.format(special)
    for either in (tokenizer, reloaded):
        encoded = either.encode(text)
        assert all(either.token_bytes(token_id) for token_id in encoded.ids[:-1])
        assert either.decode(encoded.ids).text == text.strip()


@pytest.mark.parametrize("word", ["council", "The", "3,000", "don’t", "日本"])
@pytest.mark.parametrize("before", ["A ", "A\n", "A\r\n\r\n", "A\u00a0", "\t", "  ", "A \u2003 "])
def test_a_word_has_the_same_ids_wherever_it_stands(
    tokenizer: Tokenizer, word: str, before: str
) -> None:
    alone = tokenizer.encode(word).ids
    assert tokenizer.encode(before + word).ids[-len(alone) :] == alone


def test_runs_of_whitespace_are_one_space(tokenizer: Tokenizer) -> None:
    one, many = tokenizer.encode("to the sea"), tokenizer.encode(" to\t \u00a0the\r\n\n sea \n")
    assert one.ids == many.ids
    assert slices("to the sea", one) == slices(" to\t \u00a0the\r\n\n sea \n", many)


def test_the_pieces_of_a_character_share_its_span(tokenizer: Tokenizer) -> None:
    encoded = tokenizer.encode("a🧀b")
    assert encoded.spans == [(0, 1), *[(1, 2)] * 4, (2, 3)]


@pytest.mark.parametrize("text", ["", " ", "\r\n\u00a0\t"])
def test_a_text_without_characters_is_only_an_end(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.encode(text) == EncodedText([EOS_ID], [], 1, 0, truncated=False)


def test_one_word_of_a_megabyte_is_encoded_in_seconds(tokenizer: Tokenizer) -> None:
    text = "council" * 150_000
    began = time.perf_counter()
    encoded = tokenizer.encode(text, 512)
    assert time.perf_counter() - began < 20.0
    assert len(encoded.ids) == 512
    assert encoded.truncated


def test_decoding_nothing_gives_nothing(tokenizer: Tokenizer) -> None:
    decoded = tokenizer.decode([])
    assert (decoded.text, decoded.spans) == ("", [])


@given(st.data())
def test_decoded_spans_lie_in_the_stripped_text_in_order(
    tokenizer: Tokenizer, data: st.DataObject
) -> None:
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=16))
    decoded = tokenizer.decode(ids)
    assert decoded.text == decoded.text.strip()
    assert len(decoded.spans) == len(ids)
    assert all(0 <= start <= end <= len(decoded.text) for start, end in decoded.spans)
    pieces = [decoded.text[start:end] for start, end in decoded.spans]
    assert all(piece.isspace() or piece == piece.lstrip() for piece in pieces)


@given(texts)
def test_decoded_spans_show_each_tokens_own_text(tokenizer: Tokenizer, text: str) -> None:
    assume("\x1c" not in text)  # stripped as whitespace by Python, kept as text by the tokenizer
    ids = tokenizer.encode(text).ids[:-1]
    decoded = tokenizer.decode(ids)
    covered = {i for start, end in decoded.spans for i in range(start, end)}
    assert [i for i, c in enumerate(decoded.text) if i not in covered and not c.isspace()] == []
    for token_id, (start, end) in zip(ids, decoded.spans, strict=True):
        piece = tokenizer.token_bytes(token_id).decode(errors="ignore").strip()
        assert piece in decoded.text[start:end]


def byte_id(tokenizer: Tokenizer, byte: int) -> int:
    return next(i for i in range(tokenizer.vocab_size) if tokenizer.token_bytes(i) == bytes([byte]))


def test_a_run_of_invalid_bytes_is_one_replacement_that_its_tokens_share(
    tokenizer: Tokenizer,
) -> None:
    word = tokenizer.encode("sea").ids[:-1]
    broken = [byte_id(tokenizer, byte) for byte in (0xE2, 0x82, 0xFF)]
    decoded = tokenizer.decode([*word, *broken, *tokenizer.encode("a").ids])
    assert decoded.text == f"sea{REPLACEMENT} a"
    assert decoded.spans[len(word) : len(word) + 3] == [(3, 4)] * 3


def test_two_runs_of_invalid_bytes_are_two_replacements(tokenizer: Tokenizer) -> None:
    broken, letter = byte_id(tokenizer, 0x80), byte_id(tokenizer, ord("x"))
    decoded = tokenizer.decode([broken, broken, letter, broken])
    assert decoded.text == f"{REPLACEMENT}x{REPLACEMENT}"
    assert decoded.spans == [(0, 1), (0, 1), (1, 2), (2, 3)]


def test_the_pieces_of_a_decoded_character_share_its_span(tokenizer: Tokenizer) -> None:
    ids = [byte_id(tokenizer, byte) for byte in "é€😀".encode()]
    decoded = tokenizer.decode(ids)
    assert decoded.text == "é€😀"
    assert decoded.spans == [*[(0, 1)] * 2, *[(1, 2)] * 3, *[(2, 3)] * 4]


def test_special_tokens_have_no_text(tokenizer: Tokenizer) -> None:
    word = tokenizer.encode("sea").ids[:-1]
    ids = [tokenizer.start_id("title"), *word, MASK_ID, EOS_ID, PAD_ID]
    decoded = tokenizer.decode(ids)
    assert decoded.text == "sea"
    assert all(start == end for start, end in [decoded.spans[0], *decoded.spans[-3:]])


def test_special_tokens_come_first(tokenizer: Tokenizer) -> None:
    special = [i for i in range(tokenizer.vocab_size) if not tokenizer.token_bytes(i)]
    assert special == list(range(3 + 2 + NUM_SPARE_STARTS))
    assert (tokenizer.pad_id, tokenizer.eos_id, tokenizer.mask_id) == (0, 1, 2)
    assert (tokenizer.start_id("headline"), tokenizer.start_id("title")) == (3, 4)


def test_styles_are_those_that_it_was_trained_with(tokenizer: Tokenizer) -> None:
    assert tokenizer.styles == ["headline", "title"]


def test_an_unknown_style_is_an_error_that_names_the_known_ones(tokenizer: Tokenizer) -> None:
    with pytest.raises(KeyError, match=r"'poem'; there are \['headline', 'title'\]"):
        tokenizer.start_id("poem")


@pytest.mark.parametrize("style", ["memo", "résumé"])
def test_a_new_style_takes_a_spare_start_token(
    tokenizer: Tokenizer, tmp_path: Path, style: str
) -> None:
    tokenizer.add_style(style).save(tmp_path / "tokenizer.json")
    extended = Tokenizer.load(tmp_path / "tokenizer.json")
    assert extended.styles == ["headline", "title", style]
    assert extended.vocab_size == tokenizer.vocab_size
    assert extended.token_bytes(extended.start_id(style)) == b""
    text = f"The council voted on <start:{style}>."
    assert extended.encode(text) == tokenizer.encode(text)
    assert tokenizer.styles == ["headline", "title"]


def test_there_are_as_many_new_styles_as_spare_start_tokens(tokenizer: Tokenizer) -> None:
    for i in range(NUM_SPARE_STARTS):
        tokenizer = tokenizer.add_style(f"style-{i}")
    with pytest.raises(KeyError, match="no start token is left for style 'one more'"):
        tokenizer.add_style("one more")


def test_ids_are_ordered_by_use_in_targets(
    tokenizer: Tokenizer, corpus: list[dict[str, str]]
) -> None:
    counts = [0] * tokenizer.vocab_size
    for ids in tokenizer.encode_ids([row["summary"] for row in corpus]):
        for token_id in ids:
            counts[token_id] += 1
    ordinary = counts[3 + 2 + NUM_SPARE_STARTS :]
    assert ordinary == sorted(ordinary, reverse=True)
    assert ordinary[0] > ordinary[-1]


def test_every_byte_has_a_token(tokenizer: Tokenizer) -> None:
    single = {tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)}
    assert {bytes([byte]) for byte in range(256)} <= single


def test_merge_dropout_splits_words_otherwise_and_spells_the_same(tokenizer: Tokenizer) -> None:
    text = "The city council voted on the new harbour line after a long debate. " * 10
    (usual,) = tokenizer.encode_ids([text])
    (split,) = tokenizer.encode_ids([text], merge_dropout=0.5)
    assert len(split) > len(usual)
    assert tokenizer.decode(split).text == tokenizer.decode(usual).text


def test_merge_dropout_ends_with_its_call(tokenizer: Tokenizer) -> None:
    text = "The city council voted on the new harbour line after a long debate."
    before = tokenizer.encode_ids([text])
    tokenizer.encode_ids([text], merge_dropout=0.9)
    assert tokenizer.encode_ids([text]) == before


@given(texts)
def test_words_cover_all_but_whitespace_in_order(text: str) -> None:
    spans = word_spans(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    covered = {i for start, end in spans for i in range(start, end)}
    assert [i for i, c in enumerate(text) if i not in covered and not c.isspace()] == []
    assert not any(text[start:end].isspace() for start, end in spans)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" ", []),
        ("Don't panic.", ["Don't", "panic", "."]),
        ("3,000 metres", ["3,000", "metres"]),
        ("  lead", ["lead"]),
        ("a👩‍👩‍👧b", ["a", "👩‍👩‍👧", "b"]),
        ("e\u0301a b", ["e\u0301a", "b"]),
    ],
)
def test_words_of_known_texts(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in word_spans(text)] == words

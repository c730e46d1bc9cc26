from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest

from model.subwords.merge_dropout import MergeDropout, segment
from model.tokenizer import Tokenizer

MERGES = {("a", "b"): 0, ("c", "d"): 1, ("ab", "cd"): 2}
TEXTS = [
    "The council of Aldermoor will replace the old bridge.",
    "  Two   spaces, a caf\u00e9 and <pad> in a text.\n",
    "",
]


def test_with_nothing_left_out_it_is_plain_bpe(tokenizer: Tokenizer) -> None:
    plain = tokenizer.encode_ids(TEXTS)
    assert tokenizer.encode_ids(TEXTS, 1e-12, np.random.default_rng(0)) == plain


def test_with_everything_left_out_a_word_is_its_characters() -> None:
    assert segment("abcd", MERGES, 1.0, Random(0)) == ["a", "b", "c", "d"]


def test_each_merge_is_left_out_as_often_as_asked() -> None:
    random = Random(0)
    found = Counter(tuple(segment("ab", MERGES, 0.25, random)) for _ in range(4000))
    assert found[("a", "b")] / 4000 == pytest.approx(0.25, abs=0.03)


def test_what_was_left_out_may_be_made_at_the_next_step() -> None:
    # P("ab" is made) over the steps that the other merge gives it: 0.5 + 0.5 * 0.5 * 0.5
    random = Random(0)
    found = [segment("abcd", MERGES, 0.5, random) for _ in range(4000)]
    made = sum("a" not in tokens for tokens in found)
    assert made / 4000 == pytest.approx(0.625, abs=0.03)


def test_the_text_is_kept(tokenizer: Tokenizer) -> None:
    for ids, text in zip(
        tokenizer.encode_ids(TEXTS, 0.3, np.random.default_rng(1)), TEXTS, strict=True
    ):
        assert tokenizer.decode(ids).text == " ".join(text.split())


def test_the_same_seed_gives_the_same_ids_in_another_tokenizer(tokenizer: Tokenizer) -> None:
    other = Tokenizer(tokenizer._backend)
    other.encode_ids(["bridge council"], 0.3, np.random.default_rng(9))  # a cache with other words
    ours, theirs = (t.encode_ids(TEXTS, 0.3, np.random.default_rng(1)) for t in (tokenizer, other))
    assert ours == theirs


def test_another_seed_gives_other_ids(tokenizer: Tokenizer) -> None:
    ours, theirs = (tokenizer.encode_ids(TEXTS, 0.3, np.random.default_rng(i)) for i in (1, 2))
    assert ours != theirs


def test_uses_of_one_word_differ() -> None:
    vocab = {token: i for i, token in enumerate(["a", "b", "c", "d", "ab", "cd", "abcd"])}
    ids = MergeDropout(MERGES, vocab, 0.5).encode(["abcd"] * 50, np.random.default_rng(0))
    assert {0, 6} < set(ids)

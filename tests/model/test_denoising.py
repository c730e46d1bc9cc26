from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.denoising import HIDDEN_SHARE, SPAN_TOKENS, hide
from model.tokenizer import MASK_ID

SENTENCE = list(range(100, 160))


def hidden_many(count: int = 400) -> list[list[int]]:
    rng = np.random.default_rng(5)
    return [hide(SENTENCE, rng) for _ in range(count)]


def test_some_sentences_are_hidden_whole_and_others_in_spans() -> None:
    found = hidden_many()
    whole = sum(ids == [MASK_ID] for ids in found)
    assert 150 < whole < 250
    in_spans = [ids for ids in found if ids != [MASK_ID]]
    visible = np.mean([sum(i != MASK_ID for i in ids) for ids in in_spans]) / len(SENTENCE)
    assert abs(1 - visible - HIDDEN_SHARE) < 0.05
    spans = np.mean([ids.count(MASK_ID) for ids in in_spans])
    assert spans < HIDDEN_SHARE * len(SENTENCE) / (SPAN_TOKENS - 1)


@given(st.lists(st.integers(3, 9000), min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_what_is_left_keeps_its_order_and_something_is_hidden(
    sentence: list[int], seed: int
) -> None:
    found = hide(sentence, np.random.default_rng(seed))
    assert MASK_ID in found
    assert all(pair != (MASK_ID, MASK_ID) for pair in pairwise(found))
    rest = iter(sentence)
    assert all(token in rest for token in found if token != MASK_ID)
    assert len(found) <= len(sentence)


def test_the_same_seed_hides_the_same() -> None:
    assert hidden_many() == hidden_many()

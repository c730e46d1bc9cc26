from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.extractive import (
    DAMPING,
    KeySentence,
    copy_mass,
    position_scores,
    random_scores,
    select,
    textrank,
)

SENTENCES = [
    "The council voted for the tram line.",
    "Rain fell.",
    "The council voted for the tram line today.",
    "The tram line costs nine million.",
]
TEXTS = st.lists(st.lists(st.sampled_from("a b c d . 雨".split()), max_size=6).map(" ".join))


def chosen(
    scores: list[float], count: int, diversity: float, texts: list[str] = SENTENCES
) -> list[int]:
    return [key.index for key in select(scores, texts, count, diversity)]


# ------------------------------------------------------------------------------------- scores


def test_earlier_sentences_come_first() -> None:
    assert chosen(position_scores(4).tolist(), 3, 0) == [0, 1, 2]


def test_chance_is_the_same_for_a_seed_and_another_for_another_seed() -> None:
    one, same, other = (random_scores(9, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_chance_favours_nobody() -> None:
    rng = np.random.default_rng(0)
    best = np.bincount([random_scores(5, rng).argmax() for _ in range(5000)])
    assert (np.abs(best - 1000) < 150).all()  # five standard deviations


def dense_textrank(sentences: list[str]) -> np.ndarray:
    """The same numbers from the definition, by solving the equations."""
    words = [sentence.lower().split() for sentence in sentences]
    vocabulary = sorted({word for row in words for word in row})
    counts = np.array([[row.count(word) for word in vocabulary] for row in words], float)
    vectors = counts * np.log1p(len(words) / (counts > 0).sum(axis=0))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = vectors @ vectors.T - np.eye(len(words))
    walk = similarity / similarity.sum(axis=1, keepdims=True)
    count = len(words)
    return np.linalg.solve(np.eye(count) - DAMPING * walk.T, np.full(count, (1 - DAMPING) / count))


def test_textrank_is_the_rank_of_the_graph_of_similar_sentences() -> None:
    texts = ["a b c", "b c d d", "a d e", "c e e f", "f a a b"]
    np.testing.assert_allclose(textrank(texts), dense_textrank(texts), atol=1e-8)


def test_a_sentence_that_is_like_others_is_central() -> None:
    assert textrank(SENTENCES).argmin() == 1


def test_ranks_add_up_to_1() -> None:
    np.testing.assert_allclose(textrank(SENTENCES).sum(), 1.0)


def test_textrank_of_sentences_in_another_order_is_in_that_order() -> None:
    np.testing.assert_allclose(textrank(SENTENCES[::-1]), textrank(SENTENCES)[::-1], atol=1e-8)


def test_textrank_never_forms_the_matrix_of_similarities() -> None:
    # A matrix of 50,000 squared would take 20 GB.
    assert textrank([f"w{i} w{i + 1}" for i in range(50_000)]).shape == (50_000,)


@given(TEXTS)
def test_textrank_is_a_finite_positive_number_for_every_sentence(texts: list[str]) -> None:
    scores = textrank(texts)
    assert scores.shape == (len(texts),)
    assert np.isfinite(scores).all()
    assert (scores > 0).all()


def test_equal_sentences_are_equally_central() -> None:
    np.testing.assert_allclose(textrank(["…"] * 4), 0.25)
    np.testing.assert_allclose(textrank(["Rain fell."] * 4), 0.25)


def test_copy_mass_is_the_attention_on_a_sentence() -> None:
    ids = [1, 1, 0, 2, 4]
    np.testing.assert_allclose(copy_mass([0.1, 0.2, 0.4, 0.3, 0.0], ids, 4), [0.3, 0.3, 0.0, 0.0])
    steps = [[0.1, 0.2, 0.4, 0.3, 0.0], [0.0, 0.0, 0.0, 0.5, 0.5]]
    np.testing.assert_allclose(copy_mass(steps, ids, 4), [0.3, 0.8, 0.0, 0.5])


def test_copy_mass_of_a_text_without_sentences_is_empty() -> None:
    assert copy_mass([1.0], [0], 0).shape == (0,)


# ----------------------------------------------------------------------------------- selection


def test_the_best_sentences_come_in_the_texts_order_with_their_scores() -> None:
    found = select([0.5, -2.0, 3.0, 1.0], SENTENCES, 2, 0.0)
    assert found == [KeySentence(2, 3.0), KeySentence(3, 1.0)]


def test_a_sentence_that_repeats_another_is_passed_over() -> None:
    scores = [1.0, 0.0, 0.9, 0.5]
    assert chosen(scores, 2, 0.0) == [0, 2]
    assert chosen(scores, 2, 0.5) == [0, 3]


def test_full_diversity_looks_at_words_alone() -> None:
    assert chosen([1.0, 0.0, 0.9, 0.5], 2, 1.0) == [0, 1]


def test_redundancy_is_with_any_sentence_already_chosen() -> None:
    texts = ["red fox", "blue jay", "red fox", "blue jay", "old oak"]
    assert chosen([5, 4, 3, 2, 0], 3, 0.6, texts) == [0, 1, 4]


@pytest.mark.parametrize("factor", [0.001, 1.0, 1000.0])
def test_the_scale_of_scores_does_not_matter(factor: float) -> None:
    scores = [7 + factor * score for score in (1.0, 0.0, 0.9, 0.5)]
    assert chosen(scores, 2, 0.3) == chosen([1.0, 0.0, 0.9, 0.5], 2, 0.3)


def test_of_equals_the_first_is_chosen() -> None:
    assert chosen([1.0, 1.0, 1.0, 1.0], 2, 0.0) == [0, 1]


@pytest.mark.parametrize("count", [4, 5, 100])
def test_all_come_if_there_are_no_more(count: int) -> None:
    assert chosen([0.0, 3.0, 1.0, 2.0], count, 0.5) == [0, 1, 2, 3]


def test_none_can_be_wanted_and_none_can_be_there() -> None:
    assert select([1.0, 2.0, 3.0, 4.0], SENTENCES, 0) == []
    assert select([], [], 3) == []


@pytest.mark.parametrize(
    ("scores", "count", "diversity", "message"),
    [
        ([1.0], 3, 0.5, "4 sentences need as many scores"),
        ([1.0, 2.0, np.nan, 4.0], 3, 0.5, "finite"),
        ([1.0, 2.0, np.inf, 4.0], 3, 0.5, "finite"),
        ([1.0, 2.0, 3.0, 4.0], -1, 0.5, "got -1"),
        ([1.0, 2.0, 3.0, 4.0], 3, 1.5, r"got 1\.5"),
        ([1.0, 2.0, 3.0, 4.0], 3, np.nan, "got nan"),
    ],
)
def test_what_is_out_of_bounds_is_refused(
    scores: list[float], count: int, diversity: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        select(scores, SENTENCES, count, diversity)


@given(TEXTS, st.integers(0, 8), st.floats(0, 1))
def test_as_many_as_wanted_different_and_in_order(
    texts: list[str], count: int, diversity: float
) -> None:
    scores = np.random.default_rng(len(texts)).normal(size=len(texts))
    found = select(scores, texts, count, diversity)
    indices = [key.index for key in found]
    assert indices == sorted(set(indices))
    assert len(indices) == min(count, len(texts))
    assert all(key.score == scores[key.index] for key in found)


def jaccard(one: str, other: str) -> float:
    ours, theirs = set(one.split()), set(other.split())
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 0.0


def test_more_diversity_means_less_repetition() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefgh"), 4)) for _ in range(12)]
    scores = rng.normal(size=12)
    repeated = []
    for diversity in (0.0, 0.5, 1.0):
        picked = [texts[key.index] for key in select(scores, texts, 4, diversity)]
        repeated.append(sum(jaccard(one, other) for one, other in combinations(picked, 2)))
    assert repeated == sorted(repeated, reverse=True)
    assert repeated[0] > repeated[-1]

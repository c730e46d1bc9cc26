from __future__ import annotations

import numpy as np
import pytest

from model.evaluation.rouge import paired_interval, rouge


def test_a_summary_that_is_its_reference_scores_100() -> None:
    np.testing.assert_allclose(rouge(["The cat sat."], ["the cat sat"]), [[100.0] * 3])


def test_known_scores() -> None:
    # Lin 2004, section 3: four of four stems, one of three pairs, a common subsequence of two.
    found = rouge(["the gunman kill police"], ["police killed the gunman"])
    np.testing.assert_allclose(found, [[100.0, 100 / 3, 50.0]])


def test_scores_are_f1() -> None:
    # Precision 2/2 and recall 2/6.
    np.testing.assert_allclose(rouge(["tram line"], ["a new tram line by sea"])[0, 0], 50.0)


def test_words_count_by_their_stems() -> None:
    assert rouge(["votes"], ["voted"])[0, 0] == 100.0


def test_an_empty_summary_scores_0() -> None:
    np.testing.assert_array_equal(rouge(["", "…"], ["a word", "a word"]), np.zeros((2, 3)))


def test_no_summaries_have_no_scores() -> None:
    assert rouge([], []).shape == (0, 3)


def test_summaries_and_references_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="zip"):
        rouge(["one"], [])


@pytest.fixture
def scores() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    ours = rng.uniform(20, 60, (80, 3))
    return ours, ours - np.array([1.0, 0.0, -1.0]) + rng.normal(0, 3, (80, 3))


def test_an_interval_holds_the_mean_difference(scores: tuple[np.ndarray, np.ndarray]) -> None:
    low, high = paired_interval(*scores)
    mean = (scores[0] - scores[1]).mean(axis=0)
    assert (low < mean).all()
    assert (mean < high).all()


def test_an_interval_is_as_wide_as_theory_says(scores: tuple[np.ndarray, np.ndarray]) -> None:
    low, high = paired_interval(*scores)
    deviation = (scores[0] - scores[1]).std(axis=0) / np.sqrt(80)
    np.testing.assert_allclose(high - low, 2 * 1.96 * deviation, rtol=0.1)


def test_an_interval_is_the_same_every_time(scores: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(paired_interval(*scores), paired_interval(*scores))


def test_a_constant_difference_has_no_width(scores: tuple[np.ndarray, np.ndarray]) -> None:
    low, high = paired_interval(scores[0], scores[0] - 2.0)
    np.testing.assert_allclose([low, high], 2.0)

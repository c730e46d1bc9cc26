"""Each method finds the evidence that is planted, with the figure that follows from it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.explanation.document import Document, all_kept
from model.explanation.methods.ablation import ablation, lasso
from model.explanation.methods.attention import attention
from model.explanation.methods.baselines import lead, position_alone, random_words, word_overlap
from model.explanation.methods.copy_split import copy_split
from model.explanation.methods.gradient import gradient
from model.explanation.methods.removal import (
    leave_one_out,
    leave_one_out_by_word,
    source_reliance,
)
from model.explanation.planted import PlantedCopier, PlantedReader
from model.explanation.scorer import GradientScorer, Scorer, Scores

COPIER, READER = PlantedCopier(), PlantedReader()
DROP = math.log((COPIER.copied + COPIER.generated) / COPIER.generated)
ALL = np.ones(3)


def whole(scorer: Scorer, document: Document) -> Scores:
    return scorer.score(document.source_ids, all_kept(document), document.summary_ids)


def test_attention_is_the_mean_of_the_rows(document: Document) -> None:
    weights = whole(COPIER, document).attention_weights[0]
    found = attention(weights, ALL)
    assert found.sum() == pytest.approx(1.0)
    assert found[2] == pytest.approx((2 * COPIER.peak + 0.2 / 40) / 3)
    only = attention(weights, np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(only, weights[1])


def test_the_split_says_exactly_how_much_was_copied_from_where(document: Document) -> None:
    split = copy_split(whole(COPIER, document), document.source_ids, document.summary_ids)
    expected = np.zeros((3, 41))
    expected[[0, 1, 2], [2, 9, 2]] = COPIER.copied
    np.testing.assert_allclose(split.copied, expected)
    np.testing.assert_allclose(split.generated, COPIER.generated)
    assert split.error <= 1e-12
    share = COPIER.copied / (COPIER.copied + COPIER.generated)
    np.testing.assert_allclose(split.copied_share, share)


@pytest.mark.parametrize("wrong", [2e-5, math.nan])
def test_a_split_that_is_not_exact_is_refused(document: Document, wrong: float) -> None:
    scores = whole(COPIER, document)
    spoilt = scores._replace(generated_prob=scores.generated_prob + wrong)
    with pytest.raises(ValueError, match="must be within 1e-05"):
        copy_split(spoilt, document.source_ids, document.summary_ids)


@pytest.mark.parametrize(
    ("scorer", "drop"), [(COPIER, DROP), (READER, math.log(READER.known / READER.unknown))]
)
def test_leaving_a_word_out_costs_what_depends_on_it(
    scorer: Scorer, document: Document, drop: float
) -> None:
    expected = np.zeros(40)
    expected[[2, 9]] = 2 * drop, drop
    np.testing.assert_allclose(leave_one_out(scorer, document, document.words), expected)
    by_sentence = leave_one_out(scorer, document, document.sentences)
    np.testing.assert_allclose(by_sentence, [2 * drop, drop, 0, 0, 0])


def test_a_target_asks_about_some_tokens_only(document: Document) -> None:
    target = np.array([0.0, 1.0, 0.0])
    found = leave_one_out(COPIER, document, document.sentences, target)
    np.testing.assert_allclose(found, [0, DROP, 0, 0, 0])


def test_words_are_left_out_in_the_sentences_that_matter_only(document: Document) -> None:
    found = leave_one_out_by_word(COPIER, document, top=2)
    assert np.isnan(found[16:]).all()
    expected = np.zeros(16)
    expected[[2, 9]] = 2 * DROP, DROP
    np.testing.assert_allclose(found[:16], expected)


def test_reliance_is_what_each_token_loses_with_the_text(document: Document) -> None:
    np.testing.assert_allclose(source_reliance(COPIER, document), DROP)


@pytest.mark.parametrize("scorer", [COPIER, READER])
def test_reliance_adds_up_to_what_the_summary_loses_with_the_text(
    scorer: Scorer, document: Document
) -> None:
    masks = np.concatenate([all_kept(document), all_kept(document)])
    masks[1, :-1] = False
    found = scorer.score(document.source_ids, masks, document.summary_ids).log_probs.sum(axis=1)
    assert source_reliance(scorer, document).sum() == pytest.approx(found[0] - found[1])


@pytest.mark.parametrize("scorer", [COPIER, READER])
def test_the_gradient_is_on_the_evidence_wherever_the_model_looks(
    scorer: GradientScorer, document: Document
) -> None:
    found = gradient(scorer, document)
    assert np.flatnonzero(found).tolist() == [2, 9]
    assert found[2] == pytest.approx(2 * found[9])
    only = gradient(scorer, document, np.array([0.0, 1.0, 0.0]))
    assert np.flatnonzero(only).tolist() == [9]


def test_ablation_finds_the_sentences_and_foretells_unseen_removals(document: Document) -> None:
    found = ablation(COPIER, document, document.sentences)
    assert found.scores[0] == pytest.approx(2 * DROP, rel=0.1)
    assert found.scores[1] == pytest.approx(DROP, rel=0.1)
    np.testing.assert_allclose(found.scores[2:], 0.0, atol=0.05 * DROP)
    assert found.held_out_fit > 0.9


def test_ablation_of_a_model_that_reads_nothing_says_nothing(document: Document) -> None:
    blind = PlantedReader(known=0.5, unknown=0.5)
    found = ablation(blind, document, document.sentences)
    np.testing.assert_array_equal(found.scores, 0.0)
    assert math.isnan(found.held_out_fit)


def test_lasso_keeps_a_constant_unit_at_zero() -> None:
    kept = np.array([[True, True], [True, False], [True, True], [True, False]])
    slopes, intercept = lasso(kept, np.array([3.0, 1.0, 3.0, 1.0]))
    np.testing.assert_allclose(slopes, [0.0, 2.0 * 0.98])
    assert intercept == pytest.approx(1.0 + 0.02)


def test_baselines(document: Document) -> None:
    assert np.argsort(-lead(document)).tolist() == list(range(40))
    assert np.flatnonzero(word_overlap(document)).tolist() == [2, 9]
    first, again = random_words(document, 1), random_words(document, 1)
    np.testing.assert_array_equal(first, again)
    assert (first != random_words(document, 2)).any()


def test_position_alone_is_the_mean_of_the_others() -> None:
    attentions = [np.array([0.5, 0.5]), np.array([0.1, 0.2, 0.7]), np.array([0.3, 0.6, 0.1])]
    found = position_alone(attentions)
    np.testing.assert_allclose(found[0], [0.2, 0.4])
    np.testing.assert_allclose(found[1], [0.4, 0.55, 0.1])
    np.testing.assert_allclose(found[2], [0.3, 0.35, 0.7])
    np.testing.assert_array_equal(position_alone([np.array([0.4, 0.6])])[0], [0.0, 0.0])

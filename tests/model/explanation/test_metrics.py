"""On planted models each metric gives the value that is known beforehand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from model.explanation.bound import greedy_bounds
from model.explanation.correlation import auc, kendall_tau, spearman
from model.explanation.document import Document, all_kept, by_unit
from model.explanation.intervals import Bootstrap, holm, p_value
from model.explanation.methods.attention import attention
from model.explanation.methods.baselines import lead
from model.explanation.methods.removal import leave_one_out
from model.explanation.metrics import (
    COMPREHENSIVENESS,
    KEPT_NATS,
    REMOVED_NATS,
    SUFFICIENCY,
    areas,
    budget_size,
    copied_at_peak,
    erase,
    erasure_masks,
    ranking,
)
from model.explanation.planted import PlantedCopier, PlantedReader
from model.explanation.scorer import Floats, Ids, Mask, Scorer, Scores

COPIER, READER = PlantedCopier(), PlantedReader()
COPIER_DROP = np.log((COPIER.copied + COPIER.generated) / COPIER.generated)
READER_GAIN = READER.known - READER.unknown


def attention_by_word(scorer: Scorer, document: Document) -> Floats:
    scores = scorer.score(document.source_ids, all_kept(document), document.summary_ids)
    weights = scores.attention_weights[0]
    return by_unit(attention(weights, np.ones(len(weights))), document.words)


def test_a_ranking_keeps_ties_in_the_order_of_the_text_and_the_unknown_last() -> None:
    assert ranking(np.array([np.nan, 1.0, 2.0, 1.0])).tolist() == [2, 1, 3, 0]


@pytest.mark.parametrize(
    ("budget", "words", "size"), [(0.05, 40, 2), (0.05, 5, 1), (0.5, 7, 4), (0.2, 100, 20)]
)
def test_a_budget_is_at_least_one_word(budget: float, words: int, size: int) -> None:
    assert budget_size(budget, words) == size


def test_erasure_hides_the_top_and_then_all_but_the_top() -> None:
    masks = erasure_masks(np.arange(40)[::-1])
    assert (~masks[:4]).sum(axis=1).tolist() == [2, 4, 8, 20]
    assert np.flatnonzero(~masks[0]).tolist() == [38, 39]
    np.testing.assert_array_equal(masks[4:], ~masks[:4])


def test_the_order_that_is_true_explains_all_at_every_budget(document: Document) -> None:
    [found] = erase(COPIER, document, [ranking(attention_by_word(COPIER, document))]).figures()
    np.testing.assert_allclose(found[COMPREHENSIVENESS], COPIER.copied)
    np.testing.assert_allclose(found[SUFFICIENCY], 0.0, atol=1e-12)
    np.testing.assert_allclose(found[REMOVED_NATS], COPIER_DROP)
    np.testing.assert_allclose(found[KEPT_NATS], 0.0, atol=1e-12)


def test_the_lead_explains_what_lies_in_it(document: Document) -> None:
    # Words 0 and 1; 0 to 3 with two thirds of the evidence; 0 to 7; 0 to 19 with all of it.
    [found] = erase(COPIER, document, [ranking(lead(document))]).figures()
    share = np.array([0, 2 / 3, 2 / 3, 1])
    np.testing.assert_allclose(found[COMPREHENSIVENESS], share * COPIER.copied, atol=1e-12)
    np.testing.assert_allclose(found[SUFFICIENCY], (1 - share) * COPIER.copied, atol=1e-12)
    assert areas(found)[COMPREHENSIVENESS] == pytest.approx(share.mean() * COPIER.copied)


def test_attention_that_misleads_is_found_out(document: Document) -> None:
    misled = ranking(attention_by_word(READER, document))
    removed = ranking(leave_one_out(READER, document, document.words))
    by_attention, by_removal = erase(READER, document, [misled, removed]).figures()
    assert by_attention[COMPREHENSIVENESS][0] == pytest.approx(0.0)
    assert by_attention[SUFFICIENCY][0] == pytest.approx(READER_GAIN)
    np.testing.assert_allclose(by_removal[COMPREHENSIVENESS], READER_GAIN)


@pytest.mark.parametrize("scorer", [COPIER, READER])
def test_the_greedy_bounds_are_the_true_ones(scorer: Scorer, document: Document) -> None:
    bounds = greedy_bounds(scorer, document)
    assert sorted(bounds.most.tolist()) == sorted(bounds.least.tolist()) == list(range(40))
    assert bounds.most[:2].tolist() == [2, 9]
    best, worst = erase(scorer, document, [*bounds]).figures()
    gain = COPIER.copied if scorer is COPIER else READER_GAIN
    np.testing.assert_allclose(best[COMPREHENSIVENESS], gain)
    np.testing.assert_allclose(worst[COMPREHENSIVENESS], 0.0, atol=1e-12)


class EitherOf:
    """Needs word 5 or 6: alone, 5 costs little and 6 nothing."""

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        scores = COPIER.score(source_ids, keep, summary_ids)
        known = np.where(keep[:, 5], 0.9, np.where(keep[:, 6], 0.8, 0.1))
        log_probs = np.log(known)[:, None].repeat(len(summary_ids), axis=1)
        return scores._replace(log_probs=log_probs)


def test_the_greedy_bound_sees_words_that_stand_in_for_each_other(document: Document) -> None:
    most, least = greedy_bounds(EitherOf(), document)
    assert {5, 6} <= set(most[:4].tolist())
    assert least[-1] == 5
    alone = leave_one_out(EitherOf(), document, document.words)
    assert 6 not in ranking(alone)[:4]


def test_tau_with_leave_one_out_is_one_for_the_copier(document: Document) -> None:
    found = attention_by_word(COPIER, document)
    losses = leave_one_out(COPIER, document, document.words)
    assert kendall_tau(found, losses) == pytest.approx(1.0)
    misled = attention_by_word(READER, document)
    assert kendall_tau(misled, leave_one_out(READER, document, document.words)) < 0


@pytest.mark.parametrize(
    ("first", "second", "tau", "rho"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1.0, 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0, -1.0),
        ([1, 2, 3, 4], [2, 1, 4, 3], 1 / 3, 0.6),
        ([1, 1, 2], [1, 2, 3], 2 / np.sqrt(6), np.sqrt(3) / 2),
        ([1, 1, 1], [1, 2, 3], np.nan, np.nan),
    ],
)
def test_rank_correlations(first: list[int], second: list[int], tau: float, rho: float) -> None:
    a, b = np.array(first, float), np.array(second, float)
    assert kendall_tau(a, b) == pytest.approx(tau, nan_ok=True)
    assert spearman(a, b) == pytest.approx(rho, nan_ok=True)


def test_tau_leaves_out_what_was_not_measured() -> None:
    assert kendall_tau(np.array([1.0, np.nan, 3.0]), np.array([1.0, 9.0, 2.0])) == 1.0


def test_copies_equal_the_token_at_the_peak(plant: Callable[..., Document]) -> None:
    document = plant(2, 9, 2)
    scores = COPIER.score(document.source_ids, all_kept(document), document.summary_ids)
    assert copied_at_peak(scores, document.source_ids, document.summary_ids, eos_id=1) == (3, 3)
    moved = scores._replace(attention_weights=np.roll(scores.attention_weights, 1, axis=2))
    assert copied_at_peak(moved, document.source_ids, document.summary_ids, eos_id=1) == (0, 3)
    last = int(document.summary_ids[1])
    assert copied_at_peak(scores, document.source_ids, document.summary_ids, eos_id=last) == (2, 2)
    generated = READER.score(document.source_ids, all_kept(document), document.summary_ids)
    assert copied_at_peak(generated, document.source_ids, document.summary_ids, 1) == (0, 0)


def test_intervals_hold_the_mean_and_shrink_with_documents() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(1.0, 1.0, 20), rng.normal(1.0, 1.0, 500)
    short, long = Bootstrap(20).mean(few), Bootstrap(500).mean(many)
    assert short.low < short.mean < short.high
    assert long.high - long.low < short.high - short.low
    # About 1.96 standard errors to either side.
    assert long.high - long.low == pytest.approx(2 * 1.96 * many.std() / np.sqrt(500), rel=0.05)


def test_a_document_without_the_figure_is_not_counted() -> None:
    found = Bootstrap(3).mean(np.array([2.0, np.nan, 4.0]))
    assert (found.mean, found.documents) == (3.0, 2)
    assert Bootstrap(2).mean(np.array([np.nan, np.nan])).documents == 0


def test_a_ratio_is_that_of_sums() -> None:
    found = Bootstrap(2).ratio(np.array([1.0, 3.0]), np.array([2.0, 6.0]))
    assert found == pytest.approx((0.5, 0.5, 0.5, 2))


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        ((0.5, 0.0, 1.0), 0.05),
        ((-0.5, -2.0, 0.0), 0.05),  # the side that is near 0 counts
        ((0.5, 0.25, 1.0), 8.9e-5),
        ((0.0, -1.0, 1.0), 1.0),
        ((float("nan"),) * 3, 1.0),
        ((0.1, 0.1, 0.1), 0.0),  # the same in every document
    ],
)
def test_a_p_value_agrees_with_the_interval(
    estimate: tuple[float, float, float], expected: float
) -> None:
    assert p_value(*estimate) == pytest.approx(expected, rel=0.01)


def test_holm_counts_what_is_compared() -> None:
    assert holm([0.01]) == [0.01]
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.02, 0.7, 0.0]) == pytest.approx([1.0, 0.06, 1.0, 0.0])
    assert holm([]) == []


def test_by_holm_one_true_difference_of_many_holds() -> None:
    rng, found = np.random.default_rng(2), 0
    for _ in range(200):
        values = [rng.normal(size=40) for _ in range(20)]
        errors = [v.std(ddof=1) / np.sqrt(len(v)) for v in values]
        tests = [
            p_value(v.mean(), v.mean() - 1.96 * e, v.mean() + 1.96 * e)
            for v, e in zip(values, errors, strict=True)
        ]
        found += min(holm(tests)) <= 0.05
    assert found / 200 < 0.12  # 64 % of the studies would find something without it


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([3.0, 2.0, 1.0], [True, True, False], 1.0),
        ([3.0, 2.0, 1.0], [False, True, True], 0.0),
        ([1.0, 1.0], [True, False], 0.5),
        ([1.0, 2.0, 3.0, 0.0], [True, False, True, False], 0.75),
        ([1.0, 2.0], [True, True], np.nan),
    ],
)
def test_auc_counts_the_pairs_in_order(
    scores: list[float], positive: list[bool], expected: float
) -> None:
    assert auc(np.array(scores), np.array(positive)) == pytest.approx(expected, nan_ok=True)


def test_figures_are_told_apart_by_token(plant: Callable[..., Document]) -> None:
    document = plant(2, 9)
    erased = erase(COPIER, document, [ranking(np.eye(40)[2])])
    [first] = erased.figures(np.array([True, False]))
    [second] = erased.figures(np.array([False, True]))
    [both] = erased.figures()
    assert first[COMPREHENSIVENESS][0] == pytest.approx(COPIER.copied)
    assert second[COMPREHENSIVENESS][0] == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(both, (first + second) / 2)
    assert np.isnan(erased.figures(np.array([False, False]))[0]).all()

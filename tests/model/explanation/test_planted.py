"""The planted models say what their own parameters say: the truth that all else is held to."""

from __future__ import annotations

import numpy as np
import pytest

from model.explanation.document import Document, all_kept, keep_masks
from model.explanation.planted import PlantedCopier, PlantedReader, evidence
from model.explanation.scorer import Scorer, Scores

COPIER, READER = PlantedCopier(), PlantedReader()


def scores(scorer: Scorer, document: Document, *hidden: int) -> Scores:
    kept = ~np.isin(np.arange(40), hidden)[None]
    masks = keep_masks(document.words, kept)
    return scorer.score(document.source_ids, masks, document.summary_ids)


@pytest.mark.parametrize("scorer", [COPIER, READER])
@pytest.mark.parametrize("hidden", [(), (2,), (2, 9), tuple(range(40))])
def test_the_invariants_of_the_contract_hold(
    scorer: Scorer, document: Document, hidden: tuple[int, ...]
) -> None:
    found = scores(scorer, document, *hidden)
    np.testing.assert_allclose(found.attention_weights.sum(axis=-1), 1.0)
    assert not found.attention_weights[0][:, list(hidden)].any()
    np.testing.assert_allclose(np.exp(found.log_probs), found.copied_prob + found.generated_prob)


def test_a_token_loses_exactly_the_copied_part_with_its_evidence(document: Document) -> None:
    with_text, with_loss = scores(COPIER, document), scores(COPIER, document, 2)
    np.testing.assert_allclose(np.exp(with_text.log_probs[0]), COPIER.copied + COPIER.generated)
    expected = [COPIER.generated, COPIER.copied + COPIER.generated, COPIER.generated]
    np.testing.assert_allclose(np.exp(with_loss.log_probs[0]), expected)


def test_other_words_change_nothing(document: Document) -> None:
    whole = scores(COPIER, document)
    other = scores(COPIER, document, 0, 17, 39)
    np.testing.assert_array_equal(whole.log_probs, other.log_probs)


def test_the_reader_looks_elsewhere(document: Document) -> None:
    found = scores(READER, document)
    assert found.attention_weights[0].argmax(axis=1).tolist() == [7, 14, 7]
    hidden = scores(READER, document, 7, 14)
    np.testing.assert_array_equal(found.log_probs, hidden.log_probs)
    np.testing.assert_allclose(
        np.exp(scores(READER, document, 2).log_probs[0]),
        [READER.unknown, READER.known, READER.unknown],
    )


def test_what_the_source_lacks_has_no_evidence(document: Document) -> None:
    ids = np.array([12, 99], np.int32)
    assert evidence(document.source_ids, ids).tolist() == [2, -1]
    found = COPIER.score(document.source_ids, all_kept(document), ids)
    np.testing.assert_allclose(np.exp(found.log_probs[0, 1]), COPIER.generated)


@pytest.mark.parametrize("scorer", [COPIER, READER])
def test_the_gradient_is_what_a_little_of_the_evidence_is_worth(
    scorer: PlantedCopier | PlantedReader, document: Document
) -> None:
    target = np.array([1.0, 2.0, 0.5])
    with_it, without = (np.exp(scores(scorer, document, *h).log_probs[0]) for h in ((), (2, 9)))
    # A token's probability is a straight line between the two: its slope, over where it ends.
    slopes = target * (with_it - without) / with_it
    expected = np.zeros(41)
    expected[[2, 9]] = slopes[0] + slopes[2], slopes[1]
    found = scorer.saliency(document.source_ids, document.summary_ids, target)
    np.testing.assert_allclose(found, expected)

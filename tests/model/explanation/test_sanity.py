"""Explanations that survive random weights, and attention that is not used, are found out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from model.explanation.document import Document, all_kept
from model.explanation.planted import PlantedCopier, PlantedReader
from model.explanation.sanity import (
    LOG_FLOOR,
    ScorerOf,
    UniformCopy,
    attention_use,
    cascade,
    correlations,
    passes,
    scores_needed,
    verdicts,
)
from model.explanation.scorer import Floats, Ids, Mask, Scorer, Scores

COPIER, READER = PlantedCopier(), PlantedReader()


class Backwards:
    """As random as weights can make it: reads the source from its other end."""

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        turned = np.append(source_ids[-2::-1], source_ids[-1])
        return COPIER.score(turned, keep, summary_ids)._replace(
            copied_prob=np.zeros((len(keep), len(summary_ids))),
            copy_gate=np.zeros((len(keep), len(summary_ids))),
            generated_prob=np.exp(COPIER.score(turned, keep, summary_ids).log_probs),
        )

    def saliency(self, source_ids: Ids, summary_ids: Ids, target: Floats) -> Floats:
        turned = np.append(source_ids[-2::-1], source_ids[-1])
        return COPIER.saliency(turned, summary_ids, target)


def always(scorer: Scorer) -> ScorerOf:
    return lambda _style: scorer


def test_the_cascade_tells_what_depends_on_the_weights(plant: Callable[..., Document]) -> None:
    documents = [plant(2, 9, 2), plant(17, 3, 5, 3)]
    stages = [("nothing", always(COPIER)), ("attention", always(READER))]
    found = cascade(always(COPIER), stages, documents)
    assert list(found) == ["nothing", "attention"]
    told = correlations(found)
    for method, value in told["nothing"].items():
        # Each token of the copier loses the same without the text: there is no order in that.
        expected = None if method == "source_reliance" else pytest.approx(1.0)
        assert value == expected, method
    # The reader looks elsewhere and copies nothing, but it reads what the copier read.
    assert verdicts(told) == {
        "attention": True,
        "copy_split": True,
        "gradient": False,
        "leave_one_out": False,
        "ablation": False,
    }


def test_a_model_that_reads_other_words_has_other_explanations(
    plant: Callable[..., Document],
) -> None:
    stages = [("all", always(Backwards()))]
    found = cascade(always(COPIER), stages, [plant(2, 9, 2), plant(3, 4)])
    assert all(verdicts(correlations(found)).values())


def test_the_cascade_costs_what_it_says(plant: Callable[..., Document]) -> None:
    documents, asked = [plant(2, 9, 2), plant(3, 4)], []

    class Counted:
        def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
            asked.append(len(keep))
            return COPIER.score(source_ids, keep, summary_ids)

    counted = always(Counted())
    cascade(counted, [("first", counted), ("second", counted)], documents)
    assert sum(asked) == scores_needed(documents, stages=2)


def test_stages_are_used_one_after_another(document: Document) -> None:
    seen = []

    def stages() -> object:
        for name in ("first", "second"):
            seen.append(name)
            yield name, always(Spy(name))

    class Spy:
        def __init__(self, name: str) -> None:
            self.name = name

        def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
            assert seen[-1] == self.name
            return COPIER.score(source_ids, keep, summary_ids)

        def saliency(self, source_ids: Ids, summary_ids: Ids, target: Floats) -> Floats:
            assert seen[-1] == self.name
            return COPIER.saliency(source_ids, summary_ids, target)

    cascade(always(COPIER), stages(), [document])
    assert seen == ["first", "second"]


class Says:
    """A model whose loss without each sentence is made up; only `leave_one_out` is looked at."""

    def __init__(self, *losses: float) -> None:
        self.losses = np.array([*losses, 0.0])  # `<eos>` is no sentence and is never hidden

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        found = COPIER.score(source_ids, keep, summary_ids)
        total = -(~keep * self.losses).sum(axis=1, keepdims=True)
        even = np.full((len(keep), len(summary_ids)), 1 / len(summary_ids))
        if keep.all():
            return found
        return found._replace(log_probs=total * even)


def removed(own: list[float], other: list[float]) -> Floats:
    """(D, 2), of `leave_one_out` where one sentence is one token."""
    size = len(own)
    document = Document(
        source_ids=np.append(np.arange(10, 10 + size), 1).astype(np.int32),
        summary_ids=np.array([10], np.int32),
        words=np.append(np.arange(size), -1),
        sentences=np.append(np.arange(size), -1),
        overlap=np.zeros(size, np.bool_),
    )
    found = cascade(always(Says(*own)), [("all", always(Says(*other)))], [document])
    return found["all"]["leave_one_out"]


@pytest.mark.parametrize("own", [[1.0], [2.0, 1.0], [1.0, 1.0, 1.0]])
def test_texts_in_which_nothing_is_ranked_say_nothing(own: list[float]) -> None:
    """One sentence has no rank, two have one by chance, and ties have none to lose."""
    found = removed(own, own[::-1])
    assert np.isnan(found).all()
    assert correlations({"all": {"leave_one_out": found}}) == {"all": {"leave_one_out": None}}
    assert verdicts({"all": {"leave_one_out": None}}) == {}


def test_scores_that_random_weights_level_are_gone() -> None:
    np.testing.assert_array_equal(removed([3.0, 2.0, 1.0], [1.0, 1.0, 1.0]), [[0.0, 0.0]])


def test_scores_and_their_sizes_are_compared_apart() -> None:
    np.testing.assert_allclose(removed([3.0, 2.0, 1.0], [-3.0, -2.0, -1.0]), [[-1.0, 1.0]])


def test_noise_passes_however_short_the_texts() -> None:
    """The larger of two correlations in each text would leave some 0.4 of nothing."""
    rng = np.random.default_rng(0)
    noise = np.concatenate(
        [removed(*(rng.normal(size=(2, 4)).tolist())) for _ in range(400)]  # four sentences each
    )
    assert np.max(noise, axis=1).mean() > 0.25
    told = correlations({"all": {"leave_one_out": noise}})
    assert told["all"]["leave_one_out"] == pytest.approx(0.0, abs=0.1)
    assert verdicts(told) == {"leave_one_out": True}


@pytest.mark.parametrize(
    ("correlations", "passed"),
    [([0.9, 0.5, 0.1], True), ([0.9, 0.31], False), ([0.1, 0.2], False), ([-0.1], True)],
)
def test_a_method_passes_if_it_falls_low(correlations: list[float], passed: bool) -> None:
    assert passes(correlations) == passed


def test_even_attention_costs_the_copier_what_it_copied(document: Document) -> None:
    arguments = (document.source_ids, all_kept(document), document.summary_ids)
    whole, even = COPIER.score(*arguments), UniformCopy(COPIER).score(*arguments)
    before = COPIER.copied + COPIER.generated
    after = COPIER.gate / 41 + COPIER.generated + LOG_FLOOR
    assert attention_use(whole, even) == pytest.approx(np.log(before / after))
    np.testing.assert_allclose(even.attention_weights, 1 / 41)


def test_even_attention_costs_the_reader_nothing(document: Document) -> None:
    arguments = (document.source_ids, all_kept(document), document.summary_ids)
    whole, even = READER.score(*arguments), UniformCopy(READER).score(*arguments)
    assert attention_use(whole, even) == pytest.approx(0.0, abs=1e-5)


def test_even_attention_rests_on_what_is_kept(document: Document) -> None:
    keep = all_kept(document)
    keep[0, :20] = False
    even = UniformCopy(COPIER).score(document.source_ids, keep, document.summary_ids)
    assert not even.attention_weights[0, :, :20].any()
    np.testing.assert_allclose(even.attention_weights.sum(axis=-1), 1.0)

"""A study of planted models: every figure and every phrase is known beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from model.explanation.chart import TITLES, curves
from model.explanation.claims import COPIED, LOOKED, RELIED, REMOVED
from model.explanation.correlation import kendall_tau
from model.explanation.document import Document
from model.explanation.methods.removal import leave_one_out, leave_one_out_by_word
from model.explanation.planted import PlantedCopier, PlantedReader
from model.explanation.rankings import BASELINES, METHODS
from model.explanation.report import judged, study_report
from model.explanation.scorer import Floats, Ids, Mask, Scorer, Scores
from model.explanation.study import Figures, measure, scores_needed
from model.explanation.tables import tables

COPIER, READER = PlantedCopier(), PlantedReader()
DOCUMENTS = 12
SANE = {"all": dict.fromkeys((*METHODS, "source_reliance"), np.full((DOCUMENTS, 2), 0.1))}


@pytest.fixture(scope="module")
def documents(plant: Callable[..., Document]) -> list[Document]:
    """Two words of evidence each, anywhere in the text and in each text elsewhere."""
    places = np.random.default_rng(1).permutation(40)[: 2 * DOCUMENTS].reshape(DOCUMENTS, 2)
    return [plant(first, second, first) for first, second in places.tolist()]


class Counted:
    """Counts what is asked of it."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.scores = scorer, 0

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        self.scores += len(keep)
        return self.scorer.score(source_ids, keep, summary_ids)


def study(scorer: Scorer, documents: list[Document]) -> list[Figures]:
    return [*measure(lambda _style: scorer, documents)]


@pytest.fixture(scope="module")
def copier(documents: list[Document]) -> dict[str, Any]:
    return study_report(study(COPIER, documents), SANE)


@pytest.fixture(scope="module")
def reader(documents: list[Document]) -> dict[str, Any]:
    return study_report(study(READER, documents), SANE)


@pytest.mark.parametrize("method", ["attention", "copy_split", "gradient", "leave_one_out"])
def test_the_copiers_methods_reach_the_bound(copier: dict[str, Any], method: str) -> None:
    entry = copier["methods"][method]
    for estimate in entry["comprehensiveness"]:
        assert estimate["mean"] == pytest.approx(COPIER.copied)
    for estimate in entry["sufficiency"]:
        assert estimate["mean"] == pytest.approx(0.0, abs=1e-9)
    assert entry["normalised_comprehensiveness"]["mean"] == pytest.approx(1.0)
    assert entry["word_tau"]["mean"] == pytest.approx(1.0)
    assert entry["sentence_tau"]["mean"] == pytest.approx(1.0)
    for baseline in ("random", "lead", "position"):
        assert all(d["low"] > 0 for d in entry["advantage"][baseline])


def test_the_words_of_the_summary_are_the_copiers_evidence(copier: dict[str, Any]) -> None:
    overlap = copier["methods"]["overlap"]["comprehensiveness"]
    assert [e["mean"] for e in overlap] == pytest.approx([COPIER.copied] * 4)


def test_the_copiers_other_figures(copier: dict[str, Any]) -> None:
    assert copier["split_error"] <= 1e-12
    assert copier["copied_at_peak"] == {"share": 1.0, "copied_tokens": 3 * DOCUMENTS}
    assert copier["source_reliance_nats"]["mean"] == pytest.approx(
        np.log((COPIER.copied + COPIER.generated) / COPIER.generated)
    )
    assert copier["greedy"]["comprehensiveness_area"]["mean"] == pytest.approx(COPIER.copied)


def test_the_copiers_phrases(copier: dict[str, Any]) -> None:
    phrases = {method: copier["methods"][method]["phrase"] for method in METHODS[:4]}
    assert phrases == {
        "attention": RELIED, "copy_split": COPIED, "gradient": RELIED, "leave_one_out": REMOVED,
    }  # fmt: skip
    assert copier["source_reliance"]["phrase"] == REMOVED
    assert not any("phrase" in copier["methods"][baseline] for baseline in BASELINES)


def test_a_report_is_judged_anew_by_its_own_figures(copier: dict[str, Any]) -> None:
    older = json.loads(json.dumps(copier))
    for method in METHODS:
        del older["methods"][method]["p_values"]
    assert judged(older) == copier
    older["methods"]["ablation"]["sane"] = False
    for difference in older["methods"]["attention"]["advantage"]["lead"]:
        difference |= {"mean": 0.25, "low": 0.01, "high": 0.49}
    found = judged(older)["methods"]
    # Intervals off 0 that are not enough where so much is compared.
    assert found["attention"]["p_values"]["lead"] > 0.05
    assert (found["attention"]["phrase"], found["ablation"]["phrase"]) == (LOOKED, None)
    assert copier["methods"]["attention"]["p_values"]["random"] <= 0.05


def test_attention_of_the_reader_is_only_where_it_looked(reader: dict[str, Any]) -> None:
    entry = reader["methods"]["attention"]
    assert entry["phrase"] == LOOKED
    assert entry["comprehensiveness"][0]["mean"] < 0.1
    assert entry["normalised_comprehensiveness"]["mean"] < 0.5
    removal = reader["methods"]["leave_one_out"]
    assert removal["phrase"] == REMOVED
    assert removal["normalised_comprehensiveness"]["mean"] == pytest.approx(1.0)
    assert reader["copied_at_peak"] == {"share": None, "copied_tokens": 0}


def test_without_a_cascade_nothing_is_sane(documents: list[Document]) -> None:
    report = study_report(study(COPIER, documents[:3]), {})
    phrases = [report["methods"][method]["phrase"] for method in METHODS]
    assert phrases == [LOOKED, COPIED, None, None, None]
    assert report["source_reliance"]["phrase"] is None


def test_a_report_is_json_and_a_table(copier: dict[str, Any], reader: dict[str, Any]) -> None:
    assert json.loads(json.dumps(copier, allow_nan=False)) == copier
    lines = tables(copier).splitlines()
    assert [line.split(" | ")[0] for line in lines[2 : 2 + len((*METHODS, *BASELINES))]] == [
        f"| {name}" for name in (*METHODS, *BASELINES)
    ]
    assert f"- copied tokens that are the token at the peak: 100.0 % of {3 * DOCUMENTS}" in lines
    assert "at the peak: - of 0" in tables(reader)
    assert "| exactly … % of this word's probability was copied from here |" in tables(copier)
    width = {line.count("|") for line in lines[:10]}
    assert len(width) == 1


def test_a_report_is_drawn_with_all_that_is_compared(copier: dict[str, Any]) -> None:
    drawn = curves({**copier, "documents": DOCUMENTS})
    drawing = ET.fromstring(drawn)
    texts = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert all(texts.count(name) == len(TITLES) for name in (*METHODS, *BASELINES))
    lines = [*drawing.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(lines) == len(TITLES) * len((*METHODS, *BASELINES))
    assert sum("stroke-dasharray" in line.attrib for line in lines) == len(TITLES) * len(BASELINES)
    assert len(drawn) < 2**15


def test_the_estimate_of_scores_is_near_and_not_below(documents: list[Document]) -> None:
    counted = Counted(COPIER)
    assert len(study(counted, documents)) == DOCUMENTS
    expected = scores_needed(documents)
    assert counted.scores <= expected <= 1.3 * counted.scores


def test_a_text_of_one_word_is_measured_too(documents: list[Document]) -> None:
    one = Document(
        source_ids=np.array([10, 1], np.int32),
        summary_ids=np.array([10], np.int32),
        words=np.array([0, -1]),
        sentences=np.array([0, -1]),
        overlap=np.array([True]),
    )
    report = study_report(study(COPIER, [one, documents[0]]), SANE)
    assert report["methods"]["attention"]["word_tau"]["documents"] == 1


def test_leave_one_out_is_what_the_method_says(documents: list[Document]) -> None:
    # The study takes it from the losses of all words, which it needs anyway.
    document = documents[0]
    word_tau = study(COPIER, documents[:2])[0].word_tau["leave_one_out"]
    losses = leave_one_out(COPIER, document, document.words)
    assert word_tau == pytest.approx(kendall_tau(leave_one_out_by_word(COPIER, document), losses))


def test_a_document_that_is_not_begun_in_time_ends_the_study(documents: list[Document]) -> None:
    all_figures, asked = study(COPIER, documents), []

    def is_over() -> bool:
        asked.append(None)
        return len(asked) > 5

    found = [*measure(lambda _style: COPIER, documents, is_over=is_over)]
    assert len(found) == 5
    rest = [*measure(lambda _style: COPIER, documents, first=5, threads=2)]
    for ours, whole in zip([*found, *rest], all_figures, strict=True):
        np.testing.assert_equal(asdict(ours), asdict(whole))


class Misled:
    """The copier, its gradient on other words."""

    score = COPIER.score

    def saliency(self, source_ids: Ids, summary_ids: Ids, target: Floats) -> Floats:
        return np.roll(COPIER.saliency(source_ids, summary_ids, target), 7)


def test_a_gradient_that_misleads_is_not_served(documents: list[Document]) -> None:
    entry = study_report(study(Misled(), documents), SANE)["methods"]["gradient"]
    assert entry["phrase"] is None
    assert entry["comprehensiveness"][0]["mean"] < 0.1 * COPIER.copied
    assert entry["word_tau"]["mean"] < 0.3


def test_a_model_without_gradients_is_measured_without(documents: list[Document]) -> None:
    report = study_report(study(Counted(COPIER), documents[:3]), SANE)
    assert "gradient" not in report["methods"]
    assert judged(report) == report
    assert "gradient" not in tables({**report, "cascade": {}, "cascade_end": {}})


def test_reliance_follows_the_copied_share_where_the_model_copies(
    documents: list[Document],
) -> None:
    """Tokens that the text lacks are generated from nothing and rely on nothing."""
    with_others = [
        replace(d, summary_ids=np.append(d.summary_ids, [99, 98]).astype(np.int32))
        for d in documents
    ]
    found = study_report(study(COPIER, with_others), SANE)["source_reliance"]
    assert found["copied_share_tau"]["mean"] == pytest.approx(1.0)
    assert found["copied_auc"]["mean"] == pytest.approx(1.0)
    assert found["phrase"] == REMOVED
    alike = study_report(study(COPIER, documents), SANE)["source_reliance"]
    assert alike["copied_share_tau"] == {"mean": None, "low": None, "high": None, "documents": 0}


def test_figures_are_told_apart_by_length_and_by_kind_of_token(
    copier: dict[str, Any], reader: dict[str, Any]
) -> None:
    quarters = copier["strata"]["length"]
    assert [part["documents"] for part in quarters] == [DOCUMENTS // 4] * 4
    for part in quarters:
        assert (part["least"], part["most"]) == (40, 40)
        entry = part["methods"]["attention"]
        assert entry["comprehensiveness_area"]["mean"] == pytest.approx(COPIER.copied)
        assert entry["word_tau"]["mean"] == pytest.approx(1.0)
    tokens = copier["strata"]["tokens"]["attention"]
    assert tokens["copied"]["mean"] == pytest.approx(COPIER.copied)
    assert tokens["generated"]["documents"] == 0
    assert reader["strata"]["tokens"]["attention"]["copied"]["documents"] == 0
    removal = reader["strata"]["tokens"]["leave_one_out"]["generated"]
    assert removal["mean"] == pytest.approx(READER.known - READER.unknown)

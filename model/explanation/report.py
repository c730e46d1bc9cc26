"""A study's figures as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.explanation.claims import MUST_BEAT, Evidence, earned_phrase
from model.explanation.intervals import Bootstrap, holm, p_value
from model.explanation.metrics import (
    BUDGETS,
    COMPREHENSIVENESS,
    FIGURES,
    SUFFICIENCY,
    areas,
)
from model.explanation.rankings import BASELINES, METHODS
from model.explanation.sanity import Likeness, correlations, larger, verdicts
from model.explanation.scorer import Floats
from model.explanation.strata import strata
from model.explanation.study import Figures

RELIANCE = "source_reliance"
"""A method that ranks no words of the text and stands beside the others."""


def study_report(figures: Sequence[Figures], likeness: Likeness) -> dict[str, Any]:
    """Means with intervals, by method and by baseline, and the phrase that each has earned.

    Args:
        figures: Of each document, at least two.
        likeness: What the cascade found, of fewer documents perhaps; empty: it was not run.
    """
    cascade = correlations(likeness)
    sane = verdicts(cascade) if cascade else {}
    draw = Bootstrap(len(figures))
    names = figures[0].erasures.keys()
    use = draw.mean(np.array([f.attention_use for f in figures]))
    report: dict[str, Any] = {
        "budgets": list(BUDGETS),
        "methods": {name: _of_method(name, figures, draw) for name in names},
        "greedy": {
            "comprehensiveness_area": draw.mean(_areas(figures, "best")[:, 0]).as_json(),
            "worst_comprehensiveness_area": draw.mean(_areas(figures, "worst")[:, 0]).as_json(),
        },
        "split_error": max(f.split_error for f in figures),
        "copied_at_peak": {
            "share": _ratio(sum(f.at_peak for f in figures), sum(f.copied for f in figures)),
            "copied_tokens": sum(f.copied for f in figures),
        },
        "even_attention_nats": use.as_json(),
        "source_reliance_nats": draw.mean(np.array([f.source_reliance for f in figures])).as_json(),
        "ablation_held_out_fit": draw.mean(np.array([f.held_out_fit for f in figures])).as_json(),
        RELIANCE: {
            "copied_share_tau": draw.mean(np.array([f.reliance_tau for f in figures])).as_json(),
            "copied_auc": draw.mean(np.array([f.reliance_auc for f in figures])).as_json(),
            "sane": sane.get(RELIANCE),
        },
        "strata": strata(figures, draw),
        "cascade": {stage: dict(methods) for stage, methods in cascade.items()},
        "cascade_end": _end(likeness),
    }
    for name in _ranking_methods(report):
        report["methods"][name]["sane"] = sane.get(name)
    return judged(report)


def judged(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with the p-values and the phrases that its own figures give, old ones replaced."""
    methods = dict(report["methods"])
    for name in _ranking_methods(report):
        found = evidence(name, report)
        methods[name] = {
            **methods[name],
            "p_values": dict(found.p_values),
            "phrase": earned_phrase(name, found),
        }
    judged_report = {**report, "methods": methods}
    if RELIANCE in report:
        phrase = earned_phrase(RELIANCE, evidence(RELIANCE, report))
        judged_report[RELIANCE] = {**report[RELIANCE], "phrase": phrase}
    return judged_report


def evidence(method: str, report: Mapping[str, Any]) -> Evidence:
    """What a report says of a method, as the claim ladder asks for it.

    Raises:
        KeyError: it says nothing of this method.
    """
    if method == RELIANCE:
        return Evidence(sane=report[RELIANCE]["sane"])
    entry = report["methods"][method]
    return Evidence(
        advantage={
            baseline: min(difference["low"] for difference in by_budget)
            for baseline, by_budget in entry["advantage"].items()
        },
        p_values=_p_values(report)[method],
        sentence_tau=entry["sentence_tau"]["mean"],
        sane=entry["sane"],
        split_error=report["split_error"],
        attention_use=report["even_attention_nats"]["low"],
    )


def _p_values(report: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """By method and baseline that must be beaten, the largest over the budgets, by Holm over all.

    They come from the intervals, which a report has, and not from documents, which it has not.
    """
    differences = [
        (name, baseline, difference)
        for name, entry in report["methods"].items()
        for baseline in MUST_BEAT
        for difference in entry.get("advantage", {}).get(baseline, [])
    ]
    adjusted = holm([p_value(d["mean"], d["low"], d["high"]) for _, _, d in differences])
    found: dict[str, dict[str, float]] = {name: {} for name in report["methods"]}
    for (name, baseline, _), value in zip(differences, adjusted, strict=True):
        found[name][baseline] = max(value, found[name].get(baseline, 0.0))
    return found


def _ranking_methods(report: Mapping[str, Any]) -> list[str]:
    return [name for name in METHODS if name in report["methods"]]


def _end(likeness: Likeness) -> dict[str, Any]:
    """By method the correlation once all weights are random, with its interval."""
    if not likeness:
        return {}
    *_, last = likeness.values()
    return {
        method: Bootstrap(len(values)).mean(larger(values)).as_json()
        for method, values in last.items()
    }


def _of_method(name: str, figures: Sequence[Figures], draw: Bootstrap) -> dict[str, Any]:
    erasures = np.array([f.erasures[name] for f in figures])  # (documents, 4, K)
    entry: dict[str, Any] = {
        figure: [draw.mean(erasures[:, row, k]).as_json() for k in range(len(BUDGETS))]
        for row, figure in enumerate(FIGURES)
    }
    area, best, worst = (_areas(figures, of) for of in (name, "best", "worst"))
    entry["comprehensiveness_area"] = draw.mean(area[:, COMPREHENSIVENESS]).as_json()
    entry["sufficiency_area"] = draw.mean(area[:, SUFFICIENCY]).as_json()
    above = area[:, COMPREHENSIVENESS] - worst[:, COMPREHENSIVENESS]
    below = best[:, COMPREHENSIVENESS] - worst[:, COMPREHENSIVENESS]
    entry["normalised_comprehensiveness"] = draw.ratio(above, below).as_json()
    entry["word_tau"] = draw.mean(np.array([f.word_tau[name] for f in figures])).as_json()
    entry["sentence_tau"] = draw.mean(np.array([f.sentence_tau[name] for f in figures])).as_json()
    if name in METHODS:
        entry["advantage"] = {
            baseline: _advantage(erasures, baseline, figures, draw) for baseline in BASELINES
        }
    return entry


def _advantage(
    ours: Floats, baseline: str, figures: Sequence[Figures], draw: Bootstrap
) -> list[dict[str, Any]]:
    """Comprehensiveness minus the baseline's, at each budget."""
    theirs = np.array([f.erasures[baseline] for f in figures])
    difference = (ours - theirs)[:, COMPREHENSIVENESS]  # (documents, K)
    return [draw.mean(difference[:, k]).as_json() for k in range(len(BUDGETS))]


def _areas(figures: Sequence[Figures], of: str) -> Floats:
    """(documents, 4) of a method, or of the greedy `best` or `worst` order."""
    return np.array(
        [areas(f.erasures[of] if of in f.erasures else getattr(f, of)) for f in figures]
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None

"""A study's figures as one JSON object and as a Markdown table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.explanation.claims import MUST_BEAT, Evidence, earned_phrase
from model.explanation.intervals import Bootstrap, Estimate, holm, p_value
from model.explanation.metrics import (
    BUDGETS,
    COMPREHENSIVENESS,
    FIGURES,
    SUFFICIENCY,
    areas,
)
from model.explanation.sanity import verdicts
from model.explanation.scorer import Floats
from model.explanation.study import BASELINES, METHODS, Figures

_PLACE = re.compile(r"\{.*?\}")  # in a phrase: filled for each text

Cascade = Mapping[str, Mapping[str, float]]


def study_report(figures: Sequence[Figures], cascade: Cascade) -> dict[str, Any]:
    """Means with intervals, by method and by baseline, and the phrase that each has earned."""
    draw = Bootstrap(len(figures))
    names = figures[0].erasures.keys()
    use = draw.mean(np.array([f.attention_use for f in figures]))
    report: dict[str, Any] = {
        "budgets": list(BUDGETS),
        "methods": {name: _of_method(name, figures, draw) for name in names},
        "greedy": {
            "comprehensiveness_area": _json(draw.mean(_areas(figures, "best")[:, 0])),
            "worst_comprehensiveness_area": _json(draw.mean(_areas(figures, "worst")[:, 0])),
        },
        "split_error": max(f.split_error for f in figures),
        "copied_at_peak": {
            "share": _ratio(sum(f.at_peak for f in figures), sum(f.copied for f in figures)),
            "copied_tokens": sum(f.copied for f in figures),
        },
        "even_attention_nats": _json(use),
        "source_reliance_nats": _json(draw.mean(np.array([f.source_reliance for f in figures]))),
        "ablation_held_out_fit": _json(draw.mean(np.array([f.held_out_fit for f in figures]))),
        "cascade": {stage: dict(methods) for stage, methods in cascade.items()},
    }
    sane = verdicts(cascade) if cascade else {}
    for name in METHODS:
        report["methods"][name]["sane"] = sane.get(name)
    return judged(report)


def judged(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with the p-values and the phrases that its own figures give, old ones replaced."""
    methods = dict(report["methods"])
    for name in METHODS:
        found = evidence(name, report)
        methods[name] = {
            **methods[name],
            "p_values": dict(found.p_values),
            "phrase": earned_phrase(name, found),
        }
    return {**report, "methods": methods}


def evidence(method: str, report: Mapping[str, Any]) -> Evidence:
    """What a report says of a method, as the claim ladder asks for it."""
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


def _of_method(name: str, figures: Sequence[Figures], draw: Bootstrap) -> dict[str, Any]:
    erasures = np.array([f.erasures[name] for f in figures])  # (documents, 4, K)
    entry: dict[str, Any] = {
        figure: [_json(draw.mean(erasures[:, row, k])) for k in range(len(BUDGETS))]
        for row, figure in enumerate(FIGURES)
    }
    area, best, worst = (_areas(figures, of) for of in (name, "best", "worst"))
    entry["comprehensiveness_area"] = _json(draw.mean(area[:, COMPREHENSIVENESS]))
    entry["sufficiency_area"] = _json(draw.mean(area[:, SUFFICIENCY]))
    above = area[:, COMPREHENSIVENESS] - worst[:, COMPREHENSIVENESS]
    below = best[:, COMPREHENSIVENESS] - worst[:, COMPREHENSIVENESS]
    entry["normalised_comprehensiveness"] = _json(draw.ratio(above, below))
    entry["word_tau"] = _json(draw.mean(np.array([f.word_tau[name] for f in figures])))
    entry["sentence_tau"] = _json(draw.mean(np.array([f.sentence_tau[name] for f in figures])))
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
    return [_json(draw.mean(difference[:, k])) for k in range(len(BUDGETS))]


def _areas(figures: Sequence[Figures], of: str) -> Floats:
    """(documents, 4) of a method, or of the greedy `best` or `worst` order."""
    return np.array(
        [areas(f.erasures[of] if of in f.erasures else getattr(f, of)) for f in figures]
    )


def _json(estimate: Estimate) -> dict[str, Any]:
    """With None where there is no number, which JSON can't write."""
    found = {name: None if np.isnan(v) else float(v) for name, v in estimate._asdict().items()}
    return {**found, "documents": estimate.documents}


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def tables(report: Mapping[str, Any]) -> str:
    """Markdown: erasure beside the baselines, what the methods earned, and the other figures."""
    methods = report["methods"]
    budgets = " | ".join(f"{100 * budget:.0f} %" for budget in report["budgets"])
    lines = [
        f"| ranking of words | comprehensiveness {budgets} | sufficiency {budgets} "
        "| normalised area | tau by word | tau by sentence |",
        "| --- |" + " --- |" * (2 * len(report["budgets"]) + 3),
    ]
    lines += [_row(name, entry) for name, entry in methods.items()]
    least_over = " | ".join(BASELINES)
    lines += ["", f"| method | least advantage over {least_over} | largest p by Holm | phrase |"]
    lines += ["| --- |" + " --- |" * (len(BASELINES) + 2)]
    for name in METHODS:
        least = [min(d["low"] for d in methods[name]["advantage"][b]) for b in BASELINES]
        told = " | ".join([*(f"{v:+.4f}" for v in least), _largest_p(methods[name]["p_values"])])
        phrase = _PLACE.sub("…", methods[name]["phrase"] or "not to be served")
        lines.append(f"| {name} | {told} | {phrase} |")
    stages = [f"- {stage} random: " + _told(found) for stage, found in report["cascade"].items()]
    share = report["copied_at_peak"]["share"]
    copied = report["copied_at_peak"]["copied_tokens"]
    lines += [
        "",
        f"- largest error of the copy split: {report['split_error']:.1e}",
        f"- copied tokens that are the token at the peak: "
        f"{'-' if share is None else f'{100 * share:.1f} %'} of {copied}",
        f"- nats a token lost with even copying: {_interval(report['even_attention_nats'])}",
        f"- nats a token lost without the text: {_interval(report['source_reliance_nats'])}",
        f"- held-out fit of the ablation: {_interval(report['ablation_held_out_fit'])}",
        *stages,
    ]
    return "\n".join(lines)


def _row(name: str, entry: Mapping[str, Any]) -> str:
    cells = [_mean(e) for figure in ("comprehensiveness", "sufficiency") for e in entry[figure]]
    cells += [_interval(entry[key]) for key in ("normalised_comprehensiveness", "word_tau")]
    return f"| {name} | " + " | ".join([*cells, _interval(entry["sentence_tau"])]) + " |"


def _largest_p(p_values: Mapping[str, float]) -> str:
    largest = max(p_values.values())
    return "< 0.0001" if largest < 1e-4 else f"{largest:.4f}"


def _told(correlations: Mapping[str, float]) -> str:
    return ", ".join(f"{method} {value:.2f}" for method, value in correlations.items())


def _mean(estimate: Mapping[str, Any]) -> str:
    return "-" if estimate["mean"] is None else f"{estimate['mean']:.4f}"


def _interval(estimate: Mapping[str, Any]) -> str:
    if estimate["mean"] is None:
        return "-"
    return "{mean:.2f} ({low:.2f} to {high:.2f}, n {documents})".format(**estimate)

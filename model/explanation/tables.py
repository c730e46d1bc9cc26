"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from model.explanation.rankings import BASELINES, METHODS

_PLACE = re.compile(r"\{.*?\}")  # in a phrase: filled for each text


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
    for name in [name for name in METHODS if name in methods]:
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
        *_of_reliance(report.get("source_reliance")),
        *stages,
        *_end(report.get("cascade_end")),
        *_strata(report.get("strata"), [n for n in methods if methods[n].get("phrase")]),
    ]
    return "\n".join(lines)


def _row(name: str, entry: Mapping[str, Any]) -> str:
    cells = [_mean(e) for figure in ("comprehensiveness", "sufficiency") for e in entry[figure]]
    cells += [_interval(entry[key]) for key in ("normalised_comprehensiveness", "word_tau")]
    return f"| {name} | " + " | ".join([*cells, _interval(entry["sentence_tau"])]) + " |"


def _largest_p(p_values: Mapping[str, float]) -> str:
    largest = max(p_values.values())
    return "< 0.0001" if largest < 1e-4 else f"{largest:.4f}"


def _of_reliance(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    tau, auc = (_interval(found[key]) for key in ("copied_share_tau", "copied_auc"))
    phrase = _PLACE.sub("…", found["phrase"] or "not to be served")
    return [
        f"- source reliance of a token and its copied share: tau {tau}; "
        f"of copied tokens above generated ones: {auc}; {phrase}"
    ]


def _end(found: Mapping[str, Any] | None) -> list[str]:
    if not found:
        return []
    told = ", ".join(f"{method} {_interval(estimate)}" for method, estimate in found.items())
    return [f"- all random, with intervals: {told}"]


def _strata(found: Mapping[str, Any] | None, served: Sequence[str]) -> list[str]:
    """Areas by length, of the methods that are served, and for copied and generated tokens."""
    if found is None:
        return []
    lines = ["", "| words of the text | texts | nats lost with even copying | method | area "
             "| tau by word | tau by sentence |", "| --- |" + " --- |" * 6]  # fmt: skip
    for part in found["length"]:
        start = f"| {part['least']} to {part['most']} | {part['documents']} "
        start += f"| {_interval(part['even_attention_nats'])} "
        for name in [name for name in part["methods"] if name in served]:
            told = [
                _interval(part["methods"][name][key])
                for key in ("comprehensiveness_area", "word_tau", "sentence_tau")
            ]
            lines.append(f"{start}| {name} | " + " | ".join(told) + " |")
    lines += ["", "| ranking of words | area, copied tokens | area, generated tokens |",
              "| --- | --- | --- |"]  # fmt: skip
    for name, entry in found["tokens"].items():
        told = [_interval(entry[kind]) for kind in ("copied", "generated")]
        lines.append(f"| {name} | " + " | ".join(told) + " |")
    return lines


def _told(correlations: Mapping[str, float | None]) -> str:
    return ", ".join(
        f"{method} {'-' if value is None else f'{value:.2f}'}"
        for method, value in correlations.items()
    )


def _mean(estimate: Mapping[str, Any]) -> str:
    return "-" if estimate["mean"] is None else f"{estimate['mean']:.4f}"


def _interval(estimate: Mapping[str, Any]) -> str:
    if estimate["mean"] is None:
        return "-"
    return "{mean:.2f} ({low:.2f} to {high:.2f}, n {documents})".format(**estimate)

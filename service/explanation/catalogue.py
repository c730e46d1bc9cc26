"""Which methods are served of this model, and what each of them has earned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from model.artifact import SALIENCY, SELF_ATTENTION
from model.explanation.claims import ALWAYS_SERVED, earned_phrase, unmeasured_phrase
from model.explanation.report import RELIANCE
from model.explanation.report import evidence as measured_evidence
from service.errors import RuleBroken
from service.explanation.schemas import MethodName
from service.predictor import ModelInfo
from service.rendering.attention_view import number

METHODS: tuple[MethodName, ...] = get_args(MethodName)
SLOW = frozenset({"leave_one_out", "ablation"})
NEEDED_SIGNATURE = {"gradient": SALIENCY, "self_attention": SELF_ATTENTION}

UNMOVED = "its scores hardly change when the weights of the model are shuffled"
UNKNOWN = "whether its scores depend on the weights of the model could not be told"
CHANCE = "it is not better than chance, the lead and the position alone"
"""Why a method is refused: what its figures failed."""

RANKS_NOTHING = "self_attention"
"""A look into the encoder, and no statement about a summary: no figure can judge it."""

_REASONS = {False: UNMOVED, None: UNKNOWN, True: CHANCE}  # by `sane`
_PLACE = re.compile(r"\{.*?\}")  # in a phrase: filled by each row or score
_INTERVALS = (
    "comprehensiveness_area",
    "normalised_comprehensiveness",
    "word_tau",
    "sentence_tau",
    "copied_share_tau",
)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A method that is served.

    Attributes:
        name: Of the method.
        evidence: What stands beside its answers, as it is sent.
    """

    name: MethodName
    evidence: Mapping[str, Any]

    @property
    def is_slow(self) -> bool:
        """Whether it is answered with 202."""
        return self.name in SLOW


def offers(info: ModelInfo, *, unmeasured: bool) -> dict[str, Offer]:
    """What is served of a model, by name.

    Args:
        info: The model.
        unmeasured: Whether methods of which nothing was measured are served too.
    """
    found: dict[str, Offer] = {}
    for name in METHODS:
        needed = NEEDED_SIGNATURE.get(name)
        if needed is not None and needed not in info.signatures:
            continue
        shown = _evidence(name, info.faithfulness)
        if shown is None or not (shown["measured"] or unmeasured or name in ALWAYS_SERVED):
            continue
        found[name] = Offer(name=name, evidence=shown)
    return found


def refusals(info: ModelInfo) -> dict[str, str]:
    """Why methods that were measured on a model are not served of it, by name."""
    report = info.faithfulness
    return {
        name: _REASONS[_entry(name, report)["sane"]]
        for name in METHODS
        if report is not None and _evidence(name, report) is None
    }


def check_methods(
    asked: Iterable[str], offered: Mapping[str, Offer], refused: Mapping[str, str]
) -> None:
    """Whether all that is asked for is served.

    Args:
        asked: Names of methods.
        offered: What `offers` says.
        refused: What `refusals` says.

    Raises:
        RuleBroken: something is not; the message says why where that is known, and names what is.
    """
    missing = [
        f"{name} ({refused[name]})" if name in refused else name
        for name in asked
        if name not in offered
    ]
    if missing:
        raise RuleBroken(
            f"methods: {', '.join(missing)} is not served of this model; {', '.join(offered)} are"
        )


def _evidence(name: str, report: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What stands beside a method's answers; none: it was measured and must not be served."""
    if name == RANKS_NOTHING:
        return {"measured": False, "measurable": False, "phrase": unmeasured_phrase(name)}
    entry = {} if report is None else _entry(name, report)
    if report is None or not entry:
        return {"measured": False, "phrase": unmeasured_phrase(name)}
    known = measured_evidence(name, report)
    phrase = earned_phrase(name, known)
    if phrase is None:
        return None
    return {
        "measured": True,
        "phrase": _PLACE.sub("…", phrase),
        "documents": report["documents"],
        "kinds_of_text": report.get("kinds_of_text"),
        "longest_text": report.get("longest_text"),
        **{figure: _interval(entry.get(figure)) for figure in _INTERVALS},
        "advantage": {name: number(low) for name, low in known.advantage.items()} or None,
        "sane": entry.get("sane"),
    }


def _entry(name: str, report: Mapping[str, Any]) -> Mapping[str, Any]:
    """A method's figures; empty: it was not measured."""
    found = report.get(RELIANCE) if name == RELIANCE else report["methods"].get(name)
    return found or {}


def _interval(estimate: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {end: number(estimate[end]) for end in ("mean", "low", "high")}

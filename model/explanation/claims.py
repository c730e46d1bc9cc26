"""The claim ladder: the phrase that a method has earned by what was measured, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from model.explanation.intervals import LEVEL
from model.explanation.methods.copy_split import TOLERANCE

UNTESTED = "how far it can be relied on was not measured"
LOOKED = "where the model looked"
RELIED = "relied on more than chance"
REMOVED = "removing it changes the summary by {nats:.1f} nats"
COPIED = "exactly {percent:.0f} % of this word's probability was copied from here"
"""The rungs. None of them says why."""

MUST_BEAT = ("random", "lead", "position")
LEAST_SENTENCE_TAU = 0.45
ALWAYS_SERVED = ("attention", "copy_split")
SHOW_ATTENTION = (*ALWAYS_SERVED, "self_attention")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was measured of one method on one model; None where it was not."""

    advantage: Mapping[str, float] = field(default_factory=dict)
    """By baseline the lower end of the 95 % interval of comprehensiveness minus the baseline's, at
    the budget where it is lowest."""
    p_values: Mapping[str, float] = field(default_factory=dict)
    """By baseline that it must beat the largest p-value of these differences, by Holm over all such
    comparisons of the study."""
    sentence_tau: float | None = None
    sane: bool | None = None  # the randomised-weights cascade
    split_error: float | None = None  # of the copy split, the largest
    attention_use: float | None = None  # nats lost with even attention: the interval's lower end


def beats_baselines(evidence: Evidence) -> bool:
    """Whether it is better than chance, lead and position at every budget, intervals off 0.

    They must be off 0 also for one who makes all comparisons of the study at once.
    """
    return all(
        evidence.advantage.get(name, 0.0) > 0 and evidence.p_values.get(name, 1.0) <= LEVEL
        for name in MUST_BEAT
    )


def unmeasured_phrase(method: str) -> str:
    """What may stand beside a method of which nothing was measured.

    Where the model looked is told by attention alone: removals and gradients never saw that.
    """
    return LOOKED if method in SHOW_ATTENTION else UNTESTED


def earned_phrase(method: str, evidence: Evidence) -> str | None:
    """What may stand beside a method's scores; None: it must not be served.

    A phrase with braces is filled by what the method says of the very text: `nats` or `percent`.
    """
    if method == "copy_split":
        exact = evidence.split_error is not None and evidence.split_error <= TOLERANCE
        return COPIED if exact else LOOKED
    if method == "attention":
        return RELIED if _is_attention_relied_on(evidence) else LOOKED
    if not evidence.sane:
        return None
    if method in ("source_reliance", "leave_one_out"):
        return REMOVED
    return RELIED if beats_baselines(evidence) else None


def _is_attention_relied_on(evidence: Evidence) -> bool:
    tau, use = evidence.sentence_tau, evidence.attention_use
    agrees = tau is not None and tau >= LEAST_SENTENCE_TAU
    is_used = use is not None and use > 0
    return beats_baselines(evidence) and agrees and is_used and bool(evidence.sane)

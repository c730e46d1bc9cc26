"""What clients have counted, against what the service has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str, str]
"""Route, method and status."""

_REQUESTS = "summarizer_requests_total"
_SUMS = {
    "inputs": "summarizer_inputs_total",
    "source_tokens": "summarizer_source_tokens_total",
    "summary_tokens": "summarizer_written_tokens_total",
}

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
"""Values of `/metrics`, by name and sorted labels."""


@dataclass(kw_only=True)
class Tally:
    """Answers by route, method and status, and the clients that did not wait for theirs."""

    requests: Counter[Key] = field(default_factory=Counter)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)  # by route and method
    lost: int = 0  # connections that broke: there should be none
    sums: Counter[str] = field(default_factory=Counter)  # of what was summarized

    def add_answer(self, answer: Mapping[str, Any]) -> None:
        """Sums up what `/predict` or `/explain` answered."""
        predictions = answer["predictions"]
        self.sums["inputs"] += len(predictions)
        if "usage" in answer:
            self.sums.update(answer["usage"])
            return
        for prediction in predictions:
            self.sums["source_tokens"] += prediction["source"]["used_tokens"]
            self.sums["summary_tokens"] += len(prediction["summary_tokens"]["log_prob"])

    @property
    def total(self) -> int:
        """All requests."""
        return self.requests.total() + self.left.total() + self.lost


def samples_of(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Prometheus' text format."""
    from prometheus_client.parser import text_string_to_metric_families as families

    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(text)
        for sample in family.samples
    }


def rises(before: Samples, after: Samples, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """By how much each series of a metric rose; those that did not are left out."""
    found = {
        labels: value - before.get((series, labels), 0.0)
        for (series, labels), value in after.items()
        if series == name
    }
    return {labels: rise for labels, rise in found.items() if rise}


def unexplained(tally: Tally, before: Samples, after: Samples) -> list[str]:
    """Where the service's counters and the clients' differ; empty is what is wanted.

    A client that left knows no status: whatever the service counts beyond the answers has to be one
    of those. It may be none, where a client left before its request was read.
    """
    counted = Counter(
        {
            (found["route"], found["method"], found["status"]): int(rise)
            for labels, rise in rises(before, after, _REQUESTS).items()
            if (found := dict(labels))
        }
    )
    problems = [
        f"{' '.join(key)}: clients saw {seen}, the service counted {counted[key]}"
        for key, seen in sorted(tally.requests.items())
        if counted[key] < seen
    ]
    surplus = counted - tally.requests
    for route, method in _routes(surplus):
        more = sum(count for key, count in surplus.items() if key[:2] == (route, method))
        if more > tally.left[route, method]:
            left = tally.left[route, method]
            problems.append(f"{method} {route}: {more} more counted than seen, and {left} left")
    answered_for_nobody = surplus["/predict", "POST", "200"]
    for name, metric in _SUMS.items():
        rise = sum(rises(before, after, metric).values())
        seen = tally.sums[name]
        if rise < seen or (rise > seen and not answered_for_nobody):
            problems.append(f"{name}: clients saw {seen}, the service counted {rise:.0f}")
    return problems


def _routes(keys: Iterable[Key]) -> list[tuple[str, str]]:
    return sorted({(route, method) for route, method, _ in keys})

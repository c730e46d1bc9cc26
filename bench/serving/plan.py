"""What of the comparison is done: all of it, what fits into an hour or two, or a rehearsal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bench.serving.raw import BATCHES
from bench.serving.systems import OURS, Setting, System
from bench.serving.tables import CLIENTS, MOST_CLIENTS, SHARES

VIEWS = ("none", "sources", "matrix")
_LEADERS = 2  # rivals that come back after the first round of a brief run
_MAIN = "sources"  # the view by default, of which most is claimed


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The loads, and who gets them."""

    rounds: int = 3
    seconds: float = 8.0  # of one load
    patience_s: float = 2.0  # that clients of an open loop wait
    warm_up_s: float = 8.0
    texts: int = 250
    characters: int | None = None  # to which texts are cut
    timed_texts: int = 250  # of those whose added latency is taken
    batches: Sequence[int] = BATCHES  # of the engine by itself

    def settings(self, rival: System) -> Sequence[Setting]:
        """Those that its sweep tries."""
        return rival.settings

    def clients(self, system: System, view: str) -> Sequence[int]:
        """Of the closed loops; 32 are always among them."""
        return CLIENTS

    def shares(self, system: System, view: str) -> Sequence[float]:
        """Of the capacity, at which requests come in the open loops."""
        return SHARES if system.json == "orjson" else ()

    def views(self, system: System) -> Collection[str]:
        """How much attention is asked for."""
        return VIEWS

    def leaves(self, system: System) -> bool:
        """Whether clients leave it."""
        return system.json == "orjson"

    def in_round(self, number: int, systems: Sequence[System], ranked: Sequence[str]) -> list[str]:
        """The labels of those that are measured in a round.

        Args:
            number: From 0.
            systems: All.
            ranked: Labels, who answered most so far first.
        """
        return [system.label for system in systems]

    def told(self) -> str:
        """What is left out, for the head of the report."""
        return ""


class Brief(Plan):
    """An hour or two: the same figures for ours, fewer of the rivals, only of the best thrice."""

    def settings(self, rival: System) -> Sequence[Setting]:
        """The first, the middle and the last: without batches, small and large ones."""
        found = rival.settings
        return [found[0], found[len(found) // 2], found[-1]]

    def clients(self, system: System, view: str) -> Sequence[int]:
        """All for the view by default, else 32."""
        return CLIENTS if view == _MAIN and system.json == "orjson" else CLIENTS[-1:]

    def shares(self, system: System, view: str) -> Sequence[float]:
        """All for ours, 200 % for rivals, of the view by default."""
        if view != _MAIN or system.json != "orjson":
            return ()
        return SHARES if system is OURS else SHARES[-1:]

    def views(self, system: System) -> Collection[str]:
        """Matrices alone, where the rival's own JSON writes them."""
        return VIEWS if system.json == "orjson" else VIEWS[-1:]

    def leaves(self, system: System) -> bool:
        """Ours."""
        return system is OURS

    def in_round(self, number: int, systems: Sequence[System], ranked: Sequence[str]) -> list[str]:
        """All at first; then ours, the best rivals, and the best with its own JSON."""
        if number == 0:
            return [system.label for system in systems]
        kept = [OURS.label]
        for json, count in (("orjson", _LEADERS), ("own", 1)):
            labels = {s.label for s in systems if s is not OURS and s.json == json}
            kept += [label for label in ranked if label in labels][:count]
        return kept

    def told(self) -> str:
        """What is left out, for the head of the report."""
        return (
            "reduced, to take an hour or two: sweeps try three settings a rival; rivals get "
            f"{MOST_CLIENTS} clients for each view, 1 and 8 clients and the open loop at "
            f"{SHARES[-1]:.0%} for {_MAIN} alone, their own JSON for matrices alone; after the "
            f"first round only the {_LEADERS} best rivals, and the best with its own JSON, are "
            "measured again (column rounds)"
        )


class Rehearsal(Plan):
    """Minutes: every command and every table, and figures that mean nothing."""

    def settings(self, rival: System) -> Sequence[Setting]:
        """The last."""
        return rival.settings[-1:]

    def shares(self, system: System, view: str) -> Sequence[float]:
        """All for one view."""
        return super().shares(system, view) if view == _MAIN else ()

    def told(self) -> str:
        """That it is none."""
        return "A REHEARSAL: these figures are no measurement"


FULL = Plan()
BRIEF = Brief(warm_up_s=3.0, timed_texts=60, batches=(1, 4, 8, 16))
REHEARSAL = Rehearsal(
    rounds=1,
    seconds=2.0,
    patience_s=1.0,
    warm_up_s=1.0,
    texts=12,
    characters=300,
    timed_texts=4,
    batches=(1, 8),
)

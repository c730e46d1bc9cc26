"""What is compared, and what has been seen of each so far."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.server import NotStarted, Server
from bench.serving.measures import Cell, Load, closed_loop, median_cell, put_on
from bench.serving.pace import Pace
from bench.serving.plan import Plan
from bench.serving.probes import (
    Added,
    LeftBehind,
    added_latency,
    answers_of,
    difference,
    left_behind,
    padded_share,
    until_quiet,
)
from bench.serving.raw import RawEngines
from bench.serving.systems import OURS, Setting, System, serving
from bench.serving.tables import MOST_CLIENTS

_CHECKED = 6  # texts whose answers are compared


@dataclass(kw_only=True)
class Comparison:
    """What is compared, and what has been seen so far."""

    options: argparse.Namespace
    plan: Plan
    texts: Sequence[str]
    directory: Path
    raw: RawEngines
    pace: Pace
    settings: dict[str, Setting] = field(default_factory=dict)  # by package
    missing: dict[str, str] = field(default_factory=dict)  # by label
    seen: dict[tuple[str, str], dict[object, list[Cell]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    capacity: dict[str, float] = field(default_factory=dict)
    expected: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # answers, by view
    left_behind: dict[str, LeftBehind] = field(default_factory=dict)
    added: Added | None = None
    padded: float = 0.0

    def requests(self, view: str) -> list[Mapping[str, Any]]:
        """All texts."""
        return [{"inputs": text, "attention": view} for text in self.texts]

    @contextmanager
    def started(self, system: System, setting: Setting) -> Iterator[Server]:
        """The system, warm."""
        found = serving(
            system,
            setting,
            artifact=self.options.artifact,
            workers=self.options.workers,
            text=self.texts[0],
            directory=self.directory,
        )
        with found as server:
            warm_up = Load(clients=MOST_CLIENTS, seconds=self.plan.warm_up_s)
            put_on(server, system, self.requests("none"), warm_up, 0)
            until_quiet(server)
            yield server

    def sweep(self, rival: System) -> None:
        """Takes the rival's best batch setting, and prints all."""
        load = closed_loop(MOST_CLIENTS, self.plan.seconds)
        found = []
        for setting in self.plan.settings(rival):
            with self.started(rival, setting) as server:
                cell = self.put_on(server, rival, "sources", load, 0)
            found.append((cell.even_per_s, setting))
            figures = f"{cell.per_s:.1f} | {cell.speed:.2f} | {cell.even_per_s:.1f}"
            print(f"| {rival.name} | {shown(setting)} | {figures} |", flush=True)
        self.settings[rival.package] = max(found, key=lambda pair: pair[0])[1]

    def check(self, server: Server, system: System) -> None:
        """Compares answers with ours, which come first.

        Raises:
            NotStarted: they differ.
        """
        for view in self.options.views:
            requests = self.requests(view)[:_CHECKED]
            answers = answers_of(server, system, requests)
            expected = self.expected.setdefault(view, answers)
            if place := difference(expected, answers):
                raise NotStarted(f"its answers differ, {view}{place}")

    def visit(self, system: System, number: int, tokens: int) -> None:
        """One round of one system."""
        with self.started(system, self.settings.get(system.package, {})) as server:
            if number == 0:
                self.check(server, system)
            for view in self.options.views:
                if view in self.plan.views(system):
                    self.measure(server, system, view, number)
            if number == 0 and self.plan.leaves(system):
                workers = self.options.workers
                self.left_behind[system.label] = left_behind(server, system, self.texts, workers)
            if number == 0 and system is OURS:
                self.added = added_latency(
                    server, self.raw, self.texts[: self.plan.timed_texts], self.plan.rounds
                )
                texts = self.texts
                self.padded = padded_share(server, system, texts, MOST_CLIENTS, tokens)

    def measure(self, server: Server, system: System, view: str, number: int) -> None:
        """All loads of one view."""
        seconds, patience_s = self.plan.seconds, self.plan.patience_s
        seen = self.seen[system.label, view]
        for clients in self.plan.clients(system, view):
            cell = self.put_on(server, system, view, closed_loop(clients, seconds), number)
            seen[clients].append(_noted(cell, system, view, f"{clients} clients"))
        # At least what one answer in the window would be: a rate of 0 is no load.
        self.capacity.setdefault(view, max(seen[MOST_CLIENTS][0].even_per_s, 1 / seconds))
        for share in self.plan.shares(system, view):
            rate = share * self.capacity[view] * self.pace.now()
            load = Load(rate=rate, seconds=seconds + patience_s, patience_s=patience_s)
            cell = self.put_on(server, system, view, load, number)
            seen[share].append(_noted(cell, system, view, f"{share:.0%} of capacity"))

    def put_on(self, server: Server, system: System, view: str, load: Load, number: int) -> Cell:
        """Puts a load on a server, between two looks at the machine's speed.

        The second waits until the server has ended what clients that left have begun: its own work
        is no slowness of the machine.
        """

        def seen() -> Cell:
            cell = put_on(server, system, self.requests(view), load, number)
            until_quiet(server)
            return cell

        cell, speed = self.pace.during(seen)
        return cell.at(speed)

    def ranked(self) -> list[str]:
        """Labels of those measured so far, who answered most at 32 clients in any view first."""
        most: dict[str, float] = defaultdict(float)
        for (label, view), loads in self.seen.items():
            answered = median_cell(loads[MOST_CLIENTS]).even_per_s / self.capacity[view]
            most[label] = max(most[label], answered)
        return sorted(most, key=lambda label: -most[label])


def _noted(cell: Cell, system: System, view: str, load: str) -> Cell:
    """Says it at once, beside the tables: whatever becomes of the run, it is known."""
    figures = " ".join(f"{name}={value:.3g}" for name, value in asdict(cell).items())
    print(f"{system.label}, {view}, {load}: {figures}", file=sys.stderr, flush=True)
    return cell


def shown(setting: Setting) -> str:
    """For a table."""
    return ", ".join(f"{name} {value}" for name, value in setting.items())

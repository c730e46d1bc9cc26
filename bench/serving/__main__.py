"""The command: prints what was compared on which machine, and who was how fast."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.machine import describe
from bench.server import NotStarted, Server, end_in_order
from bench.serving.measures import Cell, Load, closed_loop, median_cell, put_on
from bench.serving.plan import BRIEF, FULL, REHEARSAL, VIEWS, Plan
from bench.serving.probes import (
    Added,
    LeftBehind,
    added_latency,
    answers_of,
    difference,
    left_behind,
    padded_share,
)
from bench.serving.raw import Raw, RawEngines, raw_engines
from bench.serving.systems import OURS, RIVALS, Setting, System, package_versions, serving
from bench.serving.tables import (
    MOST_CLIENTS,
    Found,
    claims_table,
    closed_table,
    left_table,
    open_table,
)
from bench.texts import texts_of
from service.workers.processors import available_processors

_CHECKED = 6  # texts whose answers are compared


@dataclass(kw_only=True)
class Comparison:
    """What is compared, and what has been seen so far."""

    options: argparse.Namespace
    plan: Plan
    texts: Sequence[str]
    directory: Path
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
            yield server

    def sweep(self, rival: System) -> None:
        """Takes the rival's best batch setting, and prints all."""
        load = closed_loop(MOST_CLIENTS, self.plan.seconds)
        found = []
        for setting in self.plan.settings(rival):
            with self.started(rival, setting) as server:
                cell = put_on(server, rival, self.requests("sources"), load, 0)
            found.append((cell.per_s, setting))
            print(f"| {rival.name} | {_shown(setting)} | {cell.per_s:.1f} |", flush=True)
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

    def visit(self, system: System, number: int, raw: RawEngines, tokens: int) -> None:
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
                    server, raw, self.texts[: self.plan.timed_texts], self.plan.rounds
                )
                texts = self.texts
                self.padded = padded_share(server, system, texts, MOST_CLIENTS, tokens)

    def measure(self, server: Server, system: System, view: str, number: int) -> None:
        """All loads of one view."""
        seconds, patience_s = self.plan.seconds, self.plan.patience_s
        seen = self.seen[system.label, view]
        for clients in self.plan.clients(system, view):
            load = closed_loop(clients, seconds)
            cell = put_on(server, system, self.requests(view), load, number)
            seen[clients].append(_noted(cell, system, view, f"{clients} clients"))
        # At least what one answer in the window would be: a rate of 0 is no load.
        self.capacity.setdefault(view, max(seen[MOST_CLIENTS][0].per_s, 1 / seconds))
        for share in self.plan.shares(system, view):
            rate = share * self.capacity[view]
            load = Load(rate=rate, seconds=seconds + patience_s, patience_s=patience_s)
            cell = put_on(server, system, self.requests(view), load, number)
            seen[share].append(_noted(cell, system, view, f"{share:.0%} of capacity"))

    def ranked(self) -> list[str]:
        """Labels of those measured so far, who answered most at 32 clients in any view first."""
        most: dict[str, float] = defaultdict(float)
        for (label, view), loads in self.seen.items():
            answered = median_cell(loads[MOST_CLIENTS]).per_s / self.capacity[view]
            most[label] = max(most[label], answered)
        return sorted(most, key=lambda label: -most[label])


def _noted(cell: Cell, system: System, view: str, load: str) -> Cell:
    """Says it at once, beside the tables: whatever becomes of the run, it is known."""
    figures = " ".join(f"{name}={value:.3g}" for name, value in asdict(cell).items())
    print(f"{system.label}, {view}, {load}: {figures}", file=sys.stderr, flush=True)
    return cell


def main() -> int:
    """Sweeps, compares in interleaved rounds, prints."""
    end_in_order()
    options = _options()
    plan: Plan = options.plan
    texts = [text[: plan.characters] for text in texts_of(options.texts, plan.texts)]
    print(describe(), package_versions(), sep="\n")
    print(
        f"{options.workers} workers with one thread each; {len(texts)} texts, "
        f"{sum(map(len, texts)) / len(texts):.0f} characters on average; "
        f"medians of {plan.rounds} rounds of at least {plan.seconds:g} s\n{plan.told()}\n",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name, _raw(options) as raw:
        comparison = Comparison(options=options, plan=plan, texts=texts, directory=Path(name))
        rivals = [one for one in RIVALS if not options.only or one.package in options.only]
        best = _best_batch(raw, texts, plan.batches)
        print("\n| rival | batch setting | 1/s at 32 clients |\n| --- | --- | --- |", flush=True)
        for rival in rivals:
            _try(comparison, rival.name, lambda rival=rival: comparison.sweep(rival))
        rivals = [one for one in rivals if one.package in comparison.settings]
        own = [replace(one, json="own") for one in rivals]
        raws = [best]
        for number in range(plan.rounds):
            systems = [OURS, *rivals, *own]
            measured = plan.in_round(number, systems, comparison.ranked())
            for system in _rotated(systems, number):
                if system.label in comparison.missing or system.label not in measured:
                    continue
                _try(
                    comparison,
                    system.label,
                    lambda system=system, number=number: comparison.visit(
                        system, number, raw, best.tokens
                    ),
                )
            raws.append(raw.batched(texts, best.batch))
    _report(comparison, _median_raw(raws), rivals, own)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    add = parser.add_argument
    add("--artifact", type=Path, default=Path("artifacts/summarizer"))
    add("--texts", type=Path, help="a data file to take texts from; else they are composed")
    add("--workers", type=int, default=available_processors())
    add("--rounds", type=int, help="3 if left out")
    add("--views", nargs="+", choices=VIEWS, default=list(VIEWS))
    add("--only", nargs="*", help="packages of the rivals; none at all: ours alone")
    plans = parser.add_mutually_exclusive_group()
    brief = "under an hour on two cores; it prints what it leaves out"
    plans.add_argument("--brief", dest="plan", action="store_const", const=BRIEF, help=brief)
    quick = "a rehearsal: its figures mean nothing"
    plans.add_argument("--quick", dest="plan", action="store_const", const=REHEARSAL, help=quick)
    parser.set_defaults(plan=FULL)
    options = parser.parse_args()
    if options.only == []:
        options.only = ["none"]
    if options.rounds is not None:
        options.plan = replace(options.plan, rounds=options.rounds)
    return options


def _raw(options: argparse.Namespace) -> AbstractContextManager[RawEngines]:
    return raw_engines(options.artifact, options.workers)


def _best_batch(raw: RawEngines, texts: Sequence[str], batches: Sequence[int]) -> Raw:
    print("| raw batch of | texts / s | CPU ms a text |\n| --- | --- | --- |")
    found = []
    raw.batched(texts, batches[-1])  # warms up
    for batch in batches:
        one = raw.batched(texts, batch)
        print(f"| {batch} | {one.per_s:.1f} | {one.cpu_ms:.1f} |", flush=True)
        found.append(one)
    return max(found, key=lambda one: one.per_s)


def _try(comparison: Comparison, label: str, work: Any) -> None:
    """Notes why a rival can't be compared, and goes on; without ours there is no comparison."""
    try:
        work()
    except (NotStarted, OSError) as error:
        if label == OURS.label:
            raise
        comparison.missing[label] = f"not measured: {error}"
        print(f"{label}: {error}", flush=True)


def _rotated(systems: Sequence[System], number: int) -> list[System]:
    """Another one begins in each round; in the first, ours, which says what the capacity is."""
    start = number % len(systems)
    return [*systems[start:], *systems[:start]]


def _median_raw(raws: Sequence[Raw]) -> Raw:
    by_speed = sorted(raws, key=lambda one: one.per_s)
    return by_speed[len(by_speed) // 2]


def _shown(setting: Setting) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting.items())


def _report(
    comparison: Comparison, raw: Raw, rivals: Sequence[System], own: Sequence[System]
) -> None:
    cells = {
        key: {load: median_cell(cells) for load, cells in loads.items()}
        for key, loads in comparison.seen.items()
        if key[0] not in comparison.missing
    }
    assert comparison.added is not None
    found = Found(
        cells=cells,
        missing=comparison.missing,
        ours=OURS.label,
        with_orjson=[one.label for one in rivals],
        with_own=[one.label for one in own],
        raw=raw,
        capacity=comparison.capacity,
        added=comparison.added,
        left_behind=comparison.left_behind,
        padded=comparison.padded,
        rounds={key: len(loads[MOST_CLIENTS]) for key, loads in comparison.seen.items()},
    )
    print(f"\nraw: {raw.per_s:.1f} texts/s, {raw.cpu_ms:.1f} CPU ms a text, batches of {raw.batch}")
    for view in comparison.options.views:
        print(f"\n### attention: {view}\n")
        print(closed_table(found, view))
        print(f"\nOpen loop; 100 % is {comparison.capacity[view]:.1f} requests/s\n")
        print(open_table(found, view))
    print("\n### left behind\n\n" + left_table(found))
    print("\n### claims\n\n" + claims_table(found, comparison.options.views))


if __name__ == "__main__":
    raise SystemExit(main())

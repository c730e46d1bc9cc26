"""The command: prints what was compared on which machine, and who was how fast."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.machine import describe
from bench.server import NotStarted, end_in_order
from bench.serving.comparison import Comparison
from bench.serving.measures import median_cell
from bench.serving.pace import Pace
from bench.serving.plan import BRIEF, FULL, REHEARSAL, VIEWS, Plan
from bench.serving.raw import Raw, RawEngines, raw_engines
from bench.serving.systems import OURS, RIVALS, System, package_versions
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
        pace = Pace(raw, texts)
        comparison = Comparison(
            options=options, plan=plan, texts=texts, directory=Path(name), raw=raw, pace=pace
        )
        rivals = [one for one in RIVALS if not options.only or one.package in options.only]
        best = _best_batch(comparison)
        print(
            "\n| rival | batch setting | 1/s at 32 clients | machine's speed | 1/s at its first |"
        )
        print("| --- | --- | --- | --- | --- |", flush=True)
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
                        system, number, best.tokens
                    ),
                )
            raws.append(_raw_of(comparison, best.batch))
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
    brief = "an hour or two on two cores; it prints what it leaves out"
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


def _best_batch(comparison: Comparison) -> Raw:
    print("| raw batch of | texts / s | CPU ms a text |\n| --- | --- | --- |")
    found = []
    for batch in comparison.plan.batches:
        one = _raw_of(comparison, batch)
        print(f"| {batch} | {one.per_s:.1f} | {one.cpu_ms:.1f} |", flush=True)
        found.append(one)
    return max(found, key=lambda one: one.per_s)


def _raw_of(comparison: Comparison, batch: int) -> Raw:
    """All texts through the engine itself, at the machine's first speed."""
    raw, texts = comparison.raw, comparison.texts
    found, speed = comparison.pace.during(lambda: raw.batched(texts, batch))
    return replace(found, per_s=found.per_s / speed.wall, cpu_ms=found.cpu_ms * speed.cpu)


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
        added=comparison.added,
        left_behind=comparison.left_behind,
        padded=comparison.padded,
        rounds={key: len(loads[MOST_CLIENTS]) for key, loads in comparison.seen.items()},
    )
    print(f"\nraw: {raw.per_s:.1f} texts/s, {raw.cpu_ms:.1f} CPU ms a text, batches of {raw.batch}")
    for view in comparison.options.views:
        print(f"\n### attention: {view}\n")
        print(closed_table(found, view))
        capacity = f"{comparison.capacity[view]:.1f} requests/s at the machine's first speed"
        print(f"\nOpen loop; 100 % is {capacity}\n")
        print(open_table(found, view))
    print("\n### left behind\n\n" + left_table(found))
    print("\n### claims\n\n" + claims_table(found, comparison.options.views))


if __name__ == "__main__":
    raise SystemExit(main())

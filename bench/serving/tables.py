"""The figures as Markdown, and the ratios that are claimed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from bench.serving.measures import Cell
from bench.serving.probes import Added, LeftBehind
from bench.serving.raw import Raw

CLIENTS = (1, 8, 32)
SHARES = (0.5, 0.8, 1.2, 2.0)
MOST_CLIENTS = CLIENTS[-1]

NOTHING = Cell(**dict.fromkeys([field.name for field in fields(Cell)], float("nan")))
"""What was not measured."""

Loads = Mapping[object, Cell]
"""Of one system and one view: by clients (int) or by share of capacity (float)."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that one run has found."""

    cells: Mapping[tuple[str, str], Loads]  # by label and view
    missing: Mapping[str, str]  # why, by label
    ours: str  # label
    with_orjson: Sequence[str]  # labels of rivals
    with_own: Sequence[str]
    raw: Raw
    added: Added
    left_behind: Mapping[str, LeftBehind]
    padded: float
    rounds: Mapping[tuple[str, str], int]  # by label and view


def closed_table(found: Found, view: str) -> str:
    """Clients that ask again and again."""
    heads = [f"{count} client{'s' * (count > 1)}" for count in CLIENTS]
    titles = ["", *(f"{head}, 1/s" for head in heads), *(f"{head}, p50 / p99 ms" for head in heads)]
    titles += [f"CPU ms a request, {heads[-1]}", "machine's speed", "1/s at its first", "rounds"]
    rows = []
    for label, loads in _of_view(found, view):
        cells = [loads.get(count, NOTHING) for count in CLIENTS]
        best = [_best(found, view, count) for count in CLIENTS]
        rows.append(
            [
                label,
                *(_bold(_number(c.per_s, 1), label == b) for c, b in zip(cells, best, strict=True)),
                *(_pair(cell.p50_ms, cell.p99_ms, 0) for cell in cells),
                _number(cells[-1].cpu_ms, 1),
                _number(cells[-1].speed),
                _number(cells[-1].even_per_s, 1),
                str(found.rounds[label, view]),
            ]
        )
    rows += [[label, why, *[""] * (len(titles) - 2)] for label, why in found.missing.items()]
    return table(titles, rows)


def open_table(found: Found, view: str) -> str:
    """Requests that come whatever becomes of those before them."""
    heads = [f"{share:.0%}" for share in SHARES]
    titles = ["", *(f"{head}: good 1/s, p99 ms" for head in heads)]
    titles += [f"{heads[-1]}: refused / left / broken", "refusals p50 / p99 ms"]
    rows = []
    for label, loads in _of_view(found, view):
        if SHARES[-1] not in loads:
            continue
        cells = [loads.get(share, NOTHING) for share in SHARES]
        last = cells[-1]
        rows.append(
            [
                label,
                *(f"{_number(cell.per_s, 1)}, {_number(cell.p99_ms, 0)}" for cell in cells),
                f"{last.refused:.0%} / {last.left:.0%} / {last.broken:.0%}",
                _pair(last.refusal_p50_ms, last.refusal_p99_ms),
            ]
        )
    return table(titles, rows)


def claims_table(found: Found, views: Sequence[str]) -> str:
    """Each figure that is claimed, at one speed of the machine, with what it has to reach."""
    view = "sources" if "sources" in views else views[0]
    mine = found.cells[found.ours, view]
    full, over = mine[MOST_CLIENTS], mine[SHARES[-1]]
    added, gone = found.added, found.left_behind[found.ours]
    rows = [
        [
            "CPU a request at 32 clients over raw",
            _number(_ratio(full.even_cpu_ms, found.raw.cpu_ms)),
            "≤ 1.30",
        ],
        ["throughput over raw", _number(_ratio(full.even_per_s, found.raw.per_s)), "≥ 0.80"],
        ["added at 1 client, p50 / p99 ms", _pair(added.p50_ms, added.p99_ms), "≤ 2 / 5"],
        [
            "the same over what Server-Timing says",
            _pair(added.told_p50_ms, added.told_p99_ms),
            "",
        ],
        *_against(found, views),
        [
            "goodput at 200 % over capacity",
            _number(_ratio(over.even_per_s, full.even_per_s)),
            "≥ 0.90",
        ],
        [
            "refusals at 200 %, p50 / p99 ms",
            _pair(over.refusal_p50_ms, over.refusal_p99_ms),
            "≤ 10",
        ],
        ["of that the clients' own lateness, p99 ms", _number(over.late_p99_ms, 1), ""],
        ["batches for 40 clients that left", _number(gone.batches or 0.0, 0), "≤ 1"],
        ["padding in what the model read", f"{found.padded:.1%}", "≤ 15 %"],
    ]
    return table(["claim", "found", "at least"], rows)


def _against(found: Found, views: Sequence[str]) -> list[list[str]]:
    """Throughput over the best rival."""
    bounds = {"none": "≥ 1.0", "sources": "≥ 1.1", "matrix": "≥ 1.2"}
    kinds = [("with orjson", found.with_orjson, bounds), ("as it comes", found.with_own, {})]
    rows = []
    for kind, labels, wanted in kinds:
        for view in views:
            best, per_s = best_of(found.cells, labels, view)
            if best is None:
                continue
            ratio = _ratio(found.cells[found.ours, view][MOST_CLIENTS].even_per_s, per_s)
            bound = wanted.get(view, "≥ 1.5" if view == "matrix" and not wanted else "")
            name = f"throughput over the best rival {kind}, {view} ({best})"
            rows.append([name, _number(ratio) + (" **it wins**" if ratio < 1 else ""), bound])
    return rows


def best_of(
    cells: Mapping[tuple[str, str], Loads], labels: Iterable[str], view: str
) -> tuple[str | None, float]:
    """Who answers most at 32 clients at one speed of the machine, and how much; None: nobody."""
    known = [
        (cells[label, view][MOST_CLIENTS].even_per_s, label)
        for label in labels
        if MOST_CLIENTS in cells.get((label, view), {})
    ]
    per_s, label = max(known, default=(float("nan"), None))
    return label, per_s


def left_table(found: Found) -> str:
    """Who works for clients that have gone."""
    rows = [
        [label, f"{left.cpu_s:.1f}", "–" if left.batches is None else f"{left.batches:.0f}"]
        for label, left in found.left_behind.items()
    ]
    return table(["40 clients leave after 250 ms", "CPU s after that", "further batches"], rows)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _of_view(found: Found, view: str) -> list[tuple[str, Loads]]:
    return [(label, loads) for (label, of), loads in found.cells.items() if of == view]


def _best(found: Found, view: str, count: int) -> str:
    measured = [
        (loads[count].even_per_s, label) for label, loads in _of_view(found, view) if count in loads
    ]
    return max(measured, default=(0.0, ""))[1]


def _bold(text: str, is_best: bool) -> str:  # noqa: FBT001 - read where it is called
    return f"**{text}**" if is_best else text


def _pair(first: float, second: float, decimals: int = 1) -> str:
    return f"{_number(first, decimals)} / {_number(second, decimals)}"


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else float("nan")


def _number(value: float, decimals: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:.{decimals}f}"

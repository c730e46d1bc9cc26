from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.serving.answers import body_of, encoded, plain
from bench.serving.measures import Cell, Load, cell_of, closed_loop, median_cell, percentile
from bench.serving.pace import Pace, Speed
from bench.serving.plan import BRIEF, FULL, REHEARSAL, VIEWS, Plan
from bench.serving.probes import Added, LeftBehind, difference, server_timing
from bench.serving.raw import Raw
from bench.serving.systems import BENTOML, OURS, RIVALS
from bench.serving.tables import (
    CLIENTS,
    MOST_CLIENTS,
    SHARES,
    Found,
    best_of,
    claims_table,
    closed_table,
    left_table,
    open_table,
)
from service.options import options_of
from service.prediction import render
from service.schemas import PredictRequest
from tests.service.conftest import TEXT, FakePredictor

NAN = float("nan")
CELL = Cell(
    per_s=10.0,
    even_per_s=10.0,
    even_cpu_ms=20.0,
    speed=1.0,
    p50_ms=5.0,
    p99_ms=9.0,
    cpu_ms=20.0,
    refusal_p50_ms=NAN,
    refusal_p99_ms=NAN,
    late_p99_ms=NAN,
    refused=0.0,
    left=0.0,
    broken=0.0,
)


def rate(per_s: float) -> Cell:
    """While the machine kept its speed."""
    return replace(CELL, per_s=per_s, even_per_s=per_s)


def seen(**changes: Any) -> dict[str, Any]:
    empty = {"counts": {"200": 0}, "answers": [], "refusals": [], "late": [], "window_s": 1.0}
    return empty | changes


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([1, 2, 3, 4], 50, 2), ([4, 1, 3, 2], 99, 4), ([7], 1, 7), (range(1, 101), 99, 99)],
)
def test_a_percentile_is_a_value_that_was_seen(
    values: Any, percent: float, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_of_nothing_there_is_no_percentile() -> None:
    assert math.isnan(percentile([], 50))


def test_a_closed_loop_is_counted_once_all_clients_may_have_been_answered() -> None:
    """Two clients of a server that answers two at a time: neither half a batch nor none counts."""
    load = closed_loop(2, 2.0)
    answers = [(1.0, 10), (1.0, 10), (2.0, 20), (2.0, 20), (3.0, 30), (3.0, 30), (4.0, 99)]
    cell = cell_of(seen(counts={"200": 7}, answers=answers, window_s=3.5), load, 0.07)
    assert cell.per_s == 2.0
    assert (cell.p50_ms, cell.p99_ms) == (20, 30)
    assert cell.cpu_ms == pytest.approx(10)  # all seven cost processor time


@pytest.mark.parametrize("answers", [[], [(0.5, 10)], [(0.5, 10), (0.6, 10)]])
def test_a_closed_loop_that_ends_too_early_has_no_rate(answers: list[Any]) -> None:
    found = seen(counts={"200": len(answers)}, answers=answers, window_s=1.0)
    assert cell_of(found, closed_loop(2, 2.0), 1.0).per_s == 0.0


def test_an_open_loop_is_counted_once_its_queue_may_have_filled() -> None:
    load = Load(rate=5, seconds=6.0, patience_s=2.0)
    found = seen(
        counts={"200": 3, "429": 4, "left": 2, "broken": 1},
        answers=[(1.0, 10), (2.5, 20), (5.9, 30)],
        refusals=[1.0, 2.0, 3.0, 9.0],
        late=[0.1, 0.5],
    )
    cell = cell_of(found, load, 0.0)
    assert cell.per_s == 0.5
    assert (cell.refused, cell.left, cell.broken) == (0.4, 0.2, 0.1)
    assert (cell.refusal_p50_ms, cell.refusal_p99_ms) == (2.0, 9.0)
    assert cell.late_p99_ms == 0.5


def test_a_cell_without_answers_has_no_cost_a_request() -> None:
    assert math.isnan(cell_of(seen(counts={"left": 4}), Load(clients=1), 1.0).cpu_ms)


def test_medians_leave_out_rounds_without_a_figure() -> None:
    cells = [
        replace(CELL, per_s=per_s, refusal_p50_ms=ms) for per_s, ms in [(1, NAN), (5, 2), (3, 4)]
    ]
    middle = median_cell(cells)
    assert middle.per_s == 3
    assert middle.refusal_p50_ms == 3
    assert math.isnan(middle.refusal_p99_ms)


def test_the_machines_speed_is_taken_out_of_a_cell() -> None:
    cell = CELL.at(Speed(wall=0.5, cpu=0.4))
    assert (cell.per_s, cell.even_per_s, cell.speed) == (10.0, 20.0, 0.5)
    assert (cell.cpu_ms, cell.even_cpu_ms) == (20.0, pytest.approx(8.0))


class FakeEngines:
    """Whose every look at the machine's speed is told beforehand, the first of them a warm-up."""

    def __init__(self, *speeds: float) -> None:
        self.speeds = [*speeds]
        self.asked: list[list[str]] = []

    def batched(self, texts: Sequence[str], batch: int) -> Raw:
        self.asked.append([*texts])
        speed = self.speeds.pop(0)
        return Raw(batch=batch, per_s=8 * speed, cpu_ms=100 / speed, tokens=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [100.0]
    monkeypatch.setattr("bench.serving.pace.time.monotonic", lambda: now[0])

    def goes_on(seconds: float) -> None:
        now[0] += seconds

    return goes_on


def test_speed_is_that_before_and_after_over_the_first(clock: Callable[[float], None]) -> None:
    engines = FakeEngines(9.0, 1.0, 0.5, 1.5, 2.0)
    pace = Pace(engines, [str(n) * n for n in range(1, 100)])
    clock(60)
    found, speed = pace.during(lambda: clock(20) or "found")
    assert found == "found"
    assert speed.wall == pytest.approx(1.0)
    assert speed.cpu == pytest.approx(2 * 100 / (100 / 0.5 + 100 / 1.5))
    assert pace.now() == 1.5  # a look that is fresh is not taken again
    clock(2)
    assert pace.now() == 2.0
    assert {len(texts) for texts in engines.asked} == {16}
    assert len({str(texts) for texts in engines.asked}) == 1


def test_a_few_texts_are_enough_to_tell_a_speed() -> None:
    engines = FakeEngines(1.0, 1.0)
    assert Pace(engines, ["a", "b"]).now() == 1.0
    assert engines.asked[0] == ["a", "b"]


def test_answers_differ_where_they_do() -> None:
    ours = {"summary": "A", "attention": [{"weight": 0.5}]}
    assert difference(ours, {"summary": "A", "attention": [{"weight": 0.50001}]}) is None
    assert (
        difference(ours, {"summary": "B", "attention": [{"weight": 0.5}]})
        == ".summary: other value"
    )
    assert difference(ours, {"summary": "A", "attention": [{"weight": 0.6}]}) == (
        ".attention[0].weight: 0.5 and 0.6"
    )
    assert difference(ours, {"summary": "A", "attention": []}) == ".attention: other length"
    assert difference(ours, {"summary": "A"}) == ": other keys"


def test_stages_of_server_timing() -> None:
    assert server_timing("parse;dur=0.4, model;dur=12.0") == {"parse": 0.4, "model": 12.0}


def test_requests_are_wrapped_as_each_system_wants_them() -> None:
    assert OURS.body({"inputs": "A"}) == '{"inputs": "A"}'
    assert BENTOML.body({"inputs": "A"}) == '{"requests": [{"inputs": "A"}]}'
    assert BENTOML.answer(b'[{"usage": 1}]') == OURS.answer(b'{"usage": 1}') == {"usage": 1}


def test_a_matrix_is_no_array_for_json_of_others() -> None:
    matrix = {"weights": np.eye(2), "source_tokens": {"weight": np.ones(2), "token": ["a", "b"]}}
    body = {"predictions": [{"summary": "A", "attention": matrix}], "usage": {}}
    lists = {"weights": [[1, 0], [0, 1]], "source_tokens": {"weight": [1, 1], "token": ["a", "b"]}}
    expected = {"predictions": [{"summary": "A", "attention": lists}], "usage": {}}
    assert json.loads(encoded(body)) == expected
    assert json.loads(json.dumps(plain(body))) == expected


@pytest.mark.parametrize("view", ["none", "sources", "matrix"])
def test_rivals_answer_what_the_service_answers(view: Any) -> None:
    request = PredictRequest(inputs=TEXT, attention=view)
    fake = FakePredictor()
    (summary,) = asyncio.run(fake.summarize([TEXT], options_of(request, fake.info)))
    ours = json.loads(render(request, [summary], fake.info, "id"))
    theirs = json.loads(encoded(body_of(TEXT, summary, view, fake.info)))
    assert theirs == {key: value for key, value in ours.items() if key != "id"}


def test_every_rival_has_settings_to_choose_from() -> None:
    assert len(RIVALS) == 5
    assert all(len(rival.settings) >= 3 for rival in RIVALS)


@pytest.fixture
def found() -> Found:
    loads = dict.fromkeys([*CLIENTS, *SHARES], CELL)
    slower = dict.fromkeys(loads, rate(8.0))
    faster = dict.fromkeys(CLIENTS, rate(12.5))
    return Found(
        cells={("ours", "none"): loads, ("slow", "none"): slower, ("fast", "none"): faster},
        missing={"gone": "not measured: it ended"},
        ours="ours",
        with_orjson=["slow", "gone"],
        with_own=["fast"],
        raw=Raw(batch=8, per_s=12.0, cpu_ms=16.0, tokens=100),
        added=Added(p50_ms=1.0, p99_ms=2.0, told_p50_ms=0.5, told_p99_ms=1.5),
        left_behind={"ours": LeftBehind(cpu_s=0.1, batches=0.0)},
        padded=0.08,
        rounds={("ours", "none"): 3, ("slow", "none"): 1, ("fast", "none"): 3},
    )


def test_the_best_rival_is_the_one_that_answers_most(found: Found) -> None:
    assert best_of(found.cells, ["slow", "fast"], "none") == ("fast", 12.5)
    assert best_of(found.cells, ["gone"], "none")[0] is None


def test_claims_hold_at_one_speed_of_the_machine(found: Found) -> None:
    """All of ours were measured while it had half its speed."""
    slow = {
        load: cell.at(Speed(wall=0.5, cpu=0.5))
        for load, cell in found.cells["ours", "none"].items()
    }
    found = replace(found, cells={**found.cells, ("ours", "none"): slow})
    table = claims_table(found, ["none"])
    assert "| CPU a request at 32 clients over raw | 0.62 |" in table
    assert "| throughput over raw | 1.67 |" in table
    assert "the best rival with orjson, none (slow) | 2.50 |" in table
    assert "| goodput at 200 % over capacity | 1.00 |" in table
    assert "| ours | **" in closed_table(found, "none")


def test_claims_are_ratios_and_say_where_a_rival_wins(found: Found) -> None:
    table = claims_table(found, ["none"])
    assert "| CPU a request at 32 clients over raw | 1.25 | ≤ 1.30 |" in table
    assert "| throughput over raw | 0.83 | ≥ 0.80 |" in table
    assert "the best rival with orjson, none (slow) | 1.25 | ≥ 1.0 |" in table
    assert "the best rival as it comes, none (fast) | 0.80 **it wins** |" in table
    assert "| padding in what the model read | 8.0% | ≤ 15 % |" in table


def test_nothing_is_claimed_over_a_rival_that_answered_nothing(found: Found) -> None:
    silent = dict.fromkeys(found.cells["slow", "none"], rate(0.0))
    found = replace(found, cells={**found.cells, ("slow", "none"): silent})
    assert "the best rival with orjson, none (slow) | – |" in claims_table(found, ["none"])


def test_tables_name_the_best_and_say_who_is_missing(found: Found) -> None:
    table = closed_table(found, "none")
    assert "| fast | **12.5** |" in table
    assert "| ours | 10.0 |" in table
    slow = next(line for line in table.splitlines() if line.startswith("| slow |"))
    assert slow.endswith("| 1 |")
    assert "| gone | not measured: it ended |" in table
    assert "fast" not in open_table(found, "none")  # that load was not put on it
    assert "| ours | 0.1 | 0 |" in left_table(found)


@pytest.mark.parametrize("plan", [FULL, BRIEF, REHEARSAL], ids=["full", "brief", "rehearsal"])
def test_every_plan_fills_every_table(found: Found, plan: Plan) -> None:
    cells = {
        (system.label, view): dict.fromkeys(
            [*plan.clients(system, view), *plan.shares(system, view)], CELL
        )
        for system in SYSTEMS
        for view in plan.views(system)
    }
    labels = {"with_orjson": [r.label for r in RIVALS], "with_own": [o.label for o in OWN]}
    left = {s.label: LeftBehind(cpu_s=0.1, batches=None) for s in SYSTEMS if plan.leaves(s)}
    everything = replace(
        found,
        cells=cells,
        ours=OURS.label,
        left_behind=left,
        rounds=dict.fromkeys(cells, 1),
        **labels,
    )
    for view in VIEWS:
        assert OURS.label in closed_table(everything, view)
        open_table(everything, view)
    assert OURS.label in left_table(everything)
    assert claims_table(everything, VIEWS).count("best rival as it comes, matrix") == 1


def test_every_row_of_a_table_is_as_wide_as_its_head(found: Found) -> None:
    for table in (closed_table(found, "none"), open_table(found, "none"), left_table(found)):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_what_was_not_measured_has_no_figure_and_wins_nothing(found: Found) -> None:
    cells = {
        ("ours", "none"): found.cells["ours", "none"],
        ("fast", "none"): {CLIENTS[-1]: rate(12.5), SHARES[-1]: CELL},
    }
    found = replace(found, cells=cells)
    assert "| fast | – | – | **12.5** |" in closed_table(found, "none")
    assert "| fast | –, – | –, – | –, – | 10.0, 9 |" in open_table(found, "none")


# What is left out


OWN = [replace(rival, json="own") for rival in RIVALS]
SYSTEMS = [OURS, *RIVALS, *OWN]


def test_the_full_plan_leaves_nothing_out() -> None:
    for number in range(FULL.rounds):
        assert FULL.in_round(number, SYSTEMS, []) == [system.label for system in SYSTEMS]
    for system in SYSTEMS:
        assert set(FULL.views(system)) == set(VIEWS)
        assert FULL.clients(system, "matrix") == CLIENTS
    assert all(FULL.settings(rival) == rival.settings for rival in RIVALS)
    assert FULL.told() == ""


def test_the_brief_plan_measures_all_once_and_ours_and_the_best_in_each_round() -> None:
    assert BRIEF.in_round(0, SYSTEMS, []) == [system.label for system in SYSTEMS]
    ranked = [OWN[1].label, RIVALS[3].label, OURS.label, OWN[3].label, *(r.label for r in RIVALS)]
    assert BRIEF.in_round(1, SYSTEMS, ranked) == [
        OURS.label,
        RIVALS[3].label,
        RIVALS[0].label,
        OWN[1].label,
    ]
    assert "rounds" in BRIEF.told()


def test_the_brief_plan_has_what_each_claim_needs() -> None:
    assert (BRIEF.clients(OURS, "sources"), BRIEF.shares(OURS, "sources")) == (CLIENTS, SHARES)
    for system in [OURS, *RIVALS]:
        assert set(BRIEF.views(system)) == set(VIEWS)
        assert all(MOST_CLIENTS in BRIEF.clients(system, view) for view in VIEWS)
        assert SHARES[-1] in BRIEF.shares(system, "sources")
    assert all("matrix" in BRIEF.views(system) for system in OWN)
    assert all(len(BRIEF.settings(rival)) == 3 for rival in RIVALS)

from __future__ import annotations

import math
from collections import Counter

import pytest

from bench.soak.tally import Tally, rises, samples_of, unexplained
from bench.soak.traffic import FAULTS, Traffic
from bench.soak.watch import Sample, picture, slope

BEFORE = 'summarizer_requests_total{method="GET",route="/livez",status="200"} 5.0\n'


def after(**counts: int) -> str:
    lines = [
        f'summarizer_requests_total{{method="POST",route="/predict",status="{status[1:]}"}} {count}'
        for status, count in counts.items()
    ]
    return "\n".join([BEFORE.strip(), *lines, ""])


def problems(tally: Tally, text: str) -> list[str]:
    return unexplained(tally, samples_of(BEFORE), samples_of(text))


def answered(**counts: int) -> Tally:
    keys = {("/predict", "POST", status[1:]): count for status, count in counts.items()}
    return Tally(requests=Counter(keys))


def test_counters_that_agree_leave_nothing_to_explain() -> None:
    assert problems(answered(s200=3, s422=1), after(s200=3, s422=1)) == []


def test_what_the_service_missed_is_told() -> None:
    (problem,) = problems(answered(s422=3), after(s422=2))
    assert problem == "/predict POST 422: clients saw 3, the service counted 2"


def test_what_nobody_saw_is_told() -> None:
    (problem,) = problems(answered(s422=3), after(s422=4))
    assert problem == "POST /predict: 1 more counted than seen, and 0 left"


def test_who_left_explains_what_nobody_saw() -> None:
    tally = answered(s200=3)
    tally.left["/predict", "POST"] = 2
    text = after(s200=4, s499=1) + "summarizer_inputs_total 4.0\n"
    tally.sums["inputs"] = 3
    assert problems(tally, text) == []


def test_sums_have_to_agree_where_all_answers_were_seen() -> None:
    tally = answered(s200=3)
    tally.sums["inputs"] = 3
    text = after(s200=3) + "summarizer_inputs_total 4.0\n"
    assert problems(tally, text) == ["inputs: clients saw 3, the service counted 4"]


def test_answers_of_both_routes_are_summed_up() -> None:
    tally = answered(s200=1)
    tally.requests["/explain", "POST", "200"] = 1
    tally.add_answer(
        {"predictions": [{}, {}], "usage": {"source_tokens": 7, "summary_tokens": 5}},
    )
    columns = {"log_prob": [-0.1, -0.2]}
    tally.add_answer({"predictions": [{"source": {"used_tokens": 3}, "summary_tokens": columns}]})
    route = 'summarizer_requests_total{method="POST",route="/explain",status="200"} 1.0\n'
    sums = "summarizer_inputs_total 3.0\nsummarizer_source_tokens_total 10.0\n"
    for written, equal in ((6, False), (7, True), (8, False)):
        text = after(s200=1) + route + sums + f"summarizer_written_tokens_total {written}.0\n"
        assert (problems(tally, text) == []) == equal


def test_only_what_rose_is_a_rise() -> None:
    before, now = samples_of(BEFORE), samples_of(after(s200=2))
    found = rises(before, now, "summarizer_requests_total")
    assert found == {(("method", "POST"), ("route", "/predict"), ("status", "200")): 2.0}


def sample(requests: int, own_mb: float, kills: int = 0) -> Sample:
    return Sample(
        requests=requests,
        own_mb=own_mb,
        service_mb=50.0,
        descriptors=20,
        threads=9,
        processes=3,
        kills=kills,
    )


def test_a_slope_is_for_ten_thousand_requests() -> None:
    samples = [sample(n, 100 + n / 1000) for n in range(0, 5000, 100)]
    assert slope(samples, "own_mb") == pytest.approx(10)
    assert slope(samples, "service_mb") == 0


def test_a_worker_that_was_killed_is_no_negative_slope() -> None:
    samples = [sample(n, 900 + n / 1000) for n in range(0, 5000, 100)]
    samples += [sample(n, 500 + n / 1000, kills=1) for n in range(5000, 9000, 100)]
    assert slope(samples, "own_mb") == pytest.approx(10)


def test_what_is_taken_at_the_start_is_no_slope() -> None:
    samples = [sample(n, min(n, 100)) for n in range(0, 2000, 10)]
    assert slope(samples, "own_mb") == pytest.approx(0)


def test_of_one_sample_there_is_no_slope() -> None:
    assert math.isnan(slope([sample(1, 1.0)], "own_mb"))


def test_a_picture_has_a_panel_for_each_thing_held() -> None:
    svg = picture([sample(0, 1.0), sample(100, 2.0)])
    assert svg.count("<polyline") == 5


def test_traffic_is_mixed_and_the_same_for_a_seed() -> None:
    texts = ["A text of some words.", "Another one."]
    traffic, again = (Traffic(texts, explains=True, seed=3) for _ in range(2))
    asks = [traffic() for _ in range(1500)]
    assert asks == [again() for _ in range(1500)]
    routes = {ask.route for ask in asks}
    assert {"/predict", "/explain", "/livez", "/metrics", "unmatched", "unread"} <= routes
    leaving = sum(ask.leave_after_s is not None for ask in asks)
    assert 0 < leaving / len(asks) < FAULTS


def test_a_service_without_explanations_is_not_asked_for_them() -> None:
    traffic = Traffic(["A text."], explains=False)
    assert "/explain" not in {traffic().route for _ in range(500)}

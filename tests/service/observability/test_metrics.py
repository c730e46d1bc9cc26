"""The counters themselves, and the rules that `promtool check metrics` holds them to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from service.errors import ServiceError
from service.http.problems import statuses_by_name
from service.observability.metrics import STAGES, Metrics
from service.predictor import EngineCall, EngineState, ModelInfo, WorkerHealth
from service.workers.slot import WorkerEvent

TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}
ABBREVIATED = re.compile(r"_(s|ms|us|ns|secs?|msecs?|b|kb|mb|gb|bits)(_|$)")


@pytest.fixture
def info(predictor: Any) -> ModelInfo:
    model: ModelInfo = predictor.info
    return model


HEALTH = WorkerHealth(workers=3, alive=2, restarts=1, pids=(os.getpid(), 2**22 + 1))


@pytest.fixture
def metrics(info: ModelInfo) -> Metrics:
    """After a little of everything."""
    metrics = Metrics()
    metrics.expect_errors(statuses_by_name())
    metrics.watch_model(lambda: info, lambda: HEALTH)
    metrics.watch_log(lambda: 4)
    metrics.waiting(3, 90)
    metrics.started(2, 70, 128)
    metrics.called(EngineCall(signature="score", texts=2, tokens=70, padded_tokens=128))
    metrics.engine_state(EngineState(traces=1, shortages=2, budget_tokens=512))
    metrics.version_tried("refused")
    metrics.admitted(cached=1, joined=2, queued=3)
    metrics.refused("overloaded", 4)
    metrics.retried(5, lost=True)
    metrics.dropped(6)
    metrics.missed(7)
    metrics.worker_event(WorkerEvent(kind="died", worker=0, detail="killed"))
    metrics.add_request(route="/predict", method="POST", status=200, seconds=0.02, error=None)
    metrics.add_request(route="/predict", method="POST", status=429, seconds=0, error="overloaded")
    metrics.add_request(route="/predict", method="POST", status=500, seconds=0, error="odd")
    stages = dict.fromkeys(STAGES, 0.001)
    metrics.add_summaries(inputs=2, source_tokens=70, summary_tokens=9, stage_seconds=stages)
    return metrics


def text_of(metrics: Metrics, accept: str = "") -> str:
    return metrics.exposition(accept)[0].decode()


def test_what_is_added_is_counted(metrics: Metrics) -> None:
    value = metrics.registry.get_sample_value
    at_predict = {"route": "/predict", "method": "POST"}
    assert value("summarizer_requests_total", {**at_predict, "status": "200"}) == 1
    assert value("summarizer_request_duration_seconds_count", at_predict) == 3
    assert value("summarizer_refused_total", {"reason": "overloaded"}) == 1
    assert value("summarizer_errors_total", {"type": "odd"}) == 1
    assert value("summarizer_inputs_total") == 2
    assert value("summarizer_source_tokens_total") == 70
    assert value("summarizer_written_tokens_total") == 9
    assert value("summarizer_stage_duration_seconds_sum", {"stage": "model"}) == 0.001
    for signature, texts, tokens, padding in (("score", 2, 70, 58), ("summarize", 0, 0, 0)):
        by_signature = {"signature": signature}
        assert value("summarizer_batch_texts_sum", by_signature) == texts
        assert value("summarizer_computed_tokens_total", by_signature) == tokens
        assert value("summarizer_padding_tokens_total", by_signature) == padding
    assert value("summarizer_traces_total") == 1
    assert value("summarizer_memory_shortages_total") == 2
    assert value("summarizer_batch_budget_tokens") == 512
    assert value("summarizer_version_loads_total", {"outcome": "refused"}) == 1
    assert value("summarizer_version_loads_total", {"outcome": "served"}) == 0
    assert value("summarizer_queue_texts") == 3
    assert value("summarizer_queue_tokens") == 90
    assert (value("summarizer_workers"), value("summarizer_workers_alive")) == (3, 2)
    events = ("cached", "joined", "queued", "refused", "retried", "dropped", "missed")
    counted = [value("summarizer_texts_total", {"event": event}) for event in events]
    assert counted == [1, 2, 3, 4, 5, 6, 7]
    assert value("summarizer_worker_events_total", {"kind": "died"}) == 1
    assert value("summarizer_worker_events_total", {"kind": "restarted"}) == 0


def test_the_memory_of_workers_is_counted_with_the_services_own(metrics: Metrics) -> None:
    found = metrics.registry.get_sample_value("summarizer_resident_memory_bytes")
    own = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert found == pytest.approx(2 * own, rel=0.05)  # twice itself, and one that is gone


def test_every_error_of_the_tree_begins_at_zero() -> None:
    def descendants(kind: type[ServiceError]) -> list[type[ServiceError]]:
        return [k for child in kind.__subclasses__() for k in (child, *descendants(child))]

    kinds = [k for k in descendants(ServiceError) if k.__module__ == "service.errors"]
    assert statuses_by_name().keys() == {kind.name for kind in kinds}
    metrics = Metrics()
    metrics.expect_errors(statuses_by_name())
    value = metrics.registry.get_sample_value
    assert value("summarizer_refused_total", {"reason": "text-too-long"}) == 0
    assert value("summarizer_errors_total", {"type": "non-finite-output"}) == 0
    assert value("summarizer_errors_total", {"type": "not-ready"}) == 0


def test_the_model_is_reported_while_there_is_one(info: ModelInfo) -> None:
    loaded: list[ModelInfo] = []
    metrics = Metrics()
    health: list[WorkerHealth] = []
    metrics.watch_model(
        lambda: loaded[0] if loaded else None, lambda: health[0] if health else None
    )
    before = {family.name: family.samples for family in families(text_of(metrics))}
    assert before["summarizer_ready"][0].value == 0
    assert before["summarizer_model_info"] == []
    loaded.append(info)
    after = {family.name: family.samples for family in families(text_of(metrics))}
    assert after["summarizer_ready"][0].value == 1
    assert after["summarizer_model_info"][0].labels == {
        "name": "summarizer",
        "version": "7",
        "sha256": "ab" * 32,
        "precision": "float32",
        "device": "cpu",
    }
    health.append(WorkerHealth(workers=2, alive=0, restarts=4))
    assert metrics.registry.get_sample_value("summarizer_ready") == 0
    health[0] = WorkerHealth(workers=2, alive=1, restarts=5)
    assert metrics.registry.get_sample_value("summarizer_ready") == 1


def test_two_applications_share_nothing(metrics: Metrics) -> None:
    assert Metrics().registry.get_sample_value("summarizer_inputs_total") == 0
    assert metrics.registry.get_sample_value("summarizer_inputs_total") == 2


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=junk", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        (
            "application/openmetrics-text; version=junk",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
def test_the_format_is_the_one_asked_for(metrics: Metrics, accept: str, media_type: str) -> None:
    content, found = metrics.exposition(accept)
    assert found == media_type
    assert content.endswith(b"# EOF\n") == ("openmetrics" in media_type)


def test_names_and_help_follow_the_rules_of_prometheus(metrics: Metrics) -> None:
    """What `promtool check metrics` reports, for machines that have no promtool."""
    text = text_of(metrics)
    helped = set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE))
    assert helped == types.keys()
    assert types
    for name, kind in types.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert name.endswith("_total") == (kind == "counter")
        assert not TYPES & set(name.split("_"))
        assert not ABBREVIATED.search(name)
        assert not re.search(r"_(count|sum|bucket|created)$", name)
    assert "_created" not in text


def test_promtool_finds_nothing_where_it_is_installed(metrics: Metrics) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        return  # the rules above are checked everywhere
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=metrics.exposition("")[0],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_metric_is_explained_in_the_handbook(metrics: Metrics) -> None:
    handbook = Path("docs/operations.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(summarizer_\w+)` \|", handbook, re.MULTILINE))
    ours = re.findall(r"^# TYPE (\S+)", text_of(metrics), re.MULTILINE)
    assert listed == {name for name in ours if name.startswith("summarizer_")}

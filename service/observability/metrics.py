"""What the service counts and measures, for Prometheus. Knows neither HTTP nor the model.

docs/operations.md says what each metric means. Every label has a bounded set of values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from model.artifact import OPTIONAL_SIGNATURES, SIGNATURES
from service import VERSION
from service.observability.collectors import (
    LogCollector,
    ModelCollector,
    WithoutBirthdays,
    WorkersCollector,
)
from service.predictor import EngineCall, EngineState, ModelInfo, WorkerHealth
from service.workers.slot import WorkerEvent

TEXT_EVENTS = ("cached", "joined", "queued", "refused", "retried", "dropped", "missed")

WORKER_EVENTS = ("died", "hung", "load_failed", "restarted")

VERSION_OUTCOMES = ("served", "refused")

STAGES = ("parse", "queue", "tokenize", "model", "render")

_OPENMETRICS = "application/openmetrics-text"
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STAGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32)


class Metrics:
    """The metrics of one application, in a registry of its own.

    Implements `EngineObserver` of `scheduled_predictor`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._add_request_metrics()
        self._add_work_metrics()
        self._add_call_metrics()
        self._add_queue_metrics()
        self._add_event_metrics()
        build = self._gauge("summarizer_build_info", "The service's version.", ["version"])
        build.labels(VERSION).set(1)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def _add_request_metrics(self) -> None:
        self._requests = self._counter(
            "summarizer_requests_total", "Requests answered.", ["route", "method", "status"]
        )
        self._request_seconds = Histogram(
            "summarizer_request_duration_seconds",
            "Time from a request's arrival to the end of its answer.",
            ["route", "method"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self.requests_in_progress = self._gauge(
            "summarizer_requests_in_progress", "Requests that are being answered."
        )
        self._refused = self._counter(
            "summarizer_refused_total",
            "Requests answered with 4xx, by the error_type of the answer.",
            ["reason"],
        )
        self._errors = self._counter(
            "summarizer_errors_total",
            "Requests answered with 5xx, by the error_type of the answer.",
            ["type"],
        )

    def _add_work_metrics(self) -> None:
        self._inputs = self._counter("summarizer_inputs_total", "Texts summarized.")
        self._source_tokens = self._counter(
            "summarizer_source_tokens_total", "Tokens read, of texts summarized."
        )
        self._written_tokens = self._counter("summarizer_written_tokens_total", "Tokens written.")
        self._stage_seconds = Histogram(
            "summarizer_stage_duration_seconds",
            "Time of each stage of a request answered with summaries.",
            ["stage"],
            buckets=_STAGE_BUCKETS,
            registry=self.registry,
        )
        for stage in STAGES:
            self._stage_seconds.labels(stage)

    def _add_call_metrics(self) -> None:
        self._traces = self._counter(
            "summarizer_traces_total", "Functions that TensorFlow traced after the warm-up."
        )
        self._shortages = self._counter(
            "summarizer_memory_shortages_total", "Calls of the model for which there was no memory."
        )
        self._budget_tokens = self._gauge(
            "summarizer_batch_budget_tokens",
            "Padded tokens times beams, four at least, that a call of the last worker may hold.",
        )
        self._batch_texts = Histogram(
            "summarizer_batch_texts",
            "Texts, chunks of long ones, or readings of one text, in one call of the model.",
            ["signature"],
            buckets=_BATCH_BUCKETS,
            registry=self.registry,
        )
        self._computed_tokens = self._counter(
            "summarizer_computed_tokens_total",
            "Source tokens that the model read, the padding left out.",
            ["signature"],
        )
        self._padding_tokens = self._counter(
            "summarizer_padding_tokens_total",
            "Padding that the model read for nothing.",
            ["signature"],
        )
        for signature in (*SIGNATURES, *OPTIONAL_SIGNATURES):
            for metric in (self._batch_texts, self._computed_tokens, self._padding_tokens):
                metric.labels(signature)

    def _add_queue_metrics(self) -> None:
        self._queue_texts = self._gauge("summarizer_queue_texts", "Texts that wait for a worker.")
        self._queue_tokens = self._gauge(
            "summarizer_queue_tokens", "Source tokens of texts that wait, estimated."
        )
        self.queue_capacity_texts = self._gauge(
            "summarizer_queue_capacity_texts", "Texts that may wait."
        )
        self._texts = self._counter(
            "summarizer_texts_total",
            "Texts that came to the scheduler, or left it otherwise than by a call.",
            ["event"],
        )
        for event in TEXT_EVENTS:
            self._texts.labels(event)

    def _add_event_metrics(self) -> None:
        self._worker_events = self._counter(
            "summarizer_worker_events_total",
            "Workers that were lost, and those that took their place.",
            ["kind"],
        )
        for kind in WORKER_EVENTS:
            self._worker_events.labels(kind)
        self._version_loads = self._counter(
            "summarizer_version_loads_total",
            "Versions of the model that were tried, where new ones are looked for.",
            ["outcome"],
        )
        for outcome in VERSION_OUTCOMES:
            self._version_loads.labels(outcome)

    def expect_errors(self, statuses: Mapping[str, int]) -> None:
        """Starts the count of each error that can happen at 0, so that its first one is a rise."""
        for name, status in statuses.items():
            self._counter_of(status, name)

    def watch_model(
        self, model: Callable[[], ModelInfo | None], health: Callable[[], WorkerHealth | None]
    ) -> None:
        """Reports readiness, model and workers as they are at each scrape."""
        self.registry.register(ModelCollector(model, health))
        self.registry.register(WorkersCollector(health))

    def watch_log(self, dropped: Callable[[], int]) -> None:
        """Reports the lines of the log that were lost, as they are at each scrape."""
        self.registry.register(LogCollector(dropped))

    def add_request(
        self, *, route: str, method: str, status: int, seconds: float, error: str | None
    ) -> None:
        """Counts a request that was answered.

        Args:
            route: The template of its path.
            method: One of a bounded set.
            status: Of the answer.
            seconds: How long it took.
            error: The `error_type` of the answer, if it is an error.
        """
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route, method).observe(seconds)
        if error is not None:
            self._counter_of(status, error).inc()

    def add_unread(self, status: int, error: str) -> None:
        """Counts what was refused before it could be read as a request; it took no time."""
        self._requests.labels("unread", "other", str(status)).inc()
        self._counter_of(status, error).inc()

    def add_summaries(
        self,
        *,
        inputs: int,
        source_tokens: int,
        summary_tokens: int,
        stage_seconds: Mapping[str, float],
    ) -> None:
        """Counts the work behind a request that was answered with summaries."""
        self._inputs.inc(inputs)
        self._source_tokens.inc(source_tokens)
        self._written_tokens.inc(summary_tokens)
        for stage, seconds in stage_seconds.items():
            self._stage_seconds.labels(stage).observe(seconds)

    def waiting(self, texts: int, tokens: int) -> None:
        """Notes the queue; see `SchedulerObserver`."""
        self._queue_texts.set(texts)
        self._queue_tokens.set(tokens)

    def refused(self, reason: str, texts: int) -> None:
        """Counts texts that weren't taken; the requests behind them are counted by their error."""
        self._texts.labels("refused").inc(texts)

    def admitted(self, *, cached: int, joined: int, queued: int) -> None:
        """Counts texts that were taken; see `SchedulerObserver`."""
        for event, texts in {"cached": cached, "joined": joined, "queued": queued}.items():
            self._texts.labels(event).inc(texts)

    def started(self, texts: int, tokens: int, padded_tokens: int) -> None:
        """Nothing: the worker knows better, see `called`."""

    def retried(self, texts: int, *, lost: bool) -> None:
        """Counts texts that will be run again; see `SchedulerObserver`."""
        self._texts.labels("retried").inc(texts)

    def dropped(self, texts: int) -> None:
        """Counts texts that nobody waits for any more; see `SchedulerObserver`."""
        self._texts.labels("dropped").inc(texts)

    def missed(self, texts: int) -> None:
        """Counts texts whose deadline passed; see `SchedulerObserver`."""
        self._texts.labels("missed").inc(texts)

    def called(self, call: EngineCall) -> None:
        """Counts one call of the model."""
        self._batch_texts.labels(call.signature).observe(call.texts)
        self._computed_tokens.labels(call.signature).inc(call.tokens)
        self._padding_tokens.labels(call.signature).inc(call.padded_tokens - call.tokens)

    def engine_state(self, state: EngineState) -> None:
        """Counts what a worker told beside an answer."""
        self._traces.inc(state.traces)
        self._shortages.inc(state.shortages)
        self._budget_tokens.set(state.budget_tokens)

    def worker_event(self, event: WorkerEvent) -> None:
        """Counts a worker that was lost, or that took its place."""
        self._worker_events.labels(event.kind).inc()

    def version_tried(self, outcome: str) -> None:
        """Counts a version that took its place, or was refused."""
        self._version_loads.labels(outcome).inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics as bytes, and their media type.

        Args:
            accept: The `Accept` header; OpenMetrics is chosen where it names it.
        """
        accepted = [part.split(";")[0].strip() for part in accept.split(",")]
        encode, media_type = choose_encoder(_OPENMETRICS if _OPENMETRICS in accepted else "")
        return encode(WithoutBirthdays(self.registry)), media_type

    def _counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _counter_of(self, status: int, error: str) -> Counter:
        return (self._errors if status >= 500 else self._refused).labels(error)

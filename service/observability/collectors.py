"""Metrics that are found out at each scrape, and what a scrape leaves out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.predictor import ModelInfo, WorkerHealth

_MODEL_LABELS = ("name", "version", "sha256", "precision", "device")


class ModelCollector(Collector):
    """Whether a model answers, and which."""

    def __init__(
        self, model: Callable[[], ModelInfo | None], health: Callable[[], WorkerHealth | None]
    ) -> None:
        self._model = model
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """The two metrics of this moment."""
        model, health = self._model(), self._health()
        is_able = model is not None and (health is None or health.alive > 0)
        yield GaugeMetricFamily(
            "summarizer_ready",
            "Whether a model is loaded and warm, and a worker is alive to run it.",
            value=float(is_able),
        )
        info = GaugeMetricFamily(
            "summarizer_model_info", "The model that answers.", labels=_MODEL_LABELS
        )
        if model is not None:
            info.add_metric([getattr(model, label) for label in _MODEL_LABELS], 1)
        yield info


class WorkersCollector(Collector):
    """The processes in which the model runs, and what they and this one hold."""

    def __init__(self, health: Callable[[], WorkerHealth | None]) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment; on systems without /proc the memory is 0."""
        health = self._health() or WorkerHealth(workers=0, alive=0, restarts=0)
        yield GaugeMetricFamily(
            "summarizer_workers", "Processes that should run the model.", value=health.workers
        )
        yield GaugeMetricFamily(
            "summarizer_workers_alive", "Those that are loaded and can answer.", value=health.alive
        )
        yield GaugeMetricFamily(
            "summarizer_resident_memory_bytes",
            "Memory of the service and of its workers; what they share counts for each.",
            value=sum(_resident_bytes(pid) for pid in (os.getpid(), *health.pids)),
        )


class LogCollector(Collector):
    """The lines of this process's log that nobody took."""

    def __init__(self, dropped: Callable[[], int]) -> None:
        self._dropped = dropped

    def collect(self) -> Iterator[Metric]:
        """The metric of this moment."""
        yield CounterMetricFamily(
            "summarizer_log_lines_dropped_total",
            "Lines of the service's own log that were not written, since nobody took them.",
            value=self._dropped(),
        )


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class WithoutBirthdays(Collector):
    """A registry without the time at which each series began, which fills pages for nobody."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        for metric in self._registry.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric

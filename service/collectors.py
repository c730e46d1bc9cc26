"""Metrics that are found out at each scrape, and what a scrape leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.predictor import ModelInfo

_MODEL_LABELS = ("name", "version", "sha256", "precision", "device")


class ModelCollector(Collector):
    """Whether a model answers, and which."""

    def __init__(self, model: Callable[[], ModelInfo | None]) -> None:
        self._model = model

    def collect(self) -> Iterator[Metric]:
        """The two metrics of this moment."""
        model = self._model()
        yield GaugeMetricFamily(
            "summarizer_ready",
            "Whether a model is loaded and warm.",
            value=float(model is not None),
        )
        info = GaugeMetricFamily(
            "summarizer_model_info", "The model that answers.", labels=_MODEL_LABELS
        )
        if model is not None:
            info.add_metric([getattr(model, label) for label in _MODEL_LABELS], 1)
        yield info


class WithoutBirthdays(Collector):
    """A registry without the time at which each series began, which fills pages for nobody."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        for metric in self._registry.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric

"""What the routes receive built: it is kept on the application, never in a module."""

from __future__ import annotations

from fastapi import Request

from service.metrics import Metrics
from service.readiness import PredictorSlot
from service.settings import Settings


def slot_of(request: Request) -> PredictorSlot:
    """Where the predictor is, once it is loaded."""
    slot: PredictorSlot = request.app.state.slot
    return slot


def metrics_of(request: Request) -> Metrics:
    """Where the application counts."""
    metrics: Metrics = request.app.state.metrics
    return metrics


def settings_of(request: Request) -> Settings:
    """The settings that the application was created with."""
    settings: Settings = request.app.state.settings
    return settings

"""What the routes receive built: it is kept on the application, never in a module.

All are coroutines: FastAPI runs other functions in threads, of which there may be none left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from service.explanation.desk import ExplanationDesk
from service.observability.metrics import Metrics
from service.predictor import Predictor
from service.settings import Settings
from service.versions.readiness import PredictorSlot


async def slot_of(request: Request) -> PredictorSlot:
    """Where the predictor is, once it is loaded."""
    slot: PredictorSlot = request.app.state.slot
    return slot


@contextmanager
def leased_predictor(request: Request) -> Iterator[Predictor]:
    """The predictor that answers this request, to its end, though another take its place.

    Raises:
        NotReady: there is none; the detail says why.
    """
    slot: PredictorSlot = request.app.state.slot
    with slot.lease() as predictor:
        request.state.model_version = predictor.info.version
        yield predictor


async def desk_of(request: Request) -> ExplanationDesk:
    """Where explanations are asked for."""
    desk: ExplanationDesk = request.app.state.desk
    return desk


async def metrics_of(request: Request) -> Metrics:
    """Where the application counts."""
    metrics: Metrics = request.app.state.metrics
    return metrics


async def settings_of(request: Request) -> Settings:
    """The settings that the application was created with."""
    settings: Settings = request.app.state.settings
    return settings

"""The application: routes, error handlers, middleware, and a model that loads beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response

from service import VERSION, openapi
from service.docs_pages import add_docs_pages
from service.errors import (
    ServiceError,
    http_problem_response,
    problem_response,
    statuses_by_name,
)
from service.metrics import Metrics
from service.middleware import CatchAll, RequestContext, request_id_of
from service.predictor import Predictor
from service.readiness import PredictorSlot
from service.routes import metrics as metrics_route
from service.routes import predict, probes
from service.settings import Settings
from service.telemetry import Telemetry

DESCRIPTION = "One-line summaries of English texts, with the attention behind every word."

ANY_ROUTE = {
    400: "The bytes are no HTTP/1.1 request.",
    408: "The request has not arrived in time.",
    431: "The request line and headers are too long.",
    500: "A fault of the service.",
}

LoadPredictor = Callable[[Settings], Awaitable[Predictor]]


class _Application(FastAPI):
    """FastAPI, with the schemas of the bodies that it doesn't read itself."""

    def openapi(self) -> dict[str, Any]:
        """The API's document."""
        return openapi.add_schemas(super().openapi())


def create_app(
    settings: Settings,
    load_predictor: LoadPredictor,
    on_load_failure: Callable[[Exception], None] = lambda _: None,
    metrics: Metrics | None = None,
) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: Every knob.
        load_predictor: Loads the model; awaited once the application starts.
        on_load_failure: Told when that fails. The application goes on, and says so when asked.
        metrics: Where to count; given where the predictor counts there too.
    """
    slot = PredictorSlot(on_load_failure)
    metrics = metrics or Metrics()
    metrics.expect_errors(statuses_by_name())
    metrics.watch_model(slot.info, slot.health)
    metrics.queue_capacity_texts.set(settings.max_queued_texts)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        slot.fill(load_predictor(settings))
        yield
        await slot.close()

    app = _Application(
        title="attention-summarizer",
        version=VERSION,
        description=DESCRIPTION,
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        generate_unique_id_function=lambda route: route.name,
        responses=openapi.problems(ANY_ROUTE),
        # FastAPI's pages load their scripts from another host; docs_pages has ours.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=[
            Middleware(RequestContext, slot.version),
            Middleware(Telemetry, metrics),
            Middleware(CatchAll),
        ],
        exception_handlers={ServiceError: _answer_error, HTTPException: _answer_http_error},
    )
    app.state.slot = slot
    app.state.metrics = metrics
    app.state.settings = settings
    app.include_router(predict.router, tags=["summaries"])
    app.include_router(probes.router, tags=["operations"])
    app.include_router(metrics_route.router, tags=["operations"])
    add_docs_pages(app)
    return app


async def _answer_error(request: Request, error: Exception) -> Response:
    return problem_response(cast(ServiceError, error), request_id_of(request))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    raised = cast(HTTPException, error)
    return http_problem_response(raised.status_code, raised.headers, request_id_of(request))

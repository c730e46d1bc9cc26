"""The application: routes, error handlers, middleware, and a model that loads beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response

from service import VERSION
from service.documentation import openapi
from service.documentation.pages import add_docs_pages
from service.errors import (
    ServiceError,
)
from service.explanation.desk import ExplanationDesk
from service.http.middleware import CatchAll, RequestContext, request_id_of
from service.http.problems import http_problem_response, problem_response, statuses_by_name
from service.observability.metrics import Metrics
from service.predictor import Predictor
from service.routes import explain, predict, probes
from service.routes import metrics as metrics_route
from service.routes.web import add_web_page
from service.settings import Settings
from service.telemetry import Telemetry
from service.versions.readiness import PredictorSlot
from service.versions.watch import VersionWatch

DESCRIPTION = "One-line summaries of English texts, with the attention behind every word."

ANY_ROUTE = {
    400: "The bytes are no HTTP/1.1 request.",
    408: "The request has not arrived in time.",
    431: "The request line and headers are too long.",
    500: "A fault of the service.",
    503: "Every connection that there may be is at work.",
}

ROUTERS: tuple[tuple[APIRouter, str], ...] = (
    (predict.router, "summaries"),
    (explain.router, "explanations"),
    (probes.router, "operations"),
    (metrics_route.router, "operations"),
)
"""With the heading that each has in the API's document."""

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
    desk = ExplanationDesk(settings)
    metrics = metrics or Metrics()
    metrics.expect_errors(statuses_by_name())
    metrics.watch_model(slot.info, slot.health)
    metrics.queue_capacity_texts.set(settings.max_queued_texts)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with _filled(slot, settings, load_predictor, metrics):
            yield
            await desk.jobs.close()

    app = _Application(
        title="attention-summarizer",
        version=VERSION,
        description=DESCRIPTION,
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        generate_unique_id_function=lambda route: route.name,
        responses=openapi.problems(ANY_ROUTE),
        # FastAPI's pages load their scripts from another host; documentation.pages has ours.
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
    app.state.desk = desk
    for router, tag in ROUTERS:
        app.include_router(router, tags=[tag])
    add_docs_pages(app)
    add_web_page(app)
    return app


@asynccontextmanager
async def _filled(
    slot: PredictorSlot, settings: Settings, load: LoadPredictor, metrics: Metrics
) -> AsyncIterator[None]:
    """The slot with a model on its way; with newer ones in its place, where the settings say so."""

    def load_version(directory: Path) -> Awaitable[Predictor]:
        return load(settings.model_copy(update={"artifact": directory}))

    watching: asyncio.Task[None] | None = None
    if settings.version_poll_s:
        every_s = settings.version_poll_s
        watch = VersionWatch(settings.artifact, load_version, every_s, metrics.version_tried)
        slot.fill(watch.newest_good())
        watching = asyncio.create_task(watch.run(slot))
    else:
        slot.fill(load(settings))
    yield
    if watching is not None:
        watching.cancel()
        await asyncio.wait([watching])
    await slot.close()


async def _answer_error(request: Request, error: Exception) -> Response:
    return problem_response(cast(ServiceError, error), request_id_of(request))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    raised = cast(HTTPException, error)
    headers = dict(raised.headers or {})
    if raised.status_code == 405 and (methods := _methods_of(request)):
        headers["Allow"] = ", ".join(methods)
    return http_problem_response(raised.status_code, headers, request_id_of(request))


def _methods_of(request: Request) -> list[str]:
    """What may be done with a path of ours: Starlette names the methods of its first route only."""
    found = request.scope.get("route")
    routes = [route for router, _ in ROUTERS for route in router.routes]
    ours = [route for route in routes if isinstance(route, APIRoute)]
    same = [route.methods or () for route in ours if found and route.path == found.path]
    return sorted({method for methods in same for method in methods})

"""The application: routes, error handlers, middleware, and a model that loads beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response

from service import VERSION, openapi
from service.errors import ServiceError, http_problem_response, problem_response
from service.middleware import CatchAll, RequestContext, request_id_of
from service.predictor import Predictor
from service.readiness import PredictorSlot
from service.routes import predict, probes
from service.settings import Settings

DESCRIPTION = "One-line summaries of English texts, with the attention behind every word."

LoadPredictor = Callable[[Settings], Predictor]


class _Application(FastAPI):
    """FastAPI, with the schemas of the bodies that it doesn't read itself."""

    def openapi(self) -> dict[str, Any]:
        """The API's document."""
        return openapi.add_schemas(super().openapi())


def create_app(
    settings: Settings,
    load_predictor: LoadPredictor,
    on_load_failure: Callable[[Exception], None] = lambda _: None,
) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: Every knob.
        load_predictor: Loads the model; called in a thread once the application starts.
        on_load_failure: Told when that fails. The application goes on, and says so when asked.
    """
    slot = PredictorSlot(on_load_failure)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        slot.fill(partial(load_predictor, settings))
        yield
        await slot.close()

    app = _Application(
        title="attention-summarizer",
        version=VERSION,
        description=DESCRIPTION,
        # FastAPI's pages load their scripts from another host.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=[Middleware(RequestContext, slot.version), Middleware(CatchAll)],
        exception_handlers={ServiceError: _answer_error, HTTPException: _answer_http_error},
    )
    app.state.slot = slot
    app.state.settings = settings
    app.include_router(predict.router)
    app.include_router(probes.router)
    return app


async def _answer_error(request: Request, error: Exception) -> Response:
    return problem_response(cast(ServiceError, error), request_id_of(request))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    raised = cast(HTTPException, error)
    return http_problem_response(raised.status_code, raised.headers, request_id_of(request))

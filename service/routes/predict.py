"""`POST /predict`: the service's own protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from service.documentation.openapi import json_body, problems
from service.errors import DeadlinePassed, TextTooLong
from service.examples import REQUEST_EXAMPLES, RESPONSE_EXAMPLE
from service.explanation.desk import audits_of
from service.http.client import CLIENT_LEFT, TIMEOUT_HEADER, ClientLeft, timeout_of, unless_left
from service.http.middleware import request_id_of
from service.http.request_body import check_request, read_json
from service.options import options_of
from service.prediction import render
from service.routes.dependencies import leased_predictor, settings_of, slot_of
from service.schemas import PredictRequest, PredictResponse
from service.settings import Settings
from service.telemetry import record_of, slowest_stages
from service.versions.readiness import PredictorSlot

router = APIRouter()

_LATE = "the time for this request was over before its answer was written"

TIMEOUT_PARAMETER = {
    "name": TIMEOUT_HEADER,
    "in": "header",
    "description": "Milliseconds that the client waits, if less than the service's own limit. "
    "What can't be answered by then is refused at once, with 429.",
    "schema": {"type": "integer", "minimum": 1},
}

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": RESPONSE_EXAMPLE}}},
    **problems(
        {
            400: "The body isn't JSON, or the bytes are no HTTP/1.1 request.",
            413: "The body, a text or the list of texts is too large.",
            415: "The Content-Type header is missing or isn't application/json.",
            422: "A field breaks a rule, which `detail` names.",
            429: "Too much work is waiting, or the request's time is over; come back after "
            "Retry-After seconds.",
            500: "A fault of the service, or a number of the model that is not finite.",
            503: "No model or no memory, too many connections, or the model's process was lost.",
        }
    ),
}


@router.post(
    "/predict",
    summary="Summarize texts and show where every word came from",
    response_model=PredictResponse,
    responses=RESPONSES,
    openapi_extra=json_body(PredictRequest, REQUEST_EXAMPLES) | {"parameters": [TIMEOUT_PARAMETER]},
)
async def predict(
    request: Request,
    slot: Annotated[PredictorSlot, Depends(slot_of)],
    settings: Annotated[Settings, Depends(settings_of)],
) -> Response:
    """Writes one summary for each text of `inputs`."""
    began = time.perf_counter()
    slot.check()
    asked = check_request(
        await read_json(request, settings.max_body_bytes, settings.receive_timeout_s),
        settings.max_input_characters,
    )
    record = record_of(request)
    record.inputs = len(asked.texts)
    with leased_predictor(request) as predictor:
        options = options_of(asked, predictor.info)
        timeout_s = timeout_of(request.headers, settings.request_timeout_s)
        parsed = time.perf_counter()
        work = predictor.summarize(asked.texts, options, timeout_s - (parsed - began))
        try:
            summaries = await unless_left(request, work)
            summarized = time.perf_counter()
            to_audit = zip(asked.texts, summaries, strict=True) if asked.audit else ()
            left_s = timeout_s - (summarized - began)
            audits = await unless_left(request, audits_of(list(to_audit), predictor, left_s))
            answered = time.perf_counter()
            request_id = request_id_of(request)
            write = partial(render, asked, summaries, predictor.info, request_id, audits)
            deadline = began + timeout_s
            body = await unless_left(request, to_thread.run_sync(_in_time, write, deadline))
        except TextTooLong as error:
            raise error.named(asked.field_of(error.index)) from None
        except ClientLeft:
            return Response(status_code=CLIENT_LEFT)
    rendered = time.perf_counter()
    stages = {
        "parse": parsed - began,
        **slowest_stages(summaries),
        **({"audit": answered - summarized} if asked.audit else {}),
        "render": rendered - answered,
    }
    record.add_summaries(summaries, stages)
    headers = {"Server-Timing": _server_timing({**stages, "total": rendered - began})}
    return Response(body, headers=headers, media_type="application/json")


def _in_time(write: Callable[[], bytes], deadline: float) -> bytes:
    """What is written, unless too much time has passed in waiting for a thread."""
    if time.perf_counter() > deadline:
        raise DeadlinePassed(_LATE, retry_after_s=1)
    return write()


def _server_timing(stages: Mapping[str, float]) -> str:
    """`Server-Timing` (W3C): milliseconds by stage."""
    return ", ".join(f"{stage};dur={1000 * seconds:.1f}" for stage, seconds in stages.items())

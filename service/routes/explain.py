"""`/explain`: where the words of a summary come from, at once or as a job."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from service.documentation.openapi import json_body, problems
from service.errors import ServiceError, TextTooLong
from service.explanation.catalogue import check_methods, offers, refusals
from service.explanation.desk import ExplanationDesk, Question, check_rules, subjects_of
from service.explanation.examples import REQUEST_EXAMPLES, RESPONSE_EXAMPLE
from service.explanation.response import progress
from service.explanation.schemas import Accepted, ExplainRequest, ExplainResponse, Progress
from service.http.client import CLIENT_LEFT, ClientLeft, timeout_of, unless_left
from service.http.middleware import request_id_of
from service.http.problems import problem_of
from service.http.request_body import check_as, read_json
from service.options import options_of
from service.predictor import Predictor
from service.routes.dependencies import desk_of, leased_predictor, settings_of, slot_of
from service.routes.predict import TIMEOUT_PARAMETER
from service.settings import Settings
from service.telemetry import record_of, slowest_stages
from service.versions.readiness import PredictorSlot

router = APIRouter()

Desk = Annotated[ExplanationDesk, Depends(desk_of)]

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": RESPONSE_EXAMPLE}}},
    202: {
        "model": Accepted,
        "description": "A slow method was asked for: the answer will be at `url`.",
        "headers": {"Location": {"description": "The same.", "schema": {"type": "string"}}},
    },
    **problems(
        {
            400: "The body isn't JSON, or the bytes are no HTTP/1.1 request.",
            413: "The body, a text or the list of texts is too large.",
            415: "The Content-Type header is missing or isn't application/json.",
            422: "A field breaks a rule, or a method is not served; `detail` says which.",
            429: "Too much work is waiting or running, or the request's time is over; come back "
            "after Retry-After seconds.",
            500: "A fault of the service, or a number of the model that is not finite.",
            503: "No model or no memory, too many connections, or the model's process was lost.",
        }
    ),
}

ID_PARAMETER = {
    "name": "explanation_id",
    "in": "path",
    "required": True,
    "description": "As the 202 gave it.",
    "schema": {"type": "string"},
}
"""Any text is taken, so that none is refused as FastAPI would."""

UNKNOWN = problems({404: "No explanation has this id, or its time is over."})


@router.post(
    "/explain",
    summary="Say where the words of summaries come from, and how well that is known",
    response_model=ExplainResponse,
    responses=RESPONSES,
    openapi_extra=json_body(ExplainRequest, REQUEST_EXAMPLES) | {"parameters": [TIMEOUT_PARAMETER]},
)
async def explain(
    request: Request,
    slot: Annotated[PredictorSlot, Depends(slot_of)],
    settings: Annotated[Settings, Depends(settings_of)],
    desk: Desk,
) -> Response:
    """Explains one summary for each text of `inputs`, by each of `methods`."""
    began = time.monotonic()
    slot.check()
    body = await read_json(request, settings.max_body_bytes, settings.receive_timeout_s)
    asked = check_as(ExplainRequest, body, settings.max_input_characters)
    record_of(request).inputs = len(asked.texts)
    deadline = began + timeout_of(request.headers, settings.request_timeout_s)
    with ExitStack() as lease:
        predictor = lease.enter_context(leased_predictor(request))
        try:
            question = await _question(request, asked, predictor, desk, settings, deadline)
            if question.is_slow:
                return _accepted(desk.begin(question, lease.pop_all().close))
            content = await unless_left(request, desk.answer(question, deadline))
        except TextTooLong as error:
            raise error.named(asked.field_of(error.index)) from None
        except ClientLeft:
            return Response(status_code=CLIENT_LEFT)
    return Response(content, media_type="application/json")


@router.get(
    "/explain/{explanation_id}",
    summary="Ask for a slow explanation",
    response_model=Progress,
    responses=UNKNOWN,
    openapi_extra={"parameters": [ID_PARAMETER]},
)
async def explanation(request: Request, desk: Desk) -> Response:
    """Whether it still runs, what it came to, or why it failed."""
    explanation_id = request.path_params["explanation_id"]
    job = desk.jobs.find(explanation_id)
    found: dict[str, Any] = {}
    if isinstance(job.result, bytes):
        found["result"] = job.result
    elif isinstance(job.result, ServiceError):
        found["problem"] = problem_of(job.result, request_id_of(request))
    content = progress(explanation_id, job.state, **found)
    return Response(content, media_type="application/json")


@router.delete(
    "/explain/{explanation_id}",
    summary="Give a slow explanation up, and forget its result",
    status_code=204,
    responses=UNKNOWN,
    openapi_extra={"parameters": [ID_PARAMETER]},
)
async def give_up(request: Request, desk: Desk) -> Response:
    """Ends the work if it still runs."""
    desk.jobs.cancel(request.path_params["explanation_id"])
    return Response(status_code=204)


async def _question(
    request: Request,
    asked: ExplainRequest,
    predictor: Predictor,
    desk: ExplanationDesk,
    settings: Settings,
    deadline: float,
) -> Question:
    """The request with its summaries, once all its rules are kept."""
    offered = offers(predictor.info, unmeasured=settings.unmeasured_methods)
    check_methods(asked.methods, offered, refusals(predictor.info))
    check_rules(asked, predictor.info)
    if any(offered[name].is_slow for name in asked.methods):
        desk.jobs.check_room()  # before the search
    options = options_of(asked, predictor.info)
    work = subjects_of(asked, options, predictor, deadline - time.monotonic())
    subjects = await unless_left(request, work)
    summaries = [subject.summary for subject in subjects]
    record_of(request).add_summaries(summaries, slowest_stages(summaries))
    return Question(
        asked=asked,
        subjects=subjects,
        offered=offered,
        predictor=predictor,
        request_id=request_id_of(request),
    )


def _accepted(job_id: str) -> Response:
    url = f"/explain/{job_id}"
    content = orjson.dumps({"id": job_id, "url": url})
    headers = {"Location": url}
    return Response(content, status_code=202, headers=headers, media_type="application/json")

"""A request's bytes as a checked `PredictRequest`; says which rule is broken, never by what.

FastAPI would read a body of any size, parse it with a parser that takes NaN, and repeat the
input in its errors; hence our own way from bytes to model.
"""

from __future__ import annotations

import asyncio
import difflib
import json
from collections.abc import Collection, Iterable
from email.message import Message
from typing import Any, NoReturn, TypeVar

import orjson
from anyio import to_thread
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from service.errors import (
    MalformedRequest,
    RequestTimeout,
    RequestTooLarge,
    RuleBroken,
    UnsupportedMediaType,
)
from service.schemas import INPUTS_RULE, MAX_INPUTS, PredictRequest, SummaryRequest

AnyRequest = TypeVar("AnyRequest", bound=SummaryRequest)

_MAX_BYTES_AT_ONCE = 65_536
_MAX_FIELDS = 100  # of an object, far more than any has: to refuse each by itself takes long
_MAX_RULES_SHOWN = 5
_MAX_RULES_WORDED = 50  # to word a rule takes longer than to break it


async def read_json(request: Request, max_bytes: int, timeout_s: float) -> Any:
    """The body's JSON; reads no more than `max_bytes` and no longer than `timeout_s`.

    Raises:
        UnsupportedMediaType: it isn't declared as JSON in UTF-8.
        RequestTooLarge: it is longer, as declared or as read.
        RequestTimeout: it hasn't arrived in time.
        MalformedRequest: it isn't JSON.
    """
    _check_headers(request)
    try:
        async with asyncio.timeout(timeout_s):
            body = await _read(request, max_bytes)
    except TimeoutError:
        raise RequestTimeout(timeout_s) from None
    if len(body) > _MAX_BYTES_AT_ONCE:  # meanwhile others are answered
        return await to_thread.run_sync(parse_json, body)
    return parse_json(body)


def parse_json(body: bytes) -> Any:
    """JSON by RFC 8259: no NaN, no infinity, no byte order mark, at most 1,024 levels.

    Half a surrogate pair is let through: it breaks a rule of a field, which can then be named.
    """
    if not body.strip():
        raise MalformedRequest("the body is empty; it must be a JSON object")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "surrogate in string" in str(error):
            return _parse_with_surrogates(body)
        raise _not_json(error.pos) from error


def check_request(value: Any, max_characters: int) -> PredictRequest:
    """The value as a request to `/predict`; see `check_as`."""
    return check_as(PredictRequest, value, max_characters)


def check_as(model: type[AnyRequest], value: Any, max_characters: int) -> AnyRequest:
    """The value as a request whose texts are of sane length and content.

    Args:
        model: What the request has to fit.
        value: What the body held.
        max_characters: Of one text.

    Raises:
        RequestTooLarge: too many texts, or one with too many characters.
        RuleBroken: any other rule; the message names the field and the rule.
    """
    _check_field_counts(value, model.model_fields)
    try:
        request = model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise _broken_rules(found, model.model_fields) from None
    for field, text in request.named_texts():
        _check_text(field, text, max_characters)
    return request


def _check_field_counts(value: Any, known: Collection[str]) -> None:
    """Refuses objects with very many fields, before anybody looks at each of them."""
    if not isinstance(value, dict):
        return
    if len(value) > _MAX_FIELDS:
        raise RuleBroken(f"the body has {len(value)} fields, more than {_MAX_FIELDS}")
    for name, inner in value.items():
        if isinstance(inner, dict) and len(inner) > _MAX_FIELDS:
            where = name if name in known else "a field"
            raise RuleBroken(f"{where} has {len(inner)} fields, more than {_MAX_FIELDS}")


def _check_headers(request: Request) -> None:
    declared = request.headers.get("content-type")
    if declared is None:
        raise UnsupportedMediaType("the Content-Type header is missing; send application/json")
    message = Message()
    message["content-type"] = declared
    charset = message.get_content_charset("utf-8")
    if message.get_content_type() != "application/json" or charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(
            "the Content-Type header must be application/json, in UTF-8 if it names a charset"
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the Content-Encoding header must be absent: send plain JSON")


async def _read(request: Request, max_bytes: int) -> bytes:
    too_large = RequestTooLarge(f"the body is longer than {max_bytes} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


def _parse_with_surrogates(body: bytes) -> Any:
    def refuse(_: str) -> NoReturn:
        raise ValueError

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise _not_json(getattr(error, "pos", None)) from error


def _not_json(position: int | None) -> MalformedRequest:
    where = "" if position is None else f" at character {position}"
    return MalformedRequest(f"the body isn't valid JSON{where}")


def _broken_rules(
    errors: list[ErrorDetails], known: Collection[str]
) -> RuleBroken | RequestTooLarge:
    for error in errors:
        if error["type"] == "too_long" and error["loc"][0] == "inputs":
            count = error["ctx"]["actual_length"]
            return RequestTooLarge(f"inputs holds {count} texts, more than {MAX_INPUTS}")
    rules = list(dict.fromkeys(_rule(error, known) for error in errors[:_MAX_RULES_WORDED]))
    hidden = len(rules) - _MAX_RULES_SHOWN + max(0, len(errors) - _MAX_RULES_WORDED)
    more = f"; and {hidden} more" if hidden > 0 else ""
    return RuleBroken("; ".join(rules[:_MAX_RULES_SHOWN]) + more)


def _rule(error: ErrorDetails, known: Collection[str]) -> str:
    """One broken rule in words; a name that the client made up is not repeated."""
    loc = error["loc"]
    if error["type"] in ("model_type", "model_attributes_type"):
        return "the body must be a JSON object"
    if error["type"] == "extra_forbidden":
        return _unknown_field(loc, known)
    if not loc:  # of what pydantic finds no place for, only this is left
        return "a field's name holds half a surrogate pair, which is no character"
    field = str(loc[0])
    if field == "inputs":
        if error["type"] == "missing":
            return f"inputs is required: it {INPUTS_RULE}"
        index = next((f"[{part}]" for part in loc if isinstance(part, int)), "")
        return f"inputs{index} must be a string" if index else f"inputs {INPUTS_RULE}"
    message, _, _ = error["msg"].partition(" after validation")  # how long a list was
    message = message.removeprefix("Input ").removeprefix("List ").rstrip(".")
    return f"{field} {message}" if message.startswith("should") else f"{field}: {message}"


def _unknown_field(loc: tuple[int | str, ...], known: Collection[str]) -> str:
    if len(loc) > 1:
        return f"{loc[0]}: unknown field"
    close = difflib.get_close_matches(str(loc[0])[:64], known, n=1)
    if close:
        return f"unknown field; did you mean {close[0]}?"
    return f"unknown field; the fields are {_listed(known)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _check_text(field: str, text: str, max_characters: int) -> None:
    if len(text) > max_characters:
        raise RequestTooLarge(f"{field} has {len(text)} characters, more than {max_characters}")
    if not text.strip():
        raise RuleBroken(f"{field} must hold text: it is empty or blank")
    try:
        text.encode()
    except UnicodeEncodeError:
        problem = f"{field} holds half a surrogate pair, which is no character"
        raise RuleBroken(problem) from None

"""What `/openapi.json` needs beside what FastAPI finds: bodies that we read and write ourselves."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from service.explanation.schemas import ExplainRequest
from service.http.problems import PROBLEM_MEDIA_TYPE
from service.schemas import PredictRequest, Problem, SummaryRequest

RETRY_AFTER = {
    "Retry-After": {"description": "Whole seconds.", "schema": {"type": "integer", "minimum": 1}}
}

_REF = "#/components/schemas/{model}"


def json_body(model: type[SummaryRequest], examples: dict[str, Any]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its own JSON body."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    content = {"application/json": {"schema": schema, "examples": examples}}
    return {"requestBody": {"required": True, "content": content}}


def problems(descriptions: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: what each error status means there."""
    schema = {"$ref": _REF.format(model=Problem.__name__)}
    content = {PROBLEM_MEDIA_TYPE: {"schema": schema}}
    return {
        status: {"description": description, "content": content}
        | ({"headers": RETRY_AFTER} if status in (429, 503) else {})
        for status, description in descriptions.items()
    }


def add_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the schemas that only references name, and statuses in their order."""
    _, schemas = models_json_schema(
        [
            (PredictRequest, "validation"),
            (ExplainRequest, "validation"),
            (Problem, "serialization"),
        ],
        ref_template=_REF,
    )
    components = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in schemas["$defs"].items():
        components.setdefault(name, schema)
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"] = dict(sorted(operation["responses"].items()))
    return document

"""Which changes of the API's document break a client that was written against the older one.

A request that was valid must stay valid, so the old schema of a request must fit into the new one.
An answer must hold what was promised, so the new schema of an answer must fit into the old one;
there, fields and values of an enumeration may be added, and clients have to expect that.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.api_document.schema_fit import Json, SchemaFit


def breaking_changes(old: Json, new: Json) -> list[str]:
    """What no longer works, a line each; empty where the new document only adds."""
    changes: list[str] = []
    for path, operations in old["paths"].items():
        for method, before in operations.items():
            where = f"{method.upper()} {path}"
            after = new["paths"].get(path, {}).get(method)
            if after is None:
                changes.append(f"{where} was removed")
                continue
            changes += _request_changes(where, before, after, SchemaFit(old, new, is_answer=False))
            changes += _answer_changes(where, before, after, SchemaFit(new, old, is_answer=True))
    return changes


def may_break(old: Json, new: Json) -> bool:
    """Whether the version announces it: by its first number or, while that is 0, by its second."""
    before, after = (_epoch(document["info"]["version"]) for document in (old, new))
    return after > before


def _epoch(version: str) -> tuple[int, int]:
    major, minor = (int(number) for number in version.split(".")[:2])
    return (major, 0) if major else (0, minor)


def _request_changes(where: str, before: Json, after: Json, fit: SchemaFit) -> Iterator[str]:
    old_parameters, new_parameters = _parameters(before), _parameters(after)
    for name in old_parameters.keys() - new_parameters.keys():
        yield f"{where}: parameter {name} was removed"
    for name, parameter in new_parameters.items():
        known = old_parameters.get(name)
        if parameter.get("required") and not (known or {}).get("required"):
            yield f"{where}: parameter {name} is required now"
        if known is not None:
            yield from fit.misfits(known["schema"], parameter["schema"], f"{where}: {name}")
    old_body, new_body = before.get("requestBody", {}), after.get("requestBody", {})
    if new_body.get("required") and not old_body.get("required"):
        yield f"{where}: a body is required now"
    yield from _body_changes(where, old_body, new_body, fit)


def _answer_changes(where: str, before: Json, after: Json, fit: SchemaFit) -> Iterator[str]:
    for status, answer in before["responses"].items():
        found = after["responses"].get(status)
        if found is None:
            yield f"{where}: status {status} was removed"
        else:
            yield from _body_changes(f"{where}: {status}", answer, found, fit)


def _body_changes(where: str, before: Json, after: Json, fit: SchemaFit) -> Iterator[str]:
    """The changes of a content, by its media types."""
    for media_type, body in before.get("content", {}).items():
        found = after.get("content", {}).get(media_type)
        if found is None:
            yield f"{where}: {media_type} was removed"
            continue
        schemas = (body.get("schema", {}), found.get("schema", {}))
        narrow, wide = reversed(schemas) if fit.is_answer else schemas
        yield from fit.misfits(narrow, wide, where)


def _parameters(operation: Json) -> dict[str, Json]:
    return {f"{p['in']} {p['name']}": p for p in operation.get("parameters", [])}

"""Whether whatever fits one JSON schema also fits another.

Knows what pydantic writes: types, unions, enumerations, objects, arrays and bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

Json = dict[str, Any]

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


@dataclass(frozen=True)
class SchemaFit:
    """Why some value of a schema of one document might not fit a schema of another.

    Args:
        narrow_document: Where references of the narrow schema lead.
        wide_document: Where those of the wide one lead.
        is_answer: Whether fields and listed values may be more than the wide schema knows.
    """

    narrow_document: Json
    wide_document: Json
    is_answer: bool

    def misfits(self, narrow: Json, wide: Json, where: str, inside: Any = ()) -> list[str]:
        """A line for each reason; `inside` are the references that are being compared."""
        references = (narrow.get("$ref"), wide.get("$ref"))
        if any(references):
            if references in inside:
                return []
            inside = (*inside, references)
        narrow = _resolved(narrow, self.narrow_document)
        wide = _resolved(wide, self.wide_document)
        branches, choices = _branches(narrow), _branches(wide)
        if branches == [narrow] and choices == [wide]:
            return self._plain_misfits(narrow, wide, where, inside)
        found: list[str] = []
        for branch in branches:
            tried = [
                self.misfits(branch, choice, where, inside)
                for choice in self._alike(branch, choices) or choices
            ]
            best: list[str] = min(tried, key=len)
            found += best
        return found

    def _alike(self, branch: Json, choices: list[Json]) -> list[Json]:
        """The choices of which the type fits: what else is wrong with them says more."""
        types = _types(_resolved(branch, self.narrow_document))
        return [c for c in choices if types <= _types(_resolved(c, self.wide_document))]

    def _plain_misfits(self, narrow: Json, wide: Json, where: str, inside: Any) -> list[str]:
        if not _types(narrow) <= _types(wide):
            return [f"{where}: {self._change('type', _type_name(narrow), _type_name(wide))}"]
        return [
            *chain(
                self._value_misfits(narrow, wide, where),
                self._object_misfits(narrow, wide, where, inside),
                self._array_misfits(narrow, wide, where, inside),
            )
        ]

    def _value_misfits(self, narrow: Json, wide: Json, where: str) -> Iterator[str]:
        values, allowed = _values(narrow), _values(wide)
        if self.is_answer:
            if allowed is not None and values is None:
                yield f"{where}: its values are no longer listed"
            return
        if allowed is not None and (values is None or not values <= allowed):
            gone = "all but the listed" if values is None else ", ".join(sorted(values - allowed))
            yield f"{where}: values are no longer accepted: {gone}"
        for name in _LOWER:
            if name in wide and narrow.get(name, float("-inf")) < wide[name]:
                yield f"{where}: {self._change(name, narrow.get(name), wide[name])}"
        for name in _UPPER:
            if name in wide and narrow.get(name, float("inf")) > wide[name]:
                yield f"{where}: {self._change(name, narrow.get(name), wide[name])}"
        for name in ("pattern", "format", "multipleOf"):
            if name in wide and narrow.get(name) != wide[name]:
                yield f"{where}: {self._change(name, narrow.get(name), wide[name])}"

    def _object_misfits(self, narrow: Json, wide: Json, where: str, inside: Any) -> Iterator[str]:
        for name in sorted({*wide.get("required", ())} - {*narrow.get("required", ())}):
            yield f"{where}.{name}: " + ("may be missing now" if self.is_answer else "is required")
        fields, accepted = narrow.get("properties", {}), wide.get("properties", {})
        before, after = (accepted, fields) if self.is_answer else (fields, accepted)
        for name in before:
            if name not in after:
                yield f"{where}.{name} was removed"
            else:
                yield from self.misfits(fields[name], accepted[name], f"{where}.{name}", inside)
        closed = wide.get("additionalProperties") is False
        if not self.is_answer and closed and narrow.get("additionalProperties") is not False:
            yield f"{where}: unknown fields are no longer accepted"

    def _array_misfits(self, narrow: Json, wide: Json, where: str, inside: Any) -> Iterator[str]:
        if "items" in wide and isinstance(wide["items"], dict):
            yield from self.misfits(narrow.get("items", {}), wide["items"], f"{where}[]", inside)
        if len(narrow.get("prefixItems", ())) < len(wide.get("prefixItems", ())):
            yield f"{where}: has fewer items"
        pairs = zip(narrow.get("prefixItems", ()), wide.get("prefixItems", ()), strict=False)
        for index, (item, choice) in enumerate(pairs):
            yield from self.misfits(item, choice, f"{where}[{index}]", inside)

    def _change(self, what: str, narrow: Any, wide: Any) -> str:
        before, after = (wide, narrow) if self.is_answer else (narrow, wide)
        return f"{what} was {before} and is {after}"


def _resolved(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def _branches(schema: Json) -> list[Json]:
    return schema.get("anyOf") or schema.get("oneOf") or [schema]


_ALL_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})


def _types(schema: Json) -> frozenset[str]:
    named = schema.get("type", _ALL_TYPES)
    types = frozenset([named] if isinstance(named, str) else named)
    return types | {"integer"} if "number" in types else types


def _type_name(schema: Json) -> str:
    named = schema.get("type", "anything")
    return named if isinstance(named, str) else " or ".join(named)


def _values(schema: Json) -> set[str] | None:
    """The only values that there may be, where they are listed."""
    if "const" in schema:
        return {repr(schema["const"])}
    return {repr(value) for value in schema["enum"]} if "enum" in schema else None

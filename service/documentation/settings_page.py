"""docs/settings.md, written from the settings themselves: `python -m service --settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from service.settings import PREFIX, Settings

_HEAD = f"""\
# Settings

Environment variables, read once when the process starts. A value out of its bounds, or a name \
that begins with `{PREFIX}` and is none of these, ends the process with status 2 and a message. \
`make settings` writes this page.

| variable | default | unit | values | |
| --- | --- | --- | --- | --- |
"""


def settings_page() -> str:
    """The page in Markdown: a row for each setting, in their order."""
    rows = [_row(name, field) for name, field in Settings.model_fields.items()]
    return _HEAD + "".join(rows)


def _row(name: str, field: FieldInfo) -> str:
    cells = (
        f"`{PREFIX}{name.upper()}`",
        f"`{_written(field.default)}`",
        unit_of(field),
        _values(field),
        field.description or "",
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def unit_of(field: FieldInfo) -> str:
    """What a number counts; empty for what is no number."""
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def bound_of(field: FieldInfo, name: Literal["ge", "le"]) -> Any:
    """The least or the greatest value, if there is one."""
    return next((getattr(rule, name) for rule in field.metadata if hasattr(rule, name)), None)


def _values(field: FieldInfo) -> str:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if kind is bool:
        return "`true`, `false`"
    if kind is Path:
        return "a path"
    if kind is str:
        return "text"
    return f"{bound_of(field, 'ge')} to {bound_of(field, 'le')}"


def _written(default: object) -> str:
    """A default as it would stand in the environment."""
    return str(default).lower() if isinstance(default, bool) else str(default)

"""The page of settings says what the settings are."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.documentation.settings_page import bound_of, settings_page, unit_of
from service.settings import Settings

NUMBERS = [
    name for name, field in Settings.model_fields.items() if field.annotation in (int, float)
]


def test_the_committed_page_is_current() -> None:
    page = Path("docs/settings.md").read_text(encoding="utf-8")
    assert page == settings_page(), "run `make settings`"


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_a_unit_and_bounds(name: str) -> None:
    field = Settings.model_fields[name]
    assert unit_of(field)
    assert bound_of(field, "ge") is not None
    assert bound_of(field, "le") is not None


def test_a_row_has_name_default_unit_values_and_meaning() -> None:
    rows = settings_page().splitlines()
    assert "| `SUMMARIZER_SHUTDOWN_GRACE_S` | `20` | seconds | 0 to 600 |" in "\n".join(rows)
    assert "| `SUMMARIZER_WARM_UP` | `true` |  | `true`, `false` |" in "\n".join(rows)
    assert "`auto`, `cpu`, `gpu`" in "\n".join(rows)
    assert sum(row.startswith("| `SUMMARIZER_") for row in rows) == len(Settings.model_fields)

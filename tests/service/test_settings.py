from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import PREFIX, Settings


def test_the_defaults_serve_the_shipped_model_to_this_machine_only() -> None:
    settings = Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.artifact == Path("artifacts/summarizer")
    assert settings.device == "auto"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUMMARIZER_PORT", "9001")
    monkeypatch.setenv("summarizer_device", "cpu")
    assert Settings().port == 9001
    assert Settings().device == "cpu"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("SUMMARIZER_PROT", "did you mean SUMMARIZER_PORT?"), ("SUMMARIZER_XYZZYX", "is named")],
)
def test_a_typo_in_a_name_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ValidationError, match=name) as raised:
        Settings()
    assert hint in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "65536"), ("PORT", "http"), ("HOST", ""), ("DEVICE", "tpu"), ("MAX_BODY_BYTES", "9"),
     ("NUM_THREADS", "-1"), ("MAX_QUEUED_TEXTS", "0"), ("LOG_LEVEL", "loud"), ("WARM_UP", "maybe")],
)  # fmt: skip
def test_a_value_out_of_its_bounds_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    assert Settings.model_fields[name].description

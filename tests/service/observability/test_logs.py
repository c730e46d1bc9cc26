"""One JSON object a line, whoever speaks."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from service.observability.logs import FIELDS, json_formatter

PROCESS = """
import logging, warnings
from service.observability.logs import configure_logs
configure_logs("info")
import tensorflow as tf
from absl import logging as absl_logging
tf.get_logger().warning("of TensorFlow")
absl_logging.warning("of absl")
warnings.warn("of Python")
logging.getLogger("uvicorn.error").info(
    "of uvicorn %d", 7, extra={"color_message": "\\x1b[31mred\\x1b[0m"}
)
logging.getLogger("quiet").debug("unheard")
"""


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What a logger named `test` says through our renderer."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(json_formatter())
    logger = logging.getLogger("test")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.removeHandler(handler)


def line(said: io.StringIO) -> dict[str, Any]:
    (written,) = said.getvalue().splitlines()
    result: dict[str, Any] = json.loads(written)
    return result


def test_a_line_says_when_who_how_bad_and_what(said: io.StringIO) -> None:
    logging.getLogger("test").warning("it is %s", "late")
    entry = line(said)
    assert list(entry)[:3] == ["time", "level", "event"]
    assert (entry["level"], entry["event"], entry["logger"]) == ("warning", "it is late", "test")
    age = datetime.now(UTC) - datetime.fromisoformat(entry["time"])
    assert timedelta() <= age < timedelta(minutes=1)


def test_fields_are_keys_of_the_line(said: io.StringIO) -> None:
    logging.getLogger("test").info("request", extra={FIELDS: {"status": 200, "duration_ms": 1.5}})
    entry = line(said)
    assert (entry["status"], entry["duration_ms"]) == (200, 1.5)
    assert FIELDS not in entry


def test_the_ids_of_a_request_are_in_every_line_of_it(said: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1", trace_id="t1"):
        logging.getLogger("test").info("inside")
    entry = line(said)
    assert (entry["request_id"], entry["trace_id"]) == ("r1", "t1")


@pytest.mark.parametrize(
    "hostile", ["a\nb", "a\r\n{}", "\x1b[31mred", "\u2028\u2029\x85", "\ud800", "\0", '"}', "%s"]
)
def test_no_text_breaks_a_line_or_reaches_a_terminal(said: io.StringIO, hostile: str) -> None:
    logging.getLogger("test").info("said %s", hostile, extra={FIELDS: {"field": hostile}})
    assert said.getvalue().isascii()
    assert "\x1b" not in said.getvalue()
    entry = line(said)
    assert entry["event"] == f"said {hostile}"
    assert entry["field"] == hostile


def test_an_exception_is_one_line_without_the_values_of_variables(said: io.StringIO) -> None:
    def fail(text: str) -> None:
        raise RuntimeError(f"after {len(text)}")

    try:
        fail("a secret")
    except RuntimeError:
        logging.getLogger("test").exception("failed")
    entry = line(said)
    assert "RuntimeError: after 8" in entry["exception"]
    assert "secret" not in entry["exception"].replace('fail("a secret")', "")


def test_what_json_does_not_know_is_written_as_python_shows_it(said: io.StringIO) -> None:
    logging.getLogger("test").info("odd", extra={FIELDS: {"value": {1, 2}}})
    assert line(said)["value"] == "{1, 2}"


def test_every_library_speaks_json_on_stdout() -> None:
    process = subprocess.run(
        [sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True
    )
    entries = [json.loads(written) for written in process.stdout.splitlines()]
    events = [(entry["logger"], entry["event"].splitlines()[0]) for entry in entries]
    assert ("tensorflow", "of TensorFlow") in events
    assert ("absl", "of absl") in events
    assert ("uvicorn.error", "of uvicorn 7") in events
    assert any(logger == "py.warnings" and "of Python" in event for logger, event in events)
    assert "\x1b" not in process.stdout
    assert "color_message" not in process.stdout
    assert "unheard" not in process.stdout

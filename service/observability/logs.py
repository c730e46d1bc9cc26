"""Everything that the process says, as one JSON object a line on stdout."""

from __future__ import annotations

import json
import logging
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from service.observability.log_writer import LogWriter

_STDOUT = 1

FIELDS = "fields"
"""`extra={FIELDS: {...}}` of a log call adds its keys to the line."""


def configure_logs(level: str) -> LogWriter:
    """Sends the logs of all libraries, and Python's warnings, through one renderer.

    Args:
        level: The least severe messages that are logged.

    Returns:
        What writes them, and knows how many were lost.
    """
    writer = LogWriter(_STDOUT)
    writer.setFormatter(json_formatter())
    logging.basicConfig(level=level.upper(), handlers=[writer], force=True)
    logging.captureWarnings(capture=True)
    return writer


def json_formatter() -> logging.Formatter:
    """Renders a record with its time, level, logger and the ids of the request it belongs to."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _add_fields,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # Frames without their variables, which may hold a text that somebody sent.
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("event"),
            structlog.processors.JSONRenderer(serializer=_one_line),
        ],
    )


def _add_fields(_logger: Any, _method: str, event: EventDict) -> EventDict:
    fields = getattr(event["_record"], FIELDS, {})
    return {**event, **fields}


def _one_line(event: EventDict, **_: Any) -> str:
    """Pure ASCII: no character ends the line, moves a cursor or fails to be encoded."""
    first = ("time", "level", "event")
    ordered = {key: event.pop(key) for key in first if key in event}
    ordered.update(event)
    return json.dumps(ordered, default=repr)

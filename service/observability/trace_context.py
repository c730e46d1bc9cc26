"""Whose trace a request belongs to: W3C Trace Context, read strictly. Knows no logs, no metrics.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

MAX_STATE_LENGTH = 512
"""What every participant must carry; longer states are not repeated in logs."""

_MAX_STATE_MEMBERS = 32
_PARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<rest>-.*)?"
)
_KEY = r"[a-z0-9][a-z0-9_\-*/]{0,240}(?:@[a-z][a-z0-9_\-*/]{0,13})?"
_MEMBER = re.compile(
    rf"(?P<key>{_KEY})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


@dataclass(frozen=True, kw_only=True)
class TraceContext:
    """The trace of a request and our own span in it; ids are lower-case hexadecimal."""

    trace_id: str  # 32 digits
    span_id: str  # 16 digits, new for each request
    parent_id: str | None  # the caller's span; None: the trace begins here
    flags: str  # 2 digits; the last bit says that the caller records the trace
    state: str | None  # `tracestate`, if it is valid

    @property
    def header(self) -> str:
        """The trace as the value of `traceresponse`."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def trace_context(parents: Sequence[str], states: Sequence[str]) -> TraceContext:
    """The trace that a request's headers name, or a new one where they are not valid.

    Args:
        parents: Every `traceparent` header; there may be one.
        states: Every `tracestate` header; several are one list.
    """
    found = _PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if found is None or not _is_valid(found):
        return TraceContext(
            trace_id=secrets.token_hex(16),
            span_id=_new_span_id(),
            parent_id=None,
            flags="00",
            state=None,
        )
    return TraceContext(
        trace_id=found["trace"],
        span_id=_new_span_id(),
        parent_id=found["parent"],
        flags=f"{int(found['flags'], 16) & 1:02x}",  # the only bit that version 00 defines
        state=_valid_state(",".join(states)),
    )


def _is_valid(parent: re.Match[str]) -> bool:
    """A later version may say more; version 00 may not, and ff is none."""
    known = parent["version"] == "00"
    no_zeros = int(parent["trace"], 16) and int(parent["parent"], 16)
    return bool(no_zeros) and parent["version"] != "ff" and not (known and parent["rest"])


def _valid_state(value: str) -> str | None:
    members = [member for part in value.split(",") if (member := part.strip(" \t"))]
    matches = [_MEMBER.fullmatch(member) for member in members]
    keys = {match["key"] for match in matches if match}
    fits = len(value) <= MAX_STATE_LENGTH and 0 < len(members) <= _MAX_STATE_MEMBERS
    # A member that is no match or a key that comes twice makes the whole list invalid.
    return value if fits and len(keys) == len(members) else None


def _new_span_id() -> str:
    return secrets.token_hex(8)

"""What the clients of a soak ask: mostly good requests of all kinds, and some of each fault."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FAULTS = 0.05
"""The share of requests that break a rule, or whose client leaves."""

_PREDICT = "/predict"
_PAGES = ("/livez", "/readyz", "/info", "/metrics", "/openapi.json", "/docs")
_JSON = {"content-type": "application/json"}
_SHORT = 400  # characters of most texts, so that many requests fit into an hour
_LONG_SHARE = 0.05
_PAGE_SHARE, _SEVERAL_SHARE, _EXPLAIN_SHARE = 0.15, 0.1, 0.03


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request, and the route by which the service counts it."""

    route: str
    method: str = "POST"
    path: str = _PREDICT
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)
    leave_after_s: float | None = None
    raw: bool = False  # the body is all that is sent


class Traffic:
    """Draws requests; the same for a seed.

    Args:
        texts: To choose from; again and again, so that some are remembered.
        explains: Whether the service has `/explain`.
        seed: Of all that is drawn.
    """

    def __init__(self, texts: Sequence[str], *, explains: bool, seed: int = 0) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - no secret
        self._texts, self._explains = texts, explains

    def __call__(self) -> Ask:
        """The next request."""
        draw = self._draw
        if draw.random() < FAULTS:
            return draw.choice(_FAULTY)(self._text(), draw)
        kind = draw.random()
        if kind < _PAGE_SHARE:
            path = draw.choice(_PAGES)
            return Ask(route=path, method="GET", path=path, headers={})
        if self._explains and kind < _PAGE_SHARE + _EXPLAIN_SHARE:
            return _ask({"inputs": self._text()}, path="/explain")
        if kind < _PAGE_SHARE + _EXPLAIN_SHARE + _SEVERAL_SHARE:
            return _ask({"inputs": [self._text() for _ in range(draw.randint(2, 4))]})
        return _ask({"inputs": self._text(), **self._options()})

    def _text(self) -> str:
        text = self._draw.choice(self._texts)
        return text if self._draw.random() < _LONG_SHARE else text[:_SHORT].rstrip()

    def _options(self) -> dict[str, Any]:
        draw = self._draw
        options = {
            "attention": draw.choice(("sources", "sources", "matrix", "none")),
            "unit": draw.choice(("token", "word")),
            "offset_unit": draw.choice(("code_point", "utf16", "utf8")),
            "num_beams": draw.choice((1, 4, 4)),
            "key_sentences": draw.choice((0, 3)),
            "case": draw.choice(("sentence", "title")),
            "truncation": draw.choice(("lead", "lead", "select")),
        }
        # Few combinations share a batch; half of all requests leave everything open.
        return options if draw.random() < 0.5 else {}


def _ask(value: Any, path: str = _PREDICT) -> Ask:
    return Ask(route=path, path=path, body=json.dumps(value).encode())


def _malformed(text: str, draw: random.Random) -> Ask:
    body = json.dumps({"inputs": text}).encode()
    return Ask(route=_PREDICT, body=body[: draw.randrange(1, len(body))])


def _wrong(text: str, draw: random.Random) -> Ask:
    wrong = ({"num_beams": 99}, {"attention": 5}, {"surprise": True}, {"max_new_tokens": "5"})
    return _ask({"inputs": text, **draw.choice(wrong)})


def _blank(_text: str, draw: random.Random) -> Ask:
    return _ask({"inputs": draw.choice((" ", "", "\n\t", []))})


def _too_long(text: str, _draw: random.Random) -> Ask:
    return _ask({"inputs": f"{text} " * 40, "truncation": "error"})


def _too_large(text: str, _draw: random.Random) -> Ask:
    return _ask({"inputs": [text] * 33})


def _unlabelled(text: str, _draw: random.Random) -> Ask:
    return Ask(route=_PREDICT, body=json.dumps({"inputs": text}).encode(), headers={})


def _unknown(_text: str, draw: random.Random) -> Ask:
    return Ask(route="unmatched", method="GET", path=f"/{draw.randrange(10**6)}", headers={})


def _hasty(text: str, _draw: random.Random) -> Ask:
    body = json.dumps({"inputs": text + "."}).encode()
    return Ask(route=_PREDICT, body=body, headers={**_JSON, "x-request-timeout-ms": "1"})


def _leaving(text: str, draw: random.Random) -> Ask:
    body = json.dumps({"inputs": f"{text} {draw.randrange(10**6)}"}).encode()
    return Ask(route=_PREDICT, body=body, leave_after_s=draw.uniform(0.005, 0.1))


def _noise(_text: str, draw: random.Random) -> Ask:
    body = b"\x16\x03\x01" + draw.randbytes(20).replace(b"\n", b"") + b" is no HTTP\r\n\r\n"
    return Ask(route="unread", method="other", body=body, raw=True)


_FAULTY: Sequence[Callable[[str, random.Random], Ask]] = (
    *(_malformed, _wrong, _blank, _too_long, _too_large, _unlabelled, _unknown, _hasty, _noise),
    *(_leaving, _leaving, _leaving),
)

"""Answers of the service with numbers that a test chose, and a page that shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, Route

TEXT = (
    "The harbour tram opened on Monday after two years of work. It has nine stops and runs every "
    "ten minutes. Tickets cost two crowns. The council had asked for a bus at first. A second line "
    "to the hills is planned."
)
SUMMARY = "Harbour tram opened, says council"

RELEASE = (
    "The Department of Transport announced today that it will award 48 million dollars to repair "
    "120 bridges in rural counties. The grants will go to 34 counties, and most of the work is "
    "expected to begin next spring. Officials said that the oldest of the bridges was built in "
    "1921 and has been closed to heavy trucks since 2019."
)
"""What the shipped model has something to say of."""

Span = tuple[int, int] | None


def words_of(text: str) -> list[tuple[int, int]]:
    """Spans of words and marks, in UTF-16 code units."""
    found = []
    for match in re.finditer(r"\w+|[^\w\s]", text):
        start = len(text[: match.start()].encode("utf-16-le")) // 2
        end = len(text[: match.end()].encode("utf-16-le")) // 2
        found.append((start, end))
    return found


def slice16(text: str, span: Span) -> str:
    """The text of a span in UTF-16 code units."""
    if span is None:
        return ""
    return text.encode("utf-16-le")[2 * span[0] : 2 * span[1]].decode("utf-16-le", "surrogatepass")


def columns(text: str, spans: Sequence[Span], **more: Sequence[float]) -> dict[str, Any]:
    """A table of tokens as parallel lists."""
    return {
        "token": [slice16(text, span) for span in spans],
        "start": [None if span is None else span[0] for span in spans],
        "end": [None if span is None else span[1] for span in spans],
        "special": [span is None for span in spans],
        **more,
    }


def use(tokens: int, used_end: int, **changes: Any) -> dict[str, Any]:
    """What was read of a text: all of it, up to `used_end`."""
    return {
        "tokens": tokens,
        "used_tokens": tokens,
        "used_end": used_end,
        "truncated": False,
        "offset_unit": "utf16",
        "sha256": "0" * 64,
        **changes,
    }


def answer(
    text: str = TEXT,
    summary: str = SUMMARY,
    *,
    rows: Mapping[int, Mapping[int, float]] | None = None,
    end_share: float = 0.04,
    copied: Sequence[float] | None = None,
    source_spans: Sequence[Span] | None = None,
    summary_spans: Sequence[Span] | None = None,
    **prediction: Any,
) -> dict[str, Any]:
    """An answer of `/predict`: each word of the summary looks at the places that `rows` names.

    What a row leaves, `end_share` apart, is spread evenly over the text.
    """
    source = [*(source_spans or words_of(text)), None]
    written = [*(summary_spans or words_of(summary)), None]
    weights = []
    for index in range(len(written)):
        known = {**(rows or {}).get(index, {}), len(source) - 1: end_share}
        rest = (1 - sum(known.values())) / max(1, len(source) - len(known))
        weights.append([known.get(place, rest) for place in range(len(source))])
    shares = [*(copied or [0.9] * (len(written) - 1)), 0.0]
    count = len(written)
    return {
        "id": "7f3a2c1e-5b1d-4c55-9d53-0a5b8f0c2f11",
        "model": {"name": "summarizer", "version": "7", "sha256": "ab" * 32},
        "predictions": [
            {
                "summary": summary,
                "style": "headline",
                "finish_reason": "stop",
                "log_prob": -4.1,
                "candidates": [
                    {"summary": summary, "score": -1},
                    {"summary": "Other", "score": -2},
                ],
                "attention": {
                    "axes": ["summary_token", "source_token"],
                    "shape": [count, len(source)],
                    "row_semantics": "predicting",
                    "normalization": "row_sum_1",
                    "weights": weights,
                    "summary_tokens": columns(
                        summary,
                        written,
                        log_prob=[-0.5] * count,
                        copy_gate=shares,
                        copied_share=shares,
                    ),
                    "source_tokens": columns(text, source, weight=[0.0] * len(source)),
                },
                "key_sentences": [],
                "source": use(len(source), len(text.encode("utf-16-le")) // 2),
                "warnings": [],
                **prediction,
            }
        ],
        "usage": {"source_tokens": len(source), "summary_tokens": count},
    }


WORDS = [TEXT[start:end] for start, end in words_of(TEXT)]

# "Harbour" looks at "harbour" and "tram", "tram" at "tram" alone, "council" far down.
ROWS = {
    0: {WORDS.index("harbour"): 0.6, WORDS.index("tram"): 0.2},
    1: {WORDS.index("tram"): 0.9},
    5: {WORDS.index("hills"): 0.8},
}

# What the service says of a word, be it right or wrong, is what is marked.
COUNCIL = {"text": "council", "start": 26, "end": 33, "kind": "name"}
SHOWN = {"rows": ROWS, "copied": [0.9, 0.8, 0.1, 0.0, 0.2, 0.95], "unsupported_words": [COUNCIL]}
"""What `answer` is asked for where a test has nothing else to show."""


def explained(text: str, summary: str, *explanations: Mapping[str, Any]) -> dict[str, Any]:
    """An answer of `/explain`."""
    attention = answer(text, summary)["predictions"][0]["attention"]
    return {
        "id": "x",
        "predictions": [
            {
                "summary": summary,
                "summary_tokens": attention["summary_tokens"],
                "source_units": attention["source_tokens"],
                "explanations": [*explanations],
            }
        ],
    }


@contextmanager
def answering(page: Page, body: Mapping[str, Any], path: str = "predict") -> Iterator[list[Any]]:
    """The route answers with `body` meanwhile; yields what it was asked."""
    asked: list[Any] = []

    def fulfil(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or "null"))
        route.fulfill(json=body)

    page.route(f"**/{path}", fulfil)
    yield asked
    page.unroute(f"**/{path}")


def without_explanations(page: Page) -> None:
    """A service that explains nothing, as older ones are."""

    def drop(route: Route) -> None:
        response = route.fetch()
        info = response.json()
        info.pop("explanations", None)
        route.fulfill(response=response, json=info)

    page.route("**/info", drop)


def summarize(page: Page, text: str = TEXT) -> None:
    """Types a text, asks, and waits for the answer."""
    page.locator("#style option").first.wait_for(state="attached")
    if not page.locator("#compose").evaluate("fold => fold.open"):
        page.locator("#compose > summary").click()
    page.locator("#text").fill(text)
    with page.expect_response("**/predict"):
        page.locator("#submit").click()
    page.locator("#submit:not([aria-busy])").wait_for(state="attached")
    page.locator("#result").wait_for()


def show(page: Page, text: str = TEXT, **answered: Any) -> None:
    """The page, showing an answer that a test made."""
    with answering(page, answer(text, **answered)):
        summarize(page, text)

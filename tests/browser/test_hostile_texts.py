"""Texts that would like to be more than text, in every field; and rare characters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.answers import answer, answering, lit, show, slice16, summarize, words_of
from tests.browser.conftest import Watched, assert_clean

HOSTILE = [
    '<script>document.title = "lost"</script>',
    '</script><img src="https://other.example/x" onerror="document.title = 1">',
    "<!-- <script> --!> the rest",
    "one\u2028two\u2029three \u0085four",
    "a \u202edesrever\u202c word, \u2067isolated",
    "{{constructor.constructor('x')()}} ${document.title = 'lost'} javascript:alert(1)",
    "\u0000 \u0001 \ufffe \U0001f600 \u200bnothing",
]


@pytest.fixture(scope="module")
def watched(browser: Browser, port: int) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.set_default_timeout(15_000)
    watched = Watched(page, f"http://127.0.0.1:{port}")
    watched.open("/")
    yield watched
    assert_clean(watched)
    page.close()


def explained(text: str, summary: str, name: str) -> dict[str, Any]:
    """An answer of `/explain` with the hostile text in all that is shown of it."""
    attention = answer(text, summary)["predictions"][0]["attention"]
    row = {"token": text, "start": 0, "end": 5, "score": 1.5}
    return {
        "id": "x",
        "predictions": [
            {
                "summary": summary,
                "summary_tokens": attention["summary_tokens"],
                "source_units": attention["source_tokens"],
                "explanations": [
                    {
                        "method": name,
                        "unit": text,
                        "target": None,
                        "rows": [row],
                        "evidence": {"measured": False, "phrase": text},
                    }
                ]
                * 2,
            }
        ],
    }


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_stays_text_in_every_field(watched: Watched, hostile: str) -> None:
    page = watched.page
    text = f"The council said: {hostile} on Monday. It said so again."
    summary = f"Council {hostile}"
    fields = {
        "candidates": [{"summary": summary, "score": -1}, {"summary": hostile, "score": -2}],
        "key_sentences": [{"text": hostile, "start": 0, "end": 7, "score": 0.5}],
        "warnings": [hostile],
    }
    with answering(page, explained(text, summary, "source_reliance"), "explain"):
        show(page, text, summary=summary, **fields)
        page.get_by_label("Method", exact=True).select_option("source_reliance")
        expect(page.locator(".phrase")).to_be_visible()
    page.locator("attention-view .line .word").first.click()
    page.locator("attention-view details summary", has_text="Table").click()
    page.get_by_label("with the text in it").check()
    page.get_by_role("button", name="Make a link").click()
    assert page.title() == "attention-summarizer"
    shadow = "document.querySelector('attention-view').shadowRoot"
    counts = page.evaluate(
        f"[document.querySelectorAll('img, iframe, object').length, document.scripts.length,"
        f" {shadow}.querySelectorAll('script, img, iframe').length]"
    )
    assert counts == [0, 1, 0]
    shown = page.locator("attention-view .text").evaluate("pane => pane.textContent")
    assert shown == text
    assert page.locator("attention-view .line").evaluate("line => line.textContent") == summary
    assert hostile in page.locator("#warnings").evaluate("list => list.textContent")
    page.locator("attention-view details summary", has_text="Table").click()


def test_a_reversing_text_does_not_turn_the_sentence_about_it(watched: Watched) -> None:
    show(watched.page, "The \u202eevil word\u202c of the town stands here.", summary="\u202eevil")
    watched.page.locator("attention-view .line .word").nth(1).hover()
    said = watched.page.locator("attention-view .saying").inner_text()
    assert "\u202e" not in said


def test_a_hostile_link_is_text_too(watched: Watched) -> None:
    page = watched.page
    page.goto("about:blank")
    page.goto(
        f"{watched.address}/#style=%3Cscript%3E&t=9-999999999&m=%22%3E&text=!!&unit=__proto__"
    )
    page.locator("#style option").first.wait_for(state="attached")
    assert page.locator("#style").input_value() == "headline"
    expect(page.locator("#result")).to_be_hidden()


@pytest.mark.parametrize(
    "text",
    [
        "The \U0001f468\u200d\U0001f469\u200d\U0001f467 family of cafe\u0301 owners went.",
        "Flags \U0001f1e9\U0001f1f0 and \U0001f1f3\U0001f1f4 hung side by side in the town hall.",
        "\u05e9\u05dc\u05d5\u05dd, \u4f60\u597d and \u0928\u092e\u0938\u094d\u0924\u0947.",
        "Line one\r\nline\u00a0two\tand \ufeffthree \ufb01ne \u00bd.",
    ],
)
def test_rare_characters_light_exactly(watched: Watched, port: int, text: str) -> None:
    """What lights up is what the service's own offsets in UTF-16 say."""
    page = watched.page
    text = text.replace("\r\n", "\n")  # as a form's field does
    for unit in ("word", "token"):
        page.locator("#unit").evaluate("(select, unit) => (select.value = unit)", unit)
        request = {"inputs": text, "unit": unit, "offset_unit": "utf16", "attention": "matrix"}
        response = httpx.post(f"http://127.0.0.1:{port}/predict", json=request).raise_for_status()
        summarize(page, text)
        source = response.json()["predictions"][0]["attention"]["source_tokens"]
        spans = [
            (start, end)
            for start, end in dict.fromkeys(zip(source["start"], source["end"], strict=True))
            if start is not None and end > start
        ]
        words = page.locator("attention-view .source .word").evaluate_all(
            "words => words.map(word => word.textContent)"
        )
        assert words == [slice16(text, span) for span in spans]
        shown = page.locator("attention-view .text").evaluate("pane => pane.textContent")
        assert shown == text
    page.locator("#unit").evaluate("select => (select.value = 'word')")


def test_an_emoji_of_four_tokens_lights_as_one(watched: Watched) -> None:
    text = "A \U0001f600 smile in the old town hall."
    emoji = (2, 4)
    spans = [(0, 1), emoji, emoji, emoji, *[span for span in words_of(text) if span[0] > 4]]
    show(
        watched.page, text, summary="Smile", source_spans=spans, rows={0: {1: 0.3, 2: 0.3, 3: 0.3}}
    )
    watched.page.locator("attention-view .line .word").first.hover()
    assert lit(watched.page)["\U0001f600"] == 1
    expect(watched.page.locator("attention-view .saying")).to_contain_text("90\u00a0%")


def test_the_policy_holds_in_the_browser(watched: Watched) -> None:
    refused = watched.page.evaluate(
        """() => new Promise((resolve) => {
          const seen = [];
          document.addEventListener("securitypolicyviolation", (event) => {
            seen.push(event.effectiveDirective);
            if (seen.length === 3) resolve(seen.sort());
          });
          const style = document.createElement("style");
          style.append("body { display: none }");
          document.head.append(style);
          const image = new Image();
          image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
          fetch("https://other.example/").catch(() => null);
        })"""
    )
    assert refused == ["connect-src", "img-src", "style-src-elem"]
    with pytest.raises(Exception, match="TrustedHTML"):
        watched.page.evaluate("document.body.innerHTML = '<b>x</b>'")
    watched.faults.clear()
    watched.requested[:] = [url for url in watched.requested if "other.example" not in url]


def test_no_page_of_another_site_can_frame_it(watched: Watched) -> None:
    page: Page = watched.page
    response = page.request.get(f"{watched.address}/")
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]

"""Texts that would like to be more than text, in every field; and rare characters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.answers import (
    SUMMARY,
    TEXT,
    answer,
    answering,
    explained,
    show,
    slice16,
    summarize,
    words_of,
)
from tests.browser.conftest import Watched, watching
from tests.browser.view import lit, place, said, section, word

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
    with watching(browser, port, viewport={"width": 1100, "height": 900}) as watched:
        watched.open("/")
        yield watched


def assert_nothing_became_more_than_text(page: Page) -> None:
    """No element and no script that the page does not have itself."""
    assert page.title() == "attention-summarizer"
    shadow = "document.querySelector('attention-view').shadowRoot"
    counts = page.evaluate(
        f"[document.querySelectorAll('img, iframe, object').length, document.scripts.length,"
        f" {shadow}.querySelectorAll('script, img, iframe').length]"
    )
    assert counts == [0, 1, 0]


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
    reliance = {
        "method": "source_reliance",
        "unit": text,
        "target": None,
        "rows": [{"token": text, "start": 0, "end": 5, "score": 1.5}],
        "evidence": {"measured": False, "phrase": text},
    }
    with answering(page, explained(text, summary, reliance, reliance), "explain"):
        show(page, text, summary=summary, **fields)
        page.get_by_label("Method", exact=True).select_option("source_reliance")
        expect(page.locator(".phrase")).to_be_visible()
    word(page, 0).click()
    page.locator("attention-view details summary", has_text="Table").click()
    page.get_by_label("with the text in it").check()
    page.get_by_role("button", name="Make a link").click()
    assert_nothing_became_more_than_text(page)
    shown = page.locator("attention-view .text").evaluate("pane => pane.textContent")
    assert shown == text
    assert page.locator("attention-view .line").evaluate("line => line.textContent") == summary
    assert hostile in page.locator("#warnings").evaluate("list => list.textContent")
    page.locator("attention-view details summary", has_text="Table").click()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_stays_text_in_what_the_service_says_of_itself(
    browser: Browser, port: int, tmp_path: Path, hostile: str
) -> None:
    def describe(route: Route) -> None:
        response = route.fetch()
        info = response.json()
        info["model"] |= {"name": hostile, "version": hostile, "styles": ["headline", hostile]}
        info["explanations"]["refused"] = [{"method": hostile, "reason": hostile}]
        route.fulfill(response=response, json=info)

    with watching(browser, port) as watched:
        page = watched.page
        page.route("**/info", describe)
        watched.open("/")
        show(page)
        assert page.locator("#style option").last.text_content() == hostile.replace("_", " ")
        assert hostile in str(page.locator("#model").text_content())
        expect(section(page, "Method").locator(".note", has_text="Not offered")).to_have_count(1)

        with (
            answering(page, answer(summary=hostile)),
            answering(page, explained(TEXT, SUMMARY), "explain"),
        ):
            page.get_by_role("button", name="Strike it out").click()
            new = section(page, "Remove and see").locator(".quote.new")
            new.wait_for()
        assert new.text_content() == hostile

        file = tmp_path / "hostile.txt"
        file.write_text(hostile, encoding="utf-8")
        page.locator("#file").set_input_files(file)
        page.locator("#status:not(:empty)").wait_for()
        problem = {"detail": hostile, "title": hostile, "error_type": hostile}
        page.route("**/predict", lambda route: route.fulfill(status=422, json=problem))
        page.locator("#compose").evaluate("fold => (fold.open = true)")
        page.locator("#text").fill("A text.")
        page.locator("#submit").click()
        page.locator("#problem:not(:empty)").wait_for()
        assert page.locator("#problem").text_content() == f"No summary: {hostile}."
        assert_nothing_became_more_than_text(page)


def test_a_reversing_text_does_not_turn_the_sentence_about_it(watched: Watched) -> None:
    show(watched.page, "The \u202eevil word\u202c of the town stands here.", summary="\u202eevil")
    word(watched.page, 1).hover()
    assert "\u202e" not in said(watched.page)


def test_a_hostile_link_is_text_too(browser: Browser, port: int) -> None:
    with watching(browser, port) as reader:
        page = reader.open("/#style=%3Cscript%3E&t=9-999999999&m=%22%3E&text=!!&unit=__proto__")
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


@pytest.mark.parametrize(
    "letters",
    [
        "\U0001f600",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family, joined
        "\U0001f1e9\U0001f1f0",  # a flag
        "e\u0301\u0323",  # a letter with two combining marks
        "\u0915\u094d\u0937\u093f",  # a cluster of Devanagari
    ],
)
def test_what_looks_like_one_character_lights_as_one_and_alone(
    watched: Watched, letters: str
) -> None:
    """Its pieces, the tokens of its bytes, have one span, and it has neighbours."""
    page = watched.page
    text = f"A x{letters}y smile in the old town hall."
    end = 3 + len(letters.encode("utf-16-le")) // 2
    one = (3, end)
    spans = [(0, 1), (2, 3), one, one, one, (end, end + 1)]
    spans += [span for span in words_of(text) if span[0] > end + 1]
    for summary, count in (("Smile", 1), (f"{letters} smile", 2)):
        written = [(0, len(summary) if count == 1 else end - 3), *words_of(summary)[-1:]][:count]
        show(
            page,
            text,
            summary=summary,
            source_spans=spans,
            summary_spans=written,
            rows={0: {2: 0.3, 3: 0.3, 4: 0.3}},
        )
        word(page, 0).click()
        bars = lit(page)
        assert bars.pop(letters) == 1
        assert all(bar < 0.2 for bar in bars.values())
        assert "90 %" in said(page)
        page.keyboard.press("Escape")
        places = page.locator("attention-view .source .word").all_text_contents()
        place(page, places.index(letters)).click()
        lit_line = lit(page, ".line")
        assert lit_line[summary if count == 1 else letters] == 1


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

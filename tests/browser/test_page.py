"""The page at `/` over the shipped model: what a person does with it, from text to link."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.answers import RELEASE as TEXT
from tests.browser.answers import answer, answering, summarize, without_explanations
from tests.browser.conftest import Watched, showing, watching
from tests.browser.view import lit, place, section, word, words


@pytest.fixture(scope="module")
def watched(browser: Browser, shipped_port: int) -> Iterator[Watched]:
    with showing(browser, shipped_port, TEXT) as watched:
        yield watched


@pytest.fixture
def page(watched: Watched) -> Page:
    """The same page again and again; it shows an answer of the shipped model."""
    if not words(watched.page).count():
        summarize(watched.page, TEXT)
    return watched.page


def line(page: Page) -> str:
    return page.locator("attention-view .line").inner_text()


def asked(page: Page, action: Any) -> dict[str, Any]:
    """What the page asks `/predict` for in the course of an action."""
    with page.expect_request("**/predict") as request:
        action()
    body: dict[str, Any] = json.loads(request.value.post_data or "")
    return body


def test_a_text_becomes_a_line_whose_words_light_the_text(page: Page) -> None:
    assert 3 <= len(line(page).split()) <= 40
    word(page, 0).hover()
    assert lit(page)
    expect(page.locator("attention-view .line .word.copied").first).to_be_visible()
    expect(page.locator("#about-text")).to_have_text(f"{len(TEXT)} characters")
    expect(page.locator("#model")).to_contain_text("Model summarizer")


def test_style_length_capitals_and_reading_are_asked_for(page: Page) -> None:
    page.locator("#compose").evaluate("fold => (fold.open = true)")
    page.locator("#style").select_option(index=1)
    for name, value in (("length", "short"), ("case", "title"), ("truncation", "select")):
        page.locator(f"#{name}").select_option(value)
    body = asked(page, page.locator("#submit").click)
    assert body["style"] == page.locator("#style").input_value()
    assert body["case"] == "title"
    assert body["truncation"] == "select"
    assert body["length_penalty"] == 0
    assert body["max_new_tokens"] <= 16
    assert (body["attention"], body["offset_unit"], body["unit"]) == ("matrix", "utf16", "word")
    assert body["inputs"] == TEXT
    expect(page.locator("#compose")).not_to_have_attribute("open", "")
    page.locator("#compose").evaluate("fold => (fold.open = true)")
    page.locator("#length").select_option("long")
    body = asked(page, page.locator("#submit").click)
    assert body["min_new_tokens"] >= 16
    assert body["length_penalty"] == 3
    assert "max_new_tokens" not in body
    for name, value in (("length", "usual"), ("case", "sentence"), ("truncation", "lead")):
        page.locator(f"#{name}").evaluate("(field, value) => (field.value = value)", value)
    page.locator("#style").evaluate("field => (field.selectedIndex = 1)")


def test_light_falls_on_pieces_of_words_if_asked(page: Page) -> None:
    body = asked(page, lambda: page.locator("#unit").select_option("token"))
    assert body["unit"] == "token"
    asked(page, lambda: page.locator("#unit").select_option("word"))


def test_key_sentences_are_found_in_the_text(page: Page) -> None:
    listed = section(page, "Key sentences").locator("li")
    assert 1 <= listed.count() <= 3
    sentence = listed.last.locator(".quote").inner_text()
    assert sentence in TEXT
    listed.last.get_by_role("button", name="Show in the text").click()
    expect(page.locator("attention-view .sentence.best")).to_have_text(sentence)


def test_a_candidate_is_shown_with_its_own_attention(page: Page) -> None:
    listed = section(page, "Candidates").locator("li")
    first, second = (listed.nth(index).locator(".quote").inner_text() for index in (0, 1))
    listed.nth(1).get_by_role("button", name="Look at it").click()
    expect(page.locator("attention-view .line")).to_have_text(second)
    assert lit(page)
    listed.nth(0).get_by_role("button", name="Look at it").click()
    expect(page.locator("attention-view .line")).to_have_text(first)


def test_a_method_stands_beside_its_evidence(page: Page) -> None:
    part = section(page, "Method")
    phrases = {
        entry["method"]: entry["phrase"]
        for entry in page.request.get(page.url.split("#")[0] + "info").json()["explanations"][
            "methods"
        ]
    }
    chosen = part.get_by_label("Method", exact=True)
    for name in ("copy_split", "leave_one_out", "source_reliance", "attention"):
        if name not in phrases:
            continue
        chosen.select_option(name)
        expect(part.locator(".phrase")).to_have_text(phrases[name])
        expect(part.locator(".note").first).to_have_text(re.compile("easured on"))
        if name == "copy_split":
            expect(page.locator("attention-view .ledger")).to_contain_text("generated")
        if name == "leave_one_out":
            expect(page.locator("attention-view .saying")).to_contain_text("nats")


def test_the_attention_is_put_to_the_test_on_this_text(page: Page) -> None:
    page.get_by_role("button", name="Test the attention on this text").click()
    expect(section(page, "Method")).to_contain_text(
        re.compile(r"five words most looked at.* changes by .*nats; without five random words by")
    )


def test_remove_and_see(page: Page) -> None:
    part = section(page, "Remove and see")
    place(page, 0).click()
    body = asked(page, lambda: page.keyboard.press("Delete"))
    assert body["inputs"] == TEXT[TEXT.index(". ") + 1 :]
    expect(page.locator("attention-view .sentence.struck")).to_have_count(1)
    expect(part.locator(".quote.new")).not_to_be_empty()
    rows = part.get_by_role("row")
    expect(rows).to_have_count(1 + len(re.findall(r"\S+", line(page))))
    expect(rows.first).to_have_text("WordBeforeAfterNats")
    changes = [rows.nth(index).get_by_role("cell").all_inner_texts() for index in (1, 2, 3)]
    assert all(re.fullmatch(r"(under )?\d+\u00a0%", share) for row in changes for share in row[:2])
    assert any(before != after for before, after, _ in changes)
    assert any(float(nats.replace("−", "-")) < -0.5 for *_, nats in changes)
    part.get_by_role("button", name="Put all back").click()
    expect(page.locator("attention-view .sentence.struck")).to_have_count(0)
    expect(part.get_by_role("table")).to_have_count(0)
    page.keyboard.press("Escape")


def test_a_link_holds_no_text_unless_asked(page: Page, browser: Browser, shipped_port: int) -> None:
    word(page, 1).click()
    word(page, 2).click(modifiers=["Shift"])
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("#link")).to_have_value(re.compile("t=1-2"))
    bare = page.locator("#link").input_value()
    assert "text=" not in bare
    page.get_by_label("with the text in it").check()
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("#link")).to_have_value(re.compile("text="))
    full = page.locator("#link").input_value()
    assert "Transport" not in full

    with watching(browser, shipped_port) as reader:
        reader.page.goto(bare)
        expect(reader.page.locator("#status")).to_contain_text("holds no text")
        expect(reader.page.locator("#result")).to_be_hidden()
    with watching(browser, shipped_port) as reader:
        other = reader.page
        other.set_default_timeout(60_000)
        # What browsers have known for a year or two only.
        other.add_init_script("delete Uint8Array.prototype.toBase64; delete Uint8Array.fromBase64")
        with other.expect_request("**/predict") as request:
            other.goto(full)
        assert "#" not in request.value.url
        chosen = other.locator("attention-view .line [aria-selected=true]")
        expect(chosen).to_have_count(2)
        assert other.locator("attention-view .text").inner_text() == TEXT
        other.get_by_label("with the text in it").check()
        other.get_by_role("button", name="Make a link").click()
        expect(other.locator("#link")).to_have_value(full)
    page.get_by_label("with the text in it").uncheck()


def test_a_link_of_another_model_says_so_and_chooses_no_words(
    page: Page, browser: Browser, shipped_port: int
) -> None:
    page.locator("#compose").evaluate("fold => (fold.open = true)")
    page.locator("#length").select_option("short")
    with page.expect_response("**/predict"):
        page.get_by_role("button", name="Summarize").click()
    expect(page.locator("#submit")).not_to_have_attribute("aria-busy", "true")
    page.get_by_label("with the text in it").check()
    word(page, 1).click()
    page.locator("#compose").evaluate("fold => (fold.open = true)")
    page.locator("#length").select_option("usual")  # of the next text, not of the one that is shown
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("#link")).to_have_value(re.compile("length=short.*t=1-1"))
    link = page.locator("#link").input_value()
    other_model = re.sub(r"model=\w+", "model=another", link)
    with watching(browser, shipped_port) as reader:
        reader.page.goto(re.sub(r"&?text=[^&]*", "", other_model))
        expect(reader.page.locator("#status")).to_contain_text("holds no text")
    with watching(browser, shipped_port) as reader:
        reader.page.set_default_timeout(60_000)
        reader.page.goto(other_model)
        expect(reader.page.locator("#status")).to_contain_text("The link is of model another")
        expect(reader.page.locator("#length")).to_have_value("short")
        expect(reader.page.locator("attention-view .line [aria-selected=true]")).to_have_count(0)
    page.get_by_label("with the text in it").uncheck()


def test_what_is_asked_before_the_model_is_there_is_answered_when_it_is(
    browser: Browser, shipped_port: int
) -> None:
    with watching(browser, shipped_port) as early:
        page = early.page
        page.set_default_timeout(60_000)
        problem = json.dumps({"detail": "the model is loading", "error_type": "not-ready"})
        page.route("**/info", lambda route: route.fulfill(status=503, body=problem))
        early.open("/")
        expect(page.locator("#status")).to_contain_text("Waiting for the model")
        page.get_by_role("button", name="Try an example").click()
        page.unroute("**/info")
        expect(page.locator("attention-view .line .word").first).to_be_visible()
        assert all("/info" in fault for fault in early.faults)  # the 503 of this test
        early.faults.clear()


def test_every_letter_comes_back_out_of_a_link(page: Page) -> None:
    text = (
        "".join(chr(point) for point in range(32, 3000) if chr(point).isprintable()) + "\U0001f600"
    )
    came_back = page.evaluate(
        """async (text) => {
          const { linkOf, stateOf } = await import("./static/web/asides.js");
          const link = await linkOf({ t: "1-2" }, text);
          return { link, state: await stateOf(new URL(link).hash) };
        }""",
        text,
    )
    assert came_back["state"] == {"t": "1-2", "text": text}
    assert re.fullmatch(r"[\w.~:/#&=-]+", came_back["link"], flags=re.ASCII)


def test_a_text_that_no_link_can_hold_is_refused_in_words(page: Page) -> None:
    numbers = random.Random(0)
    large = "".join(chr(numbers.randrange(0x4E00, 0x9FFF)) for _ in range(60_000))
    with answering(page, answer(large, source_spans=[(0, 5)])):
        summarize(page, large)
    page.get_by_label("with the text in it").check()
    page.get_by_role("button", name="Make a link").click()
    note = section(page, "Link").get_by_role("status")
    expect(note).to_have_text("No link: the text is too long for a link.")
    page.get_by_label("with the text in it").uncheck()
    summarize(page, TEXT)


def test_a_text_can_be_pasted_or_dropped(page: Page) -> None:
    page.locator("#compose").evaluate("fold => (fold.open = true)")
    field = page.locator("#text")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('Pasted\\ntext.')")
    field.fill("")
    field.press("Control+V")
    expect(field).to_have_value("Pasted\ntext.")
    field.fill("")
    heading, within = page.locator("h1"), {"x": 20, "y": 15}
    heading.click(click_count=3, position=within)
    heading.drag_to(field, source_position=within)
    expect(field).to_have_value(re.compile("One line, and where it looked"))
    page.evaluate("getSelection().empty()")
    field.evaluate("(field, text) => (field.value = text)", TEXT)


def test_a_file_can_be_dropped_or_opened(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("A note about the tram.", encoding="utf-8")
    page.locator("#file").set_input_files(file)
    expect(page.locator("#text")).to_have_value("A note about the tram.")
    page.locator("#form").evaluate(
        """form => {
          const data = new DataTransfer();
          data.items.add(new File(["Dropped text."], "x.txt", { type: "text/plain" }));
          form.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
        }"""
    )
    expect(page.locator("#text")).to_have_value("Dropped text.")
    page.locator("#text").evaluate("(field, text) => (field.value = text)", TEXT)


def test_warnings_say_what_they_mean(page: Page) -> None:
    named = [
        "very_short_input",
        "not_english",
        "low_confidence",
        "unsupported_words",
        "legal_status",
    ]
    with answering(page, answer(TEXT, warnings=named)):
        summarize(page, TEXT)
    expect(page.locator("#warnings li")).to_have_count(5)
    expect(page.locator("#warnings")).to_contain_text(
        "a name or a number that the text does not have"
    )
    summarize(page, TEXT)


def test_a_refusal_is_told_in_the_words_of_the_service(page: Page) -> None:
    page.locator("#compose").evaluate("fold => (fold.open = true)")
    page.locator("#text").fill("   ")
    page.locator("#submit").click()
    expect(page.locator("#problem")).to_contain_text("inputs must hold text")
    page.locator("#text").fill(TEXT)


def test_a_matrix_that_is_too_large_is_shown_in_short(page: Page) -> None:
    problem = {"detail": "too large", "error_type": "attention-too-large"}

    def refuse(route: Route) -> None:
        if '"matrix"' in (route.request.post_data or ""):
            route.fulfill(status=422, json=problem)
        else:
            route.continue_()

    page.route("**/predict", refuse)
    summarize(page, TEXT)
    page.unroute("**/predict")
    expect(page.locator("attention-view .saying")).to_contain_text("elsewhere or on the end mark")
    summarize(page, TEXT)


def test_without_explanations_nothing_is_offered_that_needs_them(
    browser: Browser, shipped_port: int
) -> None:
    with watching(browser, shipped_port) as watched:
        page = watched.page
        page.set_default_timeout(60_000)
        without_explanations(page)
        watched.open("/")
        summarize(page, TEXT)
        for heading in ("Candidates", "Remove and see", "Key sentences", "Link"):
            expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        expect(page.get_by_role("heading", name="Method", exact=True)).to_have_count(0)
        expect(page.get_by_role("button", name="Look at it")).to_have_count(0)
        page.get_by_role("button", name="Strike it out").click()
        expect(page.locator(".quote.new")).not_to_be_empty()
        expect(section(page, "Remove and see").get_by_role("table")).to_have_count(0)
        assert not any(url.endswith("/explain") for url in watched.requested)

"""The methods of `/explain` on the page, over the shipped version and what was measured of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.answers import RELEASE, summarize
from tests.browser.conftest import Watched, showing, watching
from tests.browser.view import lit, place, said, section, word, words


@pytest.fixture(scope="module")
def watched(browser: Browser, shipped_port: int) -> Iterator[Watched]:
    with showing(browser, shipped_port, RELEASE) as watched:
        yield watched


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


@pytest.fixture(scope="module")
def offered(watched: Watched) -> dict[str, Any]:
    """What the service says of its methods."""
    return offered_by(watched)


def offered_by(watched: Watched) -> dict[str, Any]:
    info = watched.page.request.get(f"{watched.address}/info").json()
    found: dict[str, Any] = info["explanations"]
    return found


def part(page: Page) -> Locator:
    return section(page, "Method")


def choose(page: Page, offered: dict[str, Any], method: str) -> dict[str, Any]:
    """Chooses a method, waits until it is shown, and gives what the service says of it."""
    known = {entry["method"]: entry for entry in offered["methods"]}
    part(page).get_by_label("Method", exact=True).select_option(method)
    expect(part(page).locator(".phrase")).to_have_text(known[method]["phrase"])
    chosen: dict[str, Any] = known[method]
    return chosen


def test_the_choice_is_what_the_service_offers(page: Page, offered: dict[str, Any]) -> None:
    options = part(page).get_by_label("Method", exact=True).locator("option")
    values = options.evaluate_all("options => options.map(option => option.value)")
    assert values == [entry["method"] for entry in offered["methods"]]


@pytest.mark.parametrize("method", ["attention", "copy_split"])
def test_the_evidence_stands_beside_the_method(
    page: Page, offered: dict[str, Any], method: str
) -> None:
    measured = choose(page, offered, method)["measured"]
    note = part(page).locator(".answer .note").first
    if not measured:
        expect(note).to_have_text(re.compile("Not measured on this model"))
        return
    expect(note).to_have_text(re.compile(r"Measured on \d+ texts of up to 512 tokens\."))
    for figure in ("Comprehensiveness", "Of the best order", "Tau by sentence", "Tau by word"):
        expect(note).to_have_text(re.compile(rf"{figure} −?\d\.\d\d \(−?\d\.\d\d to −?\d\.\d\d\)"))
    for baseline in ("random", "lead", "position"):
        expect(note).to_have_text(re.compile(rf"More than {baseline} by −?\d\.\d\d at least"))


def test_what_failed_is_named_with_its_reason_and_not_offered(
    page: Page, offered: dict[str, Any]
) -> None:
    refused = offered["refused"]
    notes = part(page).locator(".note", has_text="Not offered")
    expect(notes).to_have_count(len(refused))
    names = {"leave_one_out": "leave one out", "ablation": "random removals"}
    for index, entry in enumerate(refused):
        name = names.get(entry["method"], entry["method"])
        expect(notes.nth(index)).to_have_text(f"Not offered: {name}; {entry['reason']}.")


def test_a_refusal_is_shown_whatever_this_version_has(browser: Browser, shipped_port: int) -> None:
    def refuse(route: Route) -> None:
        response = route.fetch()
        info = response.json()
        failed = [{"method": "ablation", "reason": "it failed <b>its</b> test"}]
        kept = [entry for entry in info["explanations"]["methods"] if entry["method"] != "ablation"]
        info["explanations"] |= {"refused": failed, "methods": kept}
        route.fulfill(response=response, json=info)

    with watching(browser, shipped_port) as watched:
        page = watched.page
        page.route("**/info", refuse)
        watched.open("/")
        summarize(page, RELEASE)
        expect(part(page).locator(".note", has_text="Not offered")).to_have_text(
            "Not offered: random removals; it failed <b>its</b> test."
        )
        values = part(page).locator("option").evaluate_all("all => all.map(one => one.value)")
        assert "ablation" not in values


def test_an_exact_share_is_told_of_one_word_only(page: Page, offered: dict[str, Any]) -> None:
    phrase = choose(page, offered, "copy_split")["phrase"]
    assert "exactly" not in said(page)
    if not phrase.startswith("exactly"):
        return
    word(page, 0).click()
    found = re.search(
        r"exactly (\d+) % of this word's probability was copied from here", said(page)
    )
    assert found
    assert 0 <= int(found[1]) <= 100
    words(page).nth(2).click(modifiers=["Shift"])
    assert "exactly" not in said(page)
    page.keyboard.press("Escape")


def test_reliance_is_told_of_words_of_the_line(page: Page, offered: dict[str, Any]) -> None:
    if not any(entry["method"] == "source_reliance" for entry in offered["methods"]):
        return
    choose(page, offered, "source_reliance")
    scores = part(page).locator(".tight li")
    expect(scores).to_have_text([re.compile(r"\d\.\d\d.nats$")] * scores.count())
    assert scores.count() >= 3
    choose(page, offered, "attention")


def test_the_gradient_lights_words_and_is_of_what_is_chosen(
    browser: Browser, unmeasured_port: int
) -> None:
    with showing(browser, unmeasured_port, RELEASE) as unmeasured:
        page = unmeasured.page
        word(page, 0).click()
        with page.expect_request("**/explain") as request:
            choose(page, offered_by(unmeasured), "gradient")
        assert '"target":{"start":0,' in (request.value.post_data or "")
        expect(part(page).locator(".answer .note").first).to_have_text(
            re.compile("Not measured on this model")
        )
        page.get_by_role("button", name="Clear").click()
        bars = lit(page)
        assert max(bars.values()) == 1
        expect(page.locator("attention-view .ledger")).to_contain_text("Full bar: ")
        expect(page.locator("attention-view .ledger")).not_to_contain_text("elsewhere")
        expect(page.locator("attention-view .saying")).to_contain_text("highest for")
        for method in ("gradient", "source_reliance", "leave_one_out"):
            assert "looked" not in choose(page, offered_by(unmeasured), method)["phrase"]


def test_self_attention_lights_the_text_from_a_word_of_it(
    page: Page, offered: dict[str, Any]
) -> None:
    with page.expect_request("**/explain") as request:
        choose(page, offered, "self_attention")
    assert '"layer":0,"head":0' in (request.value.post_data or "")
    expect(page.locator("attention-view .saying")).to_contain_text("Choose a word of the text")
    with page.expect_response("**/explain") as response:
        part(page).get_by_label("Layer").fill(str(offered["num_layers"]))
        part(page).get_by_label("Layer").press("Tab")
    last = f'"layer":{offered["num_layers"] - 1},"head":0'
    assert last in (response.value.request.post_data or "")
    expect(part(page).locator(".phrase")).to_be_visible()
    place(page, 1).hover()
    saying = page.locator("attention-view .saying")
    expect(saying).to_have_text(re.compile("^From “\u2068?Department\u2069?” the encoder looked"))
    assert 1 <= len(lit(page)) <= 5
    assert max(lit(page).values()) == 1
    page.mouse.move(5, 5)
    choose(page, offered, "attention")
    expect(saying).to_contain_text("looked mainly at")

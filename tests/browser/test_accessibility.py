"""axe on the page in every state and theme, keyboard order, reflow, and pictures for a person."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.answers import RELEASE, TEXT, answering, summarize
from tests.browser.conftest import keep_picture, watching
from tests.browser.pictures import colour
from tests.browser.view import place, section, word

# axe's rules for WCAG 2.2 A and AA, and what it calls best practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPTIONS = {"runOnly": {"type": "tag", "values": RULES}}

THEMES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced": {"forced_colors": "active"},
    "narrow": {"viewport": {"width": 320, "height": 800}},
    "narrow-dark": {"viewport": {"width": 320, "height": 800}, "color_scheme": "dark"},
    "wide": {"viewport": {"width": 2560, "height": 1300}},
}


@pytest.fixture(scope="module", params=list(THEMES))
def themed(
    request: pytest.FixtureRequest, browser: Browser, shipped_port: int
) -> Iterator[tuple[str, Page]]:
    with watching(browser, shipped_port, **THEMES[request.param]) as watched:
        watched.open("/")
        yield request.param, watched.page
        # axe tries styles of its own, which the page's policy refuses.
        watched.faults[:] = [fault for fault in watched.faults if "inline style" not in fault]


def hue(*rgb: int) -> float:
    """In degrees."""
    return 360 * colorsys.rgb_to_hsv(*rgb)[0]


def assert_no_violations(page: Page) -> None:
    results = Axe().run(page, options=OPTIONS)
    found = [
        {"rule": violation["id"], "where": [node["target"] for node in violation["nodes"]]}
        for violation in results.response["violations"]
    ]
    assert found == [], json.dumps(found, indent=1)


def assert_no_sideways_scroll(page: Page) -> None:
    wide, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= room


def test_axe_finds_nothing_in_the_form(themed: tuple[str, Page]) -> None:
    name, page = themed
    page.locator("#style option").first.wait_for(state="attached")
    assert_no_sideways_scroll(page)
    keep_picture(page, f"page-form-{name}")
    if name == "light":
        assert_no_violations(page)


def test_axe_finds_nothing_in_an_answer(themed: tuple[str, Page]) -> None:
    name, page = themed
    summarize(page, TEXT)
    page.locator(".phrase").wait_for()
    word(page, 1).click()
    keep_picture(page, f"page-view-{name}")
    page.locator("attention-view details summary", has_text="Table").click()
    page.get_by_role("button", name="Strike it out").click()
    page.locator(".answer .new").wait_for()
    page.get_by_role("button", name="Make a link").click()
    assert_no_violations(page)
    assert_no_sideways_scroll(page)
    rows = page.locator("attention-view tbody tr").evaluate_all(
        "rows => rows.map(row => row.getBoundingClientRect().height)"
    )
    assert max(rows) < 200  # five places, a line each
    keep_picture(page, f"page-answer-{name}", full_page=True)
    place(page, 1).focus()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert_no_violations(page)


@pytest.mark.parametrize("themed", ["light", "dark"], indirect=True)
def test_axe_finds_nothing_in_any_method(themed: tuple[str, Page]) -> None:
    _, page = themed
    summarize(page, RELEASE)
    part = section(page, "Method")
    choice = part.get_by_label("Method", exact=True)
    part.locator(".phrase").wait_for()
    for method in choice.locator("option").evaluate_all("all => all.map(one => one.value)"):
        with page.expect_response("**/explain"):
            choice.select_option(method)
        part.locator(".phrase").wait_for()
        assert_no_violations(page)
    part.get_by_role("button", name="Test the attention on this text").click()
    part.get_by_text("five words most looked at").wait_for()
    assert_no_violations(page)


@pytest.mark.parametrize("themed", ["light", "narrow"], indirect=True)
def test_nothing_is_lost_where_text_has_more_room(themed: tuple[str, Page]) -> None:
    """Spacing of WCAG 2.2, 1.4.12."""
    _, page = themed
    summarize(page, RELEASE)
    cut_off = page.evaluate(
        """() => {
          const { shadowRoot } = document.querySelector("attention-view");
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: 0.12em !important;
            word-spacing: 0.16em !important } p { margin-bottom: 2em !important }`);
          for (const root of [document, shadowRoot]) root.adoptedStyleSheets = [sheet];
          const all = [document, shadowRoot].flatMap((root) =>
            [...root.querySelectorAll("button, label, p, li, h1, h2, h3, th, td, summary")]);
          return all.filter((element) => element.clientWidth > 0 && element.offsetWidth > 1
            && element.scrollWidth > element.clientWidth + 1).map((element) => element.outerHTML);
        }"""
    )
    assert cut_off == []
    assert_no_sideways_scroll(page)
    page.evaluate(
        """() => {
          const { shadowRoot } = document.querySelector("attention-view");
          for (const root of [document, shadowRoot]) root.adoptedStyleSheets = [];
        }"""
    )


@pytest.mark.parametrize("themed", ["light"], indirect=True)
def test_axe_finds_nothing_in_a_complaint(themed: tuple[str, Page]) -> None:
    _, page = themed
    with answering(page, {}):
        page.locator("#compose").evaluate("fold => (fold.open = true)")
        page.locator("#text").fill("x" * 20)
        page.locator("#submit").click()
        page.locator("#problem:not(:empty)").wait_for()
    assert_no_violations(page)


def test_every_control_shows_its_focus(themed: tuple[str, Page]) -> None:
    _, page = themed
    page.locator("#compose").evaluate("fold => (fold.open = true)")
    page.locator(".skip").focus()
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => {
              let element = document.activeElement;
              while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
              if (!element || element === document.body) return null;
              const outlined = element.closest(".file") ?? element;
              const style = getComputedStyle(outlined);
              const box = outlined.getBoundingClientRect();
              return [element.tagName, style.outlineStyle, parseFloat(style.outlineWidth),
                box.width > 0 && box.bottom > 0 && box.top < innerHeight];
            }"""
        )
        if focused is None:
            break
        tag, style, width, is_in_view = focused
        seen.add(tag)
        assert style != "none", focused
        assert width >= 2, focused
        assert is_in_view, focused
    assert {"SUMMARY", "TEXTAREA", "SELECT", "BUTTON", "CANVAS", "SPAN", "A"} <= seen


def test_light_keeps_contrast_in_every_step(themed: tuple[str, Page]) -> None:
    name, page = themed
    ratios = page.evaluate(
        """() => {
          const style = getComputedStyle(document.documentElement);
          const canvas = document.createElement("canvas").getContext("2d");
          const luminance = (colour) => {
            canvas.fillStyle = style.getPropertyValue(colour);
            canvas.fillRect(0, 0, 1, 1);
            const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((byte) => {
              const part = byte / 255;
              return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ink = luminance("--ink");
          const steps = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((step) => luminance(`--light-${step}`));
          const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          return {
            text: steps.map((step) => ratio(step, ink)),
            bar: ratio(luminance("--mark"), luminance("--raised")),
            copied: ratio(luminance("--copied-ink"), luminance("--paper")),
            steps,
          };
        }"""
    )
    assert min(ratios["text"]) >= 4.5
    assert ratios["bar"] >= 3
    assert ratios["copied"] >= 3
    if name == "forced":
        return
    steps = ratios["steps"]
    assert steps in (sorted(steps), sorted(steps, reverse=True))
    assert len(set(steps)) == 9
    hues = [hue(*colour(page, f"light-{step}")) for step in range(1, 10)]
    assert max(hues) - min(hues) < 15  # degrees

"""axe on the page in every state and theme, keyboard order, reflow, and pictures for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.answers import TEXT, answering, summarize
from tests.browser.conftest import Watched, assert_clean
from tests.browser.test_docs_pages import keep_picture

# axe's rules for WCAG 2.2 A and AA, and what it calls best practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPTIONS = {"runOnly": {"type": "tag", "values": RULES}}

THEMES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced": {"forced_colors": "active"},
    "narrow": {"viewport": {"width": 320, "height": 800}},
}


@pytest.fixture(scope="module", params=list(THEMES))
def themed(
    request: pytest.FixtureRequest, browser: Browser, shipped_port: int
) -> Iterator[tuple[str, Page]]:
    context = browser.new_context(
        **({"viewport": {"width": 1280, "height": 1000}} | THEMES[request.param])
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    watched = Watched(page, f"http://127.0.0.1:{shipped_port}")
    watched.open("/")
    yield request.param, page
    # axe and the camera try styles of their own, which the page's policy refuses.
    watched.faults[:] = [fault for fault in watched.faults if "inline style" not in fault]
    assert_clean(watched)
    context.close()


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
    page.locator("attention-view .line .word").nth(1).click()
    page.locator("attention-view details summary", has_text="Table").click()
    page.get_by_role("button", name="Strike it out").click()
    page.locator(".answer .new").wait_for()
    page.get_by_role("button", name="Make a link").click()
    assert_no_violations(page)
    assert_no_sideways_scroll(page)
    keep_picture(page, f"page-answer-{name}")
    page.locator("attention-view .source .word").nth(1).focus()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert_no_violations(page)


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
    if name != "forced":
        steps = ratios["steps"]
        assert steps in (sorted(steps), sorted(steps, reverse=True))
        assert len(set(steps)) == 9

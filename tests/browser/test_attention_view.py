"""`<attention-view>`: what it says and marks, long texts, and standing alone."""

from __future__ import annotations

import json
import os
import re

import pytest
from playwright.sync_api import Browser, Page, expect

from service.routes.web import POLICY
from tests.browser.answers import (
    ROWS,
    SHOWN,
    SUMMARY,
    TEXT,
    WORDS,
    answer,
    show,
    use,
    without_explanations,
    words_of,
)
from tests.browser.conftest import FLAGS, watching
from tests.browser.pictures import colour, has_colour, seen, tall
from tests.browser.view import chosen, lit, place, said, settle, word

LONG = (
    TEXT
    + " "
    + " ".join(
        f"Sentence number {number} tells of a stop at which nobody waits." for number in range(60)
    )
)
STOP_59 = [LONG[start:end] for start, end in words_of(LONG)].index("59")


# ---------------------------------------------------------------------------------- what is seen


def test_light_is_painted_as_a_ground_and_as_a_bar_whose_height_is_the_value(page: Page) -> None:
    word(page, 0).click()
    mark, most, least = (colour(page, name) for name in ("mark", "light-9", "light-3"))
    bars = {}
    for name, ground in (("harbour", most), ("tram", least)):
        painted = seen(place(page, WORDS.index(name)))
        bars[name] = tall(painted[:, 3], mark)
        assert has_colour(painted[:18], ground).mean() > 0.3  # the rest are letters
        assert not has_colour(painted[:-2, 9], mark).any()  # a bar is no ground
    assert bars["harbour"] == pytest.approx(13, abs=1)  # its whole room
    assert bars["tram"] == pytest.approx(13 / 3, abs=1)
    word(page, 1).click()
    dark = seen(place(page, WORDS.index("nine")))
    assert not has_colour(dark, mark).any()
    assert not has_colour(dark, most).any()


def test_what_was_copied_fills_the_room_under_a_word(page: Page) -> None:
    ink = colour(page, "copied-ink")
    filled = {index: tall(seen(word(page, index))[:, 8], ink) for index in (0, 1, 2, 3, 5)}
    # 7 px are all of it; of what was generated a dotted line shows below.
    assert filled[0] == pytest.approx(1 + 0.9 * 6, abs=1)
    assert filled[5] == pytest.approx(1 + 0.95 * 6, abs=1)
    assert max(filled[2], filled[3]) <= 1
    dots = seen(word(page, 3))[-6:]
    assert has_colour(dots, colour(page, "edge")).any()
    assert not has_colour(dots, ink).any()


def test_the_choice_is_painted_otherwise_than_light(page: Page) -> None:
    word(page, 2).click()
    accent = colour(page, "accent")
    assert has_colour(seen(word(page, 2)), accent).mean() > 0.3
    assert has_colour(seen(word(page, 2)), colour(page, "on-accent")).any()
    assert not has_colour(seen(word(page, 1)), accent).any()


# ---------------------------------------------------------------------------------- what is said


def test_a_polite_live_sentence_tells_of_the_choice(page: Page) -> None:
    expect(page.locator("attention-view .saying")).to_have_attribute("aria-live", "polite")
    word(page, 0).hover()
    assert said(page) == (
        "“Harbour”, 1 of 6, 90 % copied: looked mainly at “harbour” (60 %), “tram” (20 %) "
        "and “The” (under 1 %), mostly in sentence 1; 5 % elsewhere, 4 % on the end mark."
    )


def test_the_shares_elsewhere_and_on_the_end_mark_are_always_stated(page: Page) -> None:
    for index in range(6):
        word(page, index).hover()
        settle(page)
        ledger = page.locator("attention-view .ledger").inner_text().replace("\u00a0", " ")
        assert re.search(
            r"\d % on lit words\s+(under 1|\d+) % elsewhere\s+4 % on the end mark", ledger
        )
        assert "Full bar: " in ledger


def test_a_full_bar_can_be_all_attention(page: Page) -> None:
    page.get_by_label("A full bar is").select_option("all")
    word(page, 0).hover()
    assert lit(page)["harbour"] == pytest.approx(0.6, abs=0.01)
    expect(page.locator("attention-view .ledger")).to_contain_text("Full bar: 100")
    page.get_by_label("A full bar is").select_option("row")


def test_copied_and_generated_words_differ_by_line_and_pattern(page: Page) -> None:
    styles = [
        word(page, index).evaluate(
            "w => { const s = getComputedStyle(w);"
            " return [s.borderBottomStyle, s.backgroundSize, s.getPropertyValue('--copied')] }"
        )
        for index in (0, 3)
    ]
    assert [style[0] for style in styles] == ["solid", "dashed"]
    assert [style[2] for style in styles] == ["0.9", "0"]
    heights = [re.findall(r"100% calc\(([\d.]+)|100% ([\d.]+)px", style[1])[0] for style in styles]
    assert heights[0] != heights[1]


def test_words_that_the_text_does_not_have_are_marked(page: Page) -> None:
    # "says" is not in the text either, and is no matter of the service's rule.
    marked = page.locator("attention-view .line .word.unsupported").all_inner_texts()
    assert marked == ["council"]
    decoration = word(page, 5).evaluate("w => getComputedStyle(w).textDecorationStyle")
    assert decoration == "wavy"
    word(page, 5).hover()
    assert "a name that the text does not have" in said(page)


def test_nothing_claims_more_than_looking(page: Page) -> None:
    everything = page.locator("body").inner_text() + said(page)
    assert "because" not in everything.lower()
    for notice in (page.locator("header"), page.locator("attention-view .notice")):
        expect(notice).to_contain_text("Machine-written, check names.")


# ---------------------------------------------------------------------------------- long texts


def test_the_best_sentence_scrolls_into_view_and_the_strip_shows_it(page: Page) -> None:
    show(page, LONG, rows={0: {STOP_59: 0.9}, 1: {0: 0.9}})
    source = page.locator("attention-view .source")
    assert source.evaluate("s => s.scrollTop") == 0
    word(page, 0).click()
    page.wait_for_function(
        "() => { const root = document.querySelector('attention-view').shadowRoot;"
        " const pane = root.querySelector('.source').getBoundingClientRect();"
        " const lit = root.querySelector('.source .word[data-light=\"27\"]');"
        " const word = lit.getBoundingClientRect();"
        " return word.top >= pane.top && word.bottom <= pane.bottom }"
    )
    strongest = (
        "const c = document.querySelector('attention-view').shadowRoot.querySelector('.overview');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " const middle = (y) => d[4 * (y * c.width + (c.width >> 1)) + 3];"
        " const row = [...Array(c.height).keys()].map(middle);"
        " const at = row.lastIndexOf(Math.max(...row.slice(2, -2))) / c.height;"
    )
    page.wait_for_function(f"() => {{ {strongest} return at > 0.9 }}")
    box = page.locator("attention-view canvas.overview").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 10, box["y"] + 2)
    page.wait_for_function(
        "() => document.querySelector('attention-view').shadowRoot"
        ".querySelector('.source').scrollTop < 20"
    )
    word(page, 1).click()
    page.wait_for_function(f"() => {{ {strongest} return at < 0.1 }}")


def test_the_text_scrolls_where_it_is_pointed_at_or_focused_and_else_is_cut_off(
    page: Page,
) -> None:
    show(page, LONG, rows={})
    page.mouse.move(5, 5)  # away from the button, in whose place the text is now
    source = page.locator("attention-view .source")
    word(page, 0).focus()
    before = place(page, 3).bounding_box()
    expect(source).to_have_css("overflow", "hidden")
    source.hover()
    expect(source).to_have_css("overflow-y", "auto")
    assert place(page, 3).bounding_box() == before
    page.mouse.wheel(0, 400)
    page.wait_for_function(
        "() => document.querySelector('attention-view').shadowRoot"
        ".querySelector('.source').scrollTop === 400"
    )
    source.hover(position={"x": 4, "y": 60})  # beside the words, where a drag marks text
    page.mouse.down()
    page.mouse.move(5, 5)
    expect(source).to_have_css("overflow-y", "auto")
    page.mouse.up()
    expect(source).to_have_css("overflow-y", "hidden")
    assert source.evaluate("s => s.scrollTop") == 400
    place(page, 3).focus()
    expect(source).to_have_css("overflow-y", "auto")


def test_a_scroll_bar_that_is_held_scrolls_beside_the_text_too(browser: Browser, port: int) -> None:
    with (
        browser.browser_type.launch(
            executable_path=os.environ["CHROMIUM"],
            args=FLAGS,
            ignore_default_args=["--hide-scrollbars"],
        ) as with_bars,
        watching(with_bars, port) as watched,
    ):
        page = watched.page
        without_explanations(page)
        watched.open("/")
        show(page, LONG, rows={})
        page.mouse.move(5, 5)
        source = page.locator("attention-view .source")
        expect(source).to_have_css("overflow", "hidden")
        width = source.evaluate("s => s.clientWidth")
        source.scroll_into_view_if_needed()
        box = source.bounding_box()
        assert box is not None
        right, top = box["x"] + box["width"], box["y"]
        source.hover()
        assert source.evaluate("s => s.clientWidth") == width  # its room is kept
        page.mouse.move(right - 7, top + 30)
        page.mouse.down()
        page.mouse.move(right + 80, top + 60, steps=3)
        first = source.evaluate("s => s.scrollTop")
        page.mouse.move(right + 80, top + 120, steps=3)
        assert 0 < first < source.evaluate("s => s.scrollTop")
        page.mouse.up()
        page.mouse.move(5, 5)
        expect(source).to_have_css("overflow-y", "hidden")


def test_a_choice_is_lit_at_once_and_followed_unless_another_comes(page: Page) -> None:
    show(page, LONG, rows={0: {STOP_59: 0.9}, 1: {0: 0.9}})
    at_once = page.evaluate(
        """() => {
          const view = document.querySelector("attention-view");
          const source = view.shadowRoot.querySelector(".source");
          window.told = [];
          view.addEventListener("attention-select", ({ detail }) => window.told.push(detail.from));
          window.tops = [];
          source.addEventListener("scroll", () => window.tops.push(source.scrollTop));
          view.select(0);
          const lit = source.querySelector("[data-light]").textContent;
          view.select(1);
          return lit;
        }"""
    )
    assert at_once == "59"
    assert "looked mainly at “The”" in said(page)
    page.wait_for_timeout(500)  # a smooth scroll would be under way
    assert page.evaluate("[window.told, window.tops]") == [[1], []]
    page.evaluate("document.querySelector('attention-view').select(0)")
    page.wait_for_function("() => window.tops.length > 0")
    assert "looked mainly at “59”" in said(page)


def test_what_follows_a_choice_is_not_said_of_the_next_answer(page: Page) -> None:
    show(page, **SHOWN)
    page.evaluate(
        """() => {
          const view = document.querySelector("attention-view");
          const { reading, prediction } = view;
          const { attention } = prediction;
          const weights = attention.weights.map((row) => row.map((_, at) => Number(at === 0)));
          view.clear();
          view.data = {
            text: reading.text, prediction: { ...prediction, attention: { ...attention, weights } },
          };
        }"""
    )
    assert said(page).startswith("The whole line: looked mainly at “The” (100 %)")
    show(page, **SHOWN)


def test_the_cut_of_a_long_text_is_drawn(page: Page) -> None:
    end = TEXT.index(" Tickets")
    spans = [span for span in words_of(TEXT) if span[1] <= end]
    source = use(300, end, used_tokens=120, truncated=True)
    show(page, source_spans=spans, source=source, warnings=["truncated"])
    cut = page.locator("attention-view .cut")
    expect(cut).to_have_text("reading stopped here")
    unread = page.locator("attention-view .unread").all_inner_texts()
    assert "".join(unread).startswith("Tickets")
    assert page.locator("attention-view .text").inner_text().count("The harbour tram") == 1
    note = page.locator("attention-view .cut-note")
    expect(note).to_contain_text("only its beginning was read, 120 of 300 tokens")
    expect(page.locator("#warnings li")).to_have_text("Only a part of the text was read.")


def test_of_a_selection_what_was_not_read_is_pale(page: Page) -> None:
    second = TEXT.index("It has"), TEXT.index(" Tickets")
    passages = [{"start": 0, "end": second[0] - 1}, {"start": second[1] + 1, "end": len(TEXT)}]
    spans = [span for span in words_of(TEXT) if not second[0] <= span[0] < second[1]]
    source = use(300, len(TEXT), used_tokens=120, truncated=True, passages=passages)
    show(page, source_spans=spans, source=source)
    assert "".join(page.locator("attention-view .unread").all_inner_texts()).strip() == (
        "It has nine stops and runs every ten minutes."
    )
    expect(page.locator("attention-view .cut")).to_have_count(0)


def test_the_short_form_of_an_answer_is_shown_too(page: Page) -> None:
    (start, end), (first, last) = words_of(TEXT)[1], words_of(SUMMARY)[0]
    entry = {
        "token": "Harbour",
        "start": first,
        "end": last,
        "log_prob": -0.5,
        "copy_gate": 0.9,
        "copied_share": 0.9,
        "sources": [{"token": "harbour", "start": start, "end": end, "weight": 0.7}],
        "rest": 0.3,
    }
    show(page, attention=[entry])
    assert lit(page) == {"harbour": 1}
    assert "30 % elsewhere or on the end mark" in said(page)
    show(page, **SHOWN)


# ---------------------------------------------------------------------------------- embedding


EMBEDDING = """<!doctype html><html lang="en"><title>x</title>
<script type="module" src="/static/web/attention-view.js"></script>
<attention-view><script type="application/json">%s</script></attention-view></html>"""


def test_the_element_can_stand_alone_with_its_answer_in_the_markup(
    browser: Browser, port: int
) -> None:
    data = {"text": TEXT, "prediction": answer(rows=ROWS)["predictions"][0]}
    headers = {"Content-Security-Policy": POLICY, "Content-Type": "text/html"}
    markup = EMBEDDING % json.dumps(data).replace("<", "\\u003c")
    with watching(browser, port) as watched:
        page = watched.page
        page.route("**/embedded", lambda route: route.fulfill(body=markup, headers=headers))
        watched.open("/embedded")
        assert said(page).startswith("The whole line: looked mainly at “tram”")
        for given in ("1, 2", "2, 1"):
            heard = page.evaluate(
                f"""() => new Promise((resolve) => {{
                  const view = document.querySelector("attention-view");
                  const heard = (event) => resolve(event.detail);
                  view.addEventListener("attention-select", heard, {{ once: true }});
                  view.select({given});
                }})"""
            )
            assert heard == {"side": "summary", "from": 1, "to": 2, "isPinned": True, "sentence": 0}
            assert chosen(page) == ["tram", "opened"]


def test_a_hover_touches_only_the_words_that_change(page: Page) -> None:
    """A word that stays dark is left alone: with a thousand of them it would cost a frame."""
    show(page, LONG, rows={0: {1: 0.9}, 1: {2: 0.9}})
    word(page, 0).hover()
    touched = page.evaluate(
        """() => {
          const root = document.querySelector("attention-view").shadowRoot;
          const text = root.querySelector(".text");
          const seen = new Set();
          const observer = new MutationObserver(() => {});
          observer.observe(text, { attributes: true, childList: true, subtree: true });
          const second = root.querySelectorAll(".line .word")[1];
          second.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, composed: true }));
          observer.takeRecords().forEach((f) => seen.add(f.target));
          return [...seen].map((element) => element.textContent);
        }"""
    )
    assert {"harbour", "tram"} <= set(touched)
    assert len(touched) <= 2 * 64 + 2
    show(page, **SHOWN)

"""`<attention-view>` under pointer, keys and touch, with weights that the tests choose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from service.routes.web import POLICY
from tests.browser.answers import SUMMARY, TEXT, answer, lit, show, without_explanations, words_of
from tests.browser.conftest import Watched, assert_clean

WORDS = [TEXT[start:end] for start, end in words_of(TEXT)]
LONG = (
    TEXT
    + " "
    + " ".join(
        f"Sentence number {number} tells of a stop at which nobody waits." for number in range(60)
    )
)
LONG_WORDS = [LONG[start:end] for start, end in words_of(LONG)]
HILLS = WORDS.index("hills")
STOP_59 = LONG_WORDS.index("59")

# "Harbour" looks at "harbour" and "tram", "tram" at "tram" alone, "council" far down.
ROWS = {
    0: {WORDS.index("harbour"): 0.6, WORDS.index("tram"): 0.2},
    1: {WORDS.index("tram"): 0.9},
    5: {HILLS: 0.8},
}


# What the service says of a word, be it right or wrong, is what is marked.
COUNCIL = {"text": "council", "start": 26, "end": 33, "kind": "name"}
SHOWN = {"rows": ROWS, "copied": [0.9, 0.8, 0.1, 0.0, 0.2, 0.95], "unsupported_words": [COUNCIL]}


@pytest.fixture(scope="module")
def shown(browser: Browser, port: int) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(15_000)
    watched = Watched(page, f"http://127.0.0.1:{port}")
    without_explanations(page)
    watched.open("/")
    show(page, **SHOWN)
    yield watched
    assert_clean(watched)
    page.close()


@pytest.fixture
def page(shown: Watched) -> Page:
    page = shown.page
    page.mouse.move(5, 5)
    page.get_by_role("button", name="Clear").evaluate("button => button.click()")
    return page


def word(page: Page, index: int) -> Locator:
    return page.locator("attention-view .line .word").nth(index)


def place(page: Page, index: int) -> Locator:
    return page.locator("attention-view .source .word").nth(index)


def said(page: Page) -> str:
    text = page.locator("attention-view .saying").inner_text()
    return re.sub("[\u2068\u2069]", "", text).replace("\u00a0", " ")


def chosen(page: Page, pane: str = ".line") -> list[str]:
    return page.locator(f"attention-view {pane} [aria-selected=true]").all_inner_texts()


# ---------------------------------------------------------------------------------- pointer


def test_at_first_the_whole_line_is_shown(page: Page) -> None:
    assert said(page).startswith("The whole line: looked mainly at “tram”")
    assert chosen(page) == []
    assert lit(page)


def test_hovering_a_word_lights_its_sources_in_place_by_bar_and_step(page: Page) -> None:
    word(page, 0).hover()
    bars = lit(page)
    assert bars["harbour"] == 1
    assert bars["tram"] == pytest.approx(0.2 / 0.6, abs=0.01)
    steps = [int(place(page, i).get_attribute("data-light") or 0) for i in (1, 2)]
    assert steps == [27, 9]
    word(page, 1).hover()
    assert lit(page)["tram"] == 1
    assert "harbour" not in lit(page)


def test_light_stays_when_the_pointer_leaves(page: Page) -> None:
    word(page, 1).hover()
    page.mouse.move(5, 5)
    assert chosen(page) == ["tram"]


def test_click_pins_and_escape_clears(page: Page) -> None:
    word(page, 0).click()
    word(page, 1).hover()
    assert chosen(page) == ["Harbour"]
    page.keyboard.press("Escape")
    assert chosen(page) == []
    word(page, 2).hover()
    assert chosen(page) == ["opened"]


def test_a_second_click_unpins(page: Page) -> None:
    word(page, 0).click()
    word(page, 0).click()
    assert chosen(page) == []


def test_dragging_chooses_a_span_and_averages_its_rows(page: Page) -> None:
    word(page, 0).hover()
    page.mouse.down()
    word(page, 1).hover()
    page.mouse.up()
    assert chosen(page) == ["Harbour", "tram"]
    assert "“tram” (55 %), “harbour” (30 %)" in said(page)
    word(page, 4).hover()
    assert chosen(page) == ["Harbour", "tram"]


def test_shift_click_chooses_a_span(page: Page) -> None:
    word(page, 1).click()
    word(page, 3).click(modifiers=["Shift"])
    assert chosen(page) == ["tram", "opened", ","]


def test_hovering_a_source_word_lights_the_words_that_looked_at_it(page: Page) -> None:
    place(page, WORDS.index("tram")).hover()
    bars = lit(page, ".line")
    assert bars["tram"] == 1
    assert bars["Harbour"] == pytest.approx(0.2 / 0.9, abs=0.02)
    assert said(page).startswith(
        "“tram” in sentence 1: looked at by “tram” (90 %), “Harbour” (20 %)"
    )
    page.keyboard.press("Escape")


def test_with_a_word_pinned_the_text_tells_single_numbers(page: Page) -> None:
    word(page, 0).click()
    place(page, WORDS.index("tram")).hover()
    assert chosen(page) == ["Harbour"]
    expect(page.locator("attention-view .probe")).to_have_text(re.compile("tram.*: 20\u00a0%"))


def test_a_tap_lights_and_pins(browser: Browser, port: int) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 800}, has_touch=True)
    page = context.new_page()
    without_explanations(page)
    page.goto(f"http://127.0.0.1:{port}/")
    show(page, rows=ROWS)
    word(page, 1).tap()
    assert chosen(page) == ["tram"]
    word(page, 0).tap()
    assert chosen(page) == ["Harbour"]
    size = page.get_by_role("button", name="Clear").bounding_box()
    assert size is not None
    assert size["height"] >= 44
    context.close()


# ---------------------------------------------------------------------------------- keys


def test_the_line_and_the_text_are_one_tab_stop_each(page: Page) -> None:
    for pane in (".line", ".source"):
        stops = page.locator(f"attention-view {pane} [tabindex='0']")
        expect(stops).to_have_count(1)
    word(page, 0).focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "unit"


def test_focus_lights_and_arrows_go_by_words(page: Page) -> None:
    word(page, 0).focus()
    assert chosen(page) == ["Harbour"]
    page.keyboard.press("ArrowRight")
    assert chosen(page) == ["tram"]
    page.keyboard.press("End")
    assert chosen(page) == ["council"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert chosen(page) == ["says"]
    page.keyboard.press("Home")
    assert chosen(page) == ["Harbour"]


def test_shift_arrows_choose_a_span(page: Page) -> None:
    word(page, 0).focus()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert chosen(page) == ["Harbour", "tram", "opened"]
    page.keyboard.press("Shift+ArrowLeft")
    assert chosen(page) == ["Harbour", "tram"]
    page.keyboard.press("ArrowRight")
    assert chosen(page) == ["opened"]


def test_enter_pins_for_the_keyboard(page: Page) -> None:
    word(page, 0).focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    place(page, 0).focus()
    assert chosen(page) == ["Harbour"]
    page.keyboard.press("ArrowRight")
    expect(page.locator("attention-view .probe")).to_have_text(re.compile("harbour.*: 60\u00a0%"))
    page.keyboard.press("Escape")
    assert chosen(page) == []


def test_in_the_text_control_and_arrows_go_by_sentences(page: Page) -> None:
    place(page, 0).focus()
    page.keyboard.press("Home")
    page.keyboard.press("Control+ArrowRight")
    assert chosen(page, ".source") == ["It"]
    page.keyboard.press("ArrowDown")
    assert chosen(page, ".source") == ["Tickets"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert chosen(page, ".source") == ["Tickets"]
    page.keyboard.press("Control+ArrowLeft")
    assert chosen(page, ".source") == ["It"]


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
        ledger = page.locator("attention-view .ledger").inner_text().replace("\u00a0", " ")
        assert re.search(
            r"\d % on lit words\s+(under 1|\d+) % elsewhere\s+4 % on the end mark", ledger
        )
        assert "Full bar: " in ledger


def test_a_full_bar_can_be_all_attention(page: Page) -> None:
    page.get_by_label("A full bar is").select_option("all")
    word(page, 0).hover()
    assert lit(page)["harbour"] == pytest.approx(0.6, abs=0.01)
    assert "Full bar: 100" in page.locator("attention-view .ledger").inner_text()
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
    painted = (
        "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " const middle = (y) => d[4 * (y * c.width + (c.width >> 1)) + 3];"
        " const row = [...Array(c.height).keys()].map(middle);"
        " return row.lastIndexOf(Math.max(...row.slice(2, -2))) / c.height }"
    )
    strip = page.locator("attention-view canvas.overview")
    assert strip.evaluate(painted) > 0.9
    box = strip.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 10, box["y"] + 2)
    page.wait_for_function(
        "() => document.querySelector('attention-view').shadowRoot"
        ".querySelector('.source').scrollTop < 20"
    )
    word(page, 1).click()
    assert strip.evaluate(painted) < 0.1


def test_the_cut_of_a_long_text_is_drawn(page: Page) -> None:
    end = TEXT.index(" Tickets")
    spans = [span for span in words_of(TEXT) if span[1] <= end]
    source = {
        "tokens": 300,
        "used_tokens": 120,
        "used_end": end,
        "truncated": True,
        "offset_unit": "utf16",
        "sha256": "0" * 64,
    }
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
    source = {
        "tokens": 300,
        "used_tokens": 120,
        "used_end": len(TEXT),
        "truncated": True,
        "passages": passages,
        "offset_unit": "utf16",
        "sha256": "0" * 64,
    }
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


# ---------------------------------------------------------------------------------- matrix, table


def test_the_matrix_has_a_cursor_for_keys(page: Page) -> None:
    matrix = page.locator("attention-view canvas.cells")
    matrix.focus()
    probe = page.locator("attention-view .probe")
    expect(probe).to_have_text(re.compile("Harbour.*The.*: under 1"))
    page.keyboard.press("ArrowRight")
    expect(probe).to_have_text(re.compile("Harbour.*harbour.*: 60\u00a0%"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(probe).to_have_text(re.compile("tram.*tram.*: 90\u00a0%"))
    page.keyboard.press("End")
    expect(probe).to_have_text(re.compile("tram.*the end mark: 4\u00a0%"))
    page.keyboard.press("Enter")
    assert chosen(page) == ["tram"]
    page.keyboard.press("Escape")
    assert chosen(page) == []


def test_the_matrix_has_the_colour_of_each_weight(page: Page) -> None:
    pixels = page.locator("attention-view canvas.cells").evaluate(
        "(c, columns) => { const k = c.width / c.clientWidth, step = c.width / columns;"
        " const at = (row, column) => c.getContext('2d').getImageData("
        "  (column + 0.5) * step, (14 + 18 * (row + 0.5)) * k, 1, 1).data[3];"
        " return [at(0, 1), at(0, 2), at(0, 5), at(1, 2)] }",
        len(WORDS) + 1,
    )
    assert pixels[3] > pixels[0] > pixels[1] > pixels[2]


def test_the_matrix_goes_by_sentences_and_zooms(page: Page) -> None:
    page.get_by_label("Columns are").select_option("sentence")
    page.locator("attention-view canvas.cells").focus()
    page.keyboard.press("Home")
    expect(page.locator("attention-view .probe")).to_have_text(re.compile("Harbour.*sentence 1: 8"))
    page.get_by_label("Columns are").select_option("word")
    before = page.locator("attention-view canvas.cells").evaluate("c => c.clientWidth")
    page.get_by_role("button", name="Larger").click()
    assert page.locator("attention-view canvas.cells").evaluate("c => c.clientWidth") == 2 * before
    page.get_by_role("button", name="Smaller").click()


def test_the_same_stands_in_a_table(page: Page) -> None:
    page.locator("attention-view summary", has_text="Table").click()
    table = page.get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(
        ["Word", "Copied", "Log probability", "Looked at most", "Elsewhere", "On the end mark"]
    )
    row = table.get_by_role("row").nth(1)
    expect(row.get_by_role("rowheader")).to_have_text("Harbour")
    expect(row).to_contain_text("harbour 60\u00a0%, sentence 1")
    expect(table.get_by_role("row")).to_have_count(7)
    page.locator("attention-view summary", has_text="Table").click()


# ---------------------------------------------------------------------------------- embedding


EMBEDDING = """<!doctype html><html lang="en"><title>x</title>
<script type="module" src="/static/web/attention-view.js"></script>
<attention-view><script type="application/json">%s</script></attention-view></html>"""


def test_the_element_can_stand_alone_with_its_answer_in_the_markup(
    browser: Browser, port: int
) -> None:
    page = browser.new_page()
    watched = Watched(page, f"http://127.0.0.1:{port}")
    data = {"text": TEXT, "prediction": answer(rows=ROWS)["predictions"][0]}
    headers = {"Content-Security-Policy": POLICY, "Content-Type": "text/html"}
    markup = EMBEDDING % json.dumps(data).replace("<", "\\u003c")
    page.route("**/embedded", lambda route: route.fulfill(body=markup, headers=headers))
    watched.open("/embedded")
    assert said(page).startswith("The whole line: looked mainly at “tram”")
    heard = page.evaluate(
        """() => new Promise((resolve) => {
          const view = document.querySelector("attention-view");
          view.addEventListener("attention-select", (event) => resolve(event.detail));
          view.select(1, 2);
        })"""
    )
    assert heard == {"side": "summary", "from": 1, "to": 2, "isPinned": True, "sentence": 0}
    assert chosen(page) == ["tram", "opened"]
    assert_clean(watched)
    page.close()


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

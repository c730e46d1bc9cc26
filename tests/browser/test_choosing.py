"""Words of the line and of the text under pointer, touch and keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.answers import ROWS, WORDS, show, without_explanations
from tests.browser.conftest import watching
from tests.browser.view import chosen, lit, place, said, word

TRAM = WORDS.index("tram")


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


def test_dragging_backwards_chooses_the_same_span(page: Page) -> None:
    word(page, 1).hover()
    page.mouse.down()
    word(page, 0).hover()
    page.mouse.up()
    assert chosen(page) == ["Harbour", "tram"]
    assert "“tram” (55 %), “harbour” (30 %)" in said(page)


def test_a_drag_that_turns_round_ends_where_it_was_let_go(page: Page) -> None:
    word(page, 2).hover()
    page.mouse.down()
    for index, span in (
        (4, ["opened", ",", "says"]),
        (3, ["opened", ","]),
        (2, ["opened"]),
        (0, ["Harbour", "tram", "opened"]),
    ):
        word(page, index).hover()
        assert chosen(page) == span
    page.mouse.up()
    assert chosen(page) == ["Harbour", "tram", "opened"]


def test_keys_go_on_from_where_a_drag_ended(page: Page) -> None:
    word(page, 4).hover()
    page.mouse.down()
    word(page, 2).hover()
    page.mouse.up()
    assert chosen(page) == ["opened", ",", "says"]
    page.keyboard.press("Shift+ArrowLeft")
    assert chosen(page) == ["tram", "opened", ",", "says"]
    word(page, 5).click(modifiers=["Shift"])
    assert chosen(page) == ["says", "council"]
    page.keyboard.press("Home")
    assert chosen(page) == ["Harbour"]


def test_a_drag_that_ends_beside_the_line_leaves_the_next_click_alone(page: Page) -> None:
    word(page, 0).hover()
    page.mouse.down()
    word(page, 1).hover()
    page.mouse.move(5, 5)
    page.mouse.up()
    assert chosen(page) == ["Harbour", "tram"]
    word(page, 3).click(modifiers=["Shift"])
    assert chosen(page) == ["Harbour", "tram", "opened", ","]
    word(page, 2).click()
    assert chosen(page) == ["opened"]


@pytest.mark.parametrize(("first", "last"), [(1, 3), (3, 1)])
def test_shift_click_chooses_a_span(page: Page, first: int, last: int) -> None:
    word(page, first).click()
    word(page, last).click(modifiers=["Shift"])
    assert chosen(page) == ["tram", "opened", ","]


def test_in_the_text_a_drag_marks_text_as_usual_and_shift_chooses_a_span(page: Page) -> None:
    place(page, 4).hover()
    page.mouse.down()
    place(page, 1).hover()
    page.mouse.up()
    assert page.evaluate("getSelection().toString().length") > 0
    page.evaluate("getSelection().empty()")
    place(page, TRAM).click()
    place(page, 0).click(modifiers=["Shift"])
    assert chosen(page, ".source") == ["The", "harbour", "tram"]
    assert said(page).startswith("“The harbour tram” in sentence 1: looked at by “tram” (90 %)")


def test_hovering_a_source_word_lights_the_words_that_looked_at_it(page: Page) -> None:
    place(page, TRAM).hover()
    bars = lit(page, ".line")
    assert bars["tram"] == 1
    assert bars["Harbour"] == pytest.approx(0.2 / 0.9, abs=0.02)
    assert said(page).startswith(
        "“tram” in sentence 1: looked at by “tram” (90 %), “Harbour” (20 %)"
    )
    page.keyboard.press("Escape")


def test_with_a_word_pinned_the_text_tells_single_numbers(page: Page) -> None:
    word(page, 0).click()
    place(page, TRAM).hover()
    assert chosen(page) == ["Harbour"]
    expect(page.locator("attention-view .probe")).to_have_text(re.compile("tram.*: 20\u00a0%"))


def test_nothing_moves_under_the_pointer(page: Page) -> None:
    source = page.locator("attention-view .source")
    before = source.bounding_box()
    for pointed in (word(page, 0), word(page, 5), place(page, TRAM)):
        pointed.hover()
        assert source.bounding_box() == before
    word(page, 0).click()
    place(page, TRAM).hover()
    page.locator("attention-view .probe:not(:empty)").wait_for()
    assert source.bounding_box() == before


def test_a_tap_lights_and_pins_on_both_sides(browser: Browser, port: int) -> None:
    phone = {"viewport": {"width": 360, "height": 800}, "has_touch": True}
    with watching(browser, port, **phone) as watched:
        page = watched.page
        without_explanations(page)
        watched.open("/")
        show(page, rows=ROWS)
        word(page, 1).tap()
        assert chosen(page) == ["tram"]
        assert lit(page)["tram"] == 1
        word(page, 0).tap()
        assert chosen(page) == ["Harbour"]
        word(page, 0).tap()
        assert chosen(page) == []
        place(page, TRAM).tap()
        assert chosen(page, ".source") == ["tram"]
        assert lit(page, ".line")["tram"] == 1
        for name in ("Clear", "Larger", "Save as PNG", "Strike it out"):
            size = page.get_by_role("button", name=name).bounding_box()
            assert size is not None
            assert size["height"] >= 44, name


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


def test_shift_arrows_choose_a_span_backwards_too(page: Page) -> None:
    word(page, 3).click()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    assert chosen(page) == ["tram", "opened", ","]
    page.keyboard.press("Shift+ArrowRight")
    assert chosen(page) == ["opened", ","]
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    assert chosen(page) == [",", "says", "council"]
    page.keyboard.press("Shift+Home")
    assert chosen(page) == ["Harbour", "tram", "opened", ","]
    page.keyboard.press("Shift+End")
    assert chosen(page) == [",", "says", "council"]
    page.keyboard.press("Escape")
    assert chosen(page) == []


def test_in_the_text_shift_arrows_go_backwards_too(page: Page) -> None:
    place(page, TRAM).focus()
    assert lit(page, ".line")["tram"] == 1
    page.keyboard.press("Shift+ArrowLeft")
    assert chosen(page, ".source") == ["harbour", "tram"]
    bars = lit(page, ".line")
    assert bars["tram"] == 1
    assert bars["Harbour"] == pytest.approx(0.8 / 0.9, abs=0.03)


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

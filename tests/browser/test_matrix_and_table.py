"""All weights at once: the matrix on its canvas, and the table."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.answers import WORDS
from tests.browser.view import chosen, place


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


def test_the_matrix_follows_the_pointer_and_the_choice(page: Page) -> None:
    matrix = page.locator("attention-view canvas.cells")
    matrix.scroll_into_view_if_needed()
    box = matrix.bounding_box()
    assert box is not None
    step = box["width"] / (len(WORDS) + 1)
    row, column = 1, WORDS.index("tram")
    cell = {"x": (column + 0.5) * step, "y": 14 + 18 * (row + 0.5)}
    matrix.hover(position=cell)
    expect(page.locator("attention-view .probe")).to_have_text(
        re.compile("tram.*tram.*: 90\u00a0%")
    )
    cursor = page.locator("attention-view .outline.cursor").bounding_box()
    assert cursor is not None
    assert cursor["x"] <= box["x"] + cell["x"] <= cursor["x"] + cursor["width"]
    assert cursor["y"] <= box["y"] + cell["y"] <= cursor["y"] + cursor["height"]
    matrix.click(position=cell)
    assert chosen(page) == ["tram"]
    outline = page.locator("attention-view .outline:not(.cursor)")
    row_box, box = outline.bounding_box(), matrix.bounding_box()
    assert row_box is not None
    assert box is not None
    assert row_box["width"] == pytest.approx(box["width"], abs=2)
    assert row_box["y"] == pytest.approx(box["y"] + 14 + 18 * row, abs=2)
    place(page, column).click()
    column_box, box = outline.bounding_box(), matrix.bounding_box()
    assert column_box is not None
    assert box is not None
    assert column_box["x"] == pytest.approx(box["x"] + column * step, abs=2)
    assert column_box["height"] == pytest.approx(18 * 6, abs=2)


def test_the_cursor_of_the_matrix_is_seen_and_kept_in_view(page: Page) -> None:
    matrix = page.locator("attention-view canvas.cells")
    matrix.focus()
    cursor = page.locator("attention-view .outline.cursor")
    expect(cursor).to_be_visible()
    for key in ("+", "+", "End"):
        page.keyboard.press(key)
    scroller = page.locator("attention-view .cell-scroller").bounding_box()
    for key in ("PageUp", "Home", "PageDown", "End"):
        page.keyboard.press(key)
        found = cursor.bounding_box()
        assert found is not None
        assert scroller is not None
        middle = found["x"] + found["width"] / 2
        assert scroller["x"] <= middle <= scroller["x"] + scroller["width"]
    page.keyboard.press("-")
    page.keyboard.press("-")
    page.locator("#submit").evaluate("button => document.activeElement.blur()")
    expect(cursor).to_be_hidden()


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

"""What the view saves: a picture as SVG and PNG, the weights as CSV, the answer as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.answers import (
    COUNCIL,
    ROWS,
    SUMMARY,
    TEXT,
    WORDS,
    answer,
    show,
    without_explanations,
    words_of,
)
from tests.browser.conftest import watching
from tests.browser.pictures import Pixels, colour, has_colour, pixels, tall
from tests.browser.view import place, word

SHARES = [0.9, 0.8, 0.1, 0.0, 0.2, 0.95]
GIVEN = {"rows": ROWS, "copied": SHARES, "unsupported_words": [COUNCIL], "end_share": 0.19}
"""The end mark has so much that what is left for other words does not light them."""

SPACE = "{http://www.w3.org/2000/svg}"
ALL, TEXT_ROOM, LINE_ROOM = 27, 13, 7
"""Steps of a full bar, and the pixels that one has in the text and in the line."""


@pytest.fixture(scope="module", params=["light", "dark"])
def opened(request: pytest.FixtureRequest, browser: Browser, port: int) -> Iterator[Page]:
    viewport = {"width": 1000, "height": 900}
    with watching(browser, port, viewport=viewport, color_scheme=request.param) as watched:
        without_explanations(watched.page)
        watched.open("/")
        yield watched.page


@pytest.fixture
def page(opened: Page) -> Page:
    """Shows where the first word of the line looked."""
    show(opened, **GIVEN)
    word(opened, 0).click()
    return opened


def saved(page: Page, kind: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Save as {kind}").click()
    assert download.value.suggested_filename == f"attention.{kind.lower()}"
    return Path(download.value.path()).read_bytes()


def box(page: Page, element: Locator) -> tuple[float, float, float, float]:
    """Where an element is in a picture: left, top, right, bottom."""
    left, top, right, bottom = element.evaluate(
        """(element) => {
          const frame = element.getRootNode().querySelector(".frame").getBoundingClientRect();
          const box = element.getBoundingClientRect();
          const scrolled = element.closest(".source")?.scrollTop ?? 0;
          const down = scrolled - frame.top;
          return [box.left - frame.left, box.top + down, box.right - frame.left, box.bottom + down];
        }"""
    )
    return left, top, right, bottom


def cut(picture: Pixels, page: Page, element: Locator) -> Pixels:
    """The part of a picture of two pixels for one where an element is."""
    left, top, right, bottom = (round(2 * edge) for edge in box(page, element))
    return picture[top:bottom, left:right]


def size(page: Page) -> tuple[float, float]:
    """Of the view on the page, the whole text counted: height and width."""
    height, width = page.locator("attention-view .source").evaluate(
        """(source) => {
          const frame = source.getRootNode().querySelector(".frame").getBoundingClientRect();
          const { top } = source.getBoundingClientRect();
          return [top + source.scrollHeight - frame.top, frame.width];
        }"""
    )
    return height, width


def test_png_shows_the_light_of_every_word_by_ground_and_bar(page: Page) -> None:
    picture = pixels(page, saved(page, "PNG"))
    height, width = size(page)
    assert picture.shape[0] == pytest.approx(2 * height, abs=1)
    assert picture.shape[1] == pytest.approx(2 * width, abs=1)
    mark, paper = colour(page, "mark"), colour(page, "paper")
    for name, step, ground in (("harbour", 27, "light-9"), ("tram", 9, "light-3")):
        shown = cut(picture, page, place(page, WORDS.index(name)))
        assert tall(shown[:, 4], mark) == pytest.approx(2 * TEXT_ROOM * step / ALL, abs=2)
        assert has_colour(shown[-2], mark).sum() == pytest.approx(2 * 7, abs=1)
        assert has_colour(shown[:30], colour(page, ground)).mean() > 0.4
    dark = cut(picture, page, place(page, WORDS.index("nine")))
    assert not has_colour(dark, mark).any()
    assert 0.4 < has_colour(dark, paper).mean() < 1


def test_png_shows_the_line_with_its_choice_and_what_was_copied(page: Page) -> None:
    picture = pixels(page, saved(page, "PNG"))
    chosen = cut(picture, page, word(page, 0))
    assert has_colour(chosen, colour(page, "accent")).mean() > 0.5
    assert has_colour(chosen, colour(page, "on-accent")).mean() > 0.02
    ink = colour(page, "copied-ink")
    for index in (1, 2, 5):
        shown = cut(picture, page, word(page, index))
        expected = 2 * LINE_ROOM * SHARES[index]
        assert has_colour(shown[:, 20], ink).sum() == pytest.approx(expected, abs=2)
    generated = cut(picture, page, word(page, 4))[-2]
    assert 0.3 < has_colour(generated, colour(page, "edge")).mean() < 0.8  # dashes
    warn = colour(page, "warn")
    assert has_colour(cut(picture, page, word(page, 5))[:-10], warn).any()
    assert not has_colour(cut(picture, page, word(page, 1)), warn).any()


def test_png_shows_the_other_direction_with_the_bars_of_the_line(page: Page) -> None:
    tram = place(page, WORDS.index("tram"))
    page.get_by_role("button", name="Clear").click()
    tram.click()
    picture = pixels(page, saved(page, "PNG"))
    assert has_colour(cut(picture, page, tram), colour(page, "accent")).mean() > 0.4
    mark = colour(page, "mark")
    for index, weight in ((0, 0.2), (1, 0.9)):
        shown = cut(picture, page, word(page, index))
        step = round(ALL * weight / 0.9)
        assert tall(shown[:, 4], mark) == pytest.approx(2 * LINE_ROOM * step / ALL, abs=1)
        assert has_colour(shown[-2], mark).sum() == pytest.approx(2 * 10, abs=1)


def test_png_of_a_long_text_has_all_of_it(page: Page) -> None:
    long = " ".join(
        f"Sentence {number} tells of a stop at which few wait." for number in range(4000)
    )
    (first, *_, last, _) = words_of(long)
    sources = [
        {"token": long[start:end], "start": start, "end": end, "weight": weight}
        for (start, end), weight in ((first, 0.6), (last, 0.3))
    ]
    entry = {
        "token": "Harbour",
        "start": 0,
        "end": 7,
        "log_prob": -0.5,
        "copy_gate": 0.9,
        "copied_share": 0.9,
        "sources": sources,
        "rest": 0.1,
    }
    show(page, long, source_spans=[first, last], rows={}, attention=[entry])
    picture = pixels(page, saved(page, "PNG"))
    height, width = size(page)
    assert height > 16_000  # more than a canvas has room for with two pixels for one
    assert picture.shape[0] == pytest.approx(32_000, abs=1)
    assert picture.shape[1] == pytest.approx(32_000 * width / height, abs=1)
    assert has_colour(picture[-100:], colour(page, "light-5")).sum() > 3


def test_svg_has_the_marks_of_the_view(page: Page) -> None:
    root = ElementTree.fromstring(saved(page, "SVG"))
    height, width = size(page)
    assert float(root.attrib["width"]) == pytest.approx(width, abs=0.1)
    assert float(root.attrib["height"]) == pytest.approx(height, abs=0.1)

    def marks(element: Locator, name: str) -> list[dict[str, Any]]:
        """The boxes of a colour that begin within an element."""
        left, top, right, bottom = box(page, element)
        wanted = page.locator("html").evaluate(
            "(html, name) => getComputedStyle(html).getPropertyValue(`--${name}`).trim()", name
        )
        numbers = [
            {key: float(value) for key, value in node.attrib.items() if key != "fill"}
            for node in root.iter(f"{SPACE}rect")
            if node.attrib["fill"] == wanted
        ]
        return [
            mark
            for mark in numbers
            if left - 0.1 <= mark["x"] < right and top - 0.1 <= mark["y"] < bottom
        ]

    for name, step, ground in (("harbour", 27, "light-9"), ("tram", 9, "light-3")):
        element = place(page, WORDS.index(name))
        left, top, right, bottom = box(page, element)
        (bar,) = marks(element, "mark")
        assert bar["height"] == pytest.approx(TEXT_ROOM * step / ALL, abs=0.1)
        assert bar["y"] + bar["height"] == pytest.approx(bottom, abs=0.1)
        assert bar["width"] == 7
        (light,) = marks(element, ground)
        assert (light["x"], light["y"]) == pytest.approx((left, top), abs=0.1)
        assert light["width"] == pytest.approx(right - left, abs=0.1)
    assert marks(place(page, WORDS.index("nine")), "mark") == []
    assert len(marks(word(page, 0), "accent")) == 1
    (copied,) = marks(word(page, 1), "copied-ink")
    assert copied["height"] == pytest.approx(LINE_ROOM * 0.8, abs=0.1)
    assert len(marks(word(page, 4), "edge")) > 3
    assert len(marks(word(page, 5), "warn")) == 1


def test_svg_has_the_text_as_text(page: Page) -> None:
    root = ElementTree.fromstring(saved(page, "SVG"))
    texts = [node.text or "" for node in root.iter(f"{SPACE}text")]
    assert "harbour" in texts
    written = " ".join(" ".join(texts).split())
    assert "It has nine stops" in written.replace(" .", ".")
    assert "Machine-written, check names." in texts
    assert "looked mainly at" in written
    assert "on the end mark" in written
    fills = [node.attrib["fill"] for node in root.iter() if node.tag != f"{SPACE}svg"]
    assert not any("var(" in fill for fill in fills)
    for node in root.iter(f"{SPACE}text"):
        assert float(node.attrib["y"]) < float(root.attrib["height"])


def test_svg_and_png_are_one_picture(page: Page, browser: Browser) -> None:
    height, width = (int(side) for side in size(page))
    png = pixels(page, saved(page, "PNG"))
    svg = saved(page, "SVG").decode()
    alone = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=2)
    alone.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{svg}")
    drawn = pixels(alone, alone.screenshot())
    alone.close()
    rows, columns = (
        min(one.shape[axis], two)
        for axis, one, two in ((0, png, drawn.shape[0]), (1, png, drawn.shape[1]))
    )
    alike = abs(png[:rows, :columns].astype(int) - drawn[:rows, :columns]).max(axis=-1) < 48
    assert alike.mean() > 0.98  # letters are smoothed otherwise


def test_what_is_struck_out_is_struck_out_in_the_picture(page: Page) -> None:
    place(page, 0).click()
    page.keyboard.press("Escape")
    warn = colour(page, "warn")
    before = cut(pixels(page, saved(page, "PNG")), page, place(page, 1))
    page.locator("attention-view").evaluate("view => (view.struckOut = [0])")
    after = cut(pixels(page, saved(page, "PNG")), page, place(page, 1))
    assert not has_colour(before, warn).any()
    assert has_colour(after[:, 2], warn).any()


def test_csv_has_every_weight_with_its_offsets(page: Page) -> None:
    rows = list(csv.DictReader(io.StringIO(saved(page, "CSV").decode())))
    first = [row for row in rows if row["summary_start"] == "0"]
    assert sum(float(row["weight"]) for row in first) == pytest.approx(1, abs=1e-3)
    harbour = next(row for row in first if row["source_word"] == "harbour")
    assert float(harbour["weight"]) == pytest.approx(0.6, abs=1e-6)
    assert TEXT[int(harbour["source_start"]) : int(harbour["source_end"])] == "harbour"
    assert first[-1]["source_word"] == "(end mark)"
    assert len(first) == len(words_of(TEXT)) + 1


def test_csv_holds_no_formula(page: Page) -> None:
    show(page, text="=1+1 and @home, said the old council of the town.", summary="=1+1")
    rows = saved(page, "CSV").decode().splitlines()
    assert not any(field.startswith(('"=', '"@', '"+')) for row in rows for field in row.split(","))


def test_json_is_the_answer(page: Page) -> None:
    body = json.loads(saved(page, "JSON"))
    assert body == answer(TEXT, SUMMARY, **GIVEN)

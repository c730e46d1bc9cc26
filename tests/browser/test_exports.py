"""What the view saves: a picture as SVG and PNG, the weights as CSV, the answer as JSON."""

from __future__ import annotations

import csv
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.answers import SUMMARY, TEXT, answer, show, without_explanations, words_of
from tests.browser.conftest import Watched, assert_clean

ROWS = {0: {1: 0.6, 2: 0.2}}


@pytest.fixture(scope="module")
def page(browser: Browser, port: int) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.set_default_timeout(15_000)
    watched = Watched(page, f"http://127.0.0.1:{port}")
    without_explanations(page)
    watched.open("/")
    show(page, rows=ROWS)
    page.locator("attention-view .line .word").first.click()
    yield page
    assert_clean(watched)
    page.close()


def saved(page: Page, kind: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Save as {kind}").click()
    assert download.value.suggested_filename == f"attention.{kind.lower()}"
    return Path(download.value.path()).read_bytes()


def test_svg_has_the_text_as_text_and_the_light_as_boxes(page: Page) -> None:
    root = ElementTree.fromstring(saved(page, "SVG"))
    space = "{http://www.w3.org/2000/svg}"
    texts = [node.text or "" for node in root.iter(f"{space}text")]
    assert "harbour" in texts
    written = " ".join(" ".join(texts).split())
    assert "It has nine stops" in written.replace(" .", ".")
    assert "Machine-written, check names." in texts[-1]
    boxes = [node.get("fill") for node in root.iter(f"{space}rect")]
    assert len(boxes) > 5
    assert all(fill and "var(" not in fill for fill in boxes)


def test_png_is_a_picture_of_twice_the_size(page: Page) -> None:
    content = saved(page, "PNG")
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    box = page.locator("attention-view .line").bounding_box()
    assert box is not None
    assert width >= 2 * box["width"] - 4
    assert height > 200


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
    show(page, rows=ROWS)


def test_json_is_the_answer(page: Page) -> None:
    body = json.loads(saved(page, "JSON"))
    assert body == answer(TEXT, SUMMARY, rows=ROWS)

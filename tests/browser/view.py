"""What a person sees of `<attention-view>` and of the page around it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page


def words(page: Page) -> Locator:
    """The words of the line."""
    return page.locator("attention-view .line .word")


def word(page: Page, index: int) -> Locator:
    """A word of the line."""
    return words(page).nth(index)


def place(page: Page, index: int) -> Locator:
    """A word of the text."""
    return page.locator("attention-view .source .word").nth(index)


def chosen(page: Page, pane: str = ".line") -> list[str]:
    """The words that are chosen in one of the panes."""
    return page.locator(f"attention-view {pane} [aria-selected=true]").all_inner_texts()


def lit(page: Page, pane: str = ".source") -> dict[str, float]:
    """The words that are lit, and the heights of their bars between 0 and 1."""
    found: dict[str, float] = page.locator(f"attention-view {pane} .word[data-light]").evaluate_all(
        "words => Object.fromEntries("
        "words.map(word => [word.textContent, word.dataset.light / 27]))"
    )
    return found


def settle(page: Page) -> None:
    """Waits for what follows a choice, which is lit first."""
    page.evaluate(
        "() => new Promise((done) =>"
        " requestAnimationFrame(() => setTimeout(() => setTimeout(done))))"
    )


def said(page: Page) -> str:
    """The live sentence, without what only steers it."""
    settle(page)
    text = page.locator("attention-view .saying").inner_text()
    return re.sub("[\u2068\u2069]", "", text).replace("\u00a0", " ")


def section(page: Page, heading: str) -> Locator:
    """A part of the page by its heading."""
    return page.locator("section", has=page.get_by_role("heading", name=heading, exact=True)).last

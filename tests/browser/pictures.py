"""Pictures as numbers: which colour is where."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page

Pixels = NDArray[np.uint8]

_DECODE = """async (letters) => {
  const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes]));
  const { width, height } = image;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0);
  const reader = new FileReader();
  const read = new Promise((resolve) => (reader.onload = resolve));
  reader.readAsDataURL(new Blob([context.getImageData(0, 0, width, height).data]));
  await read;
  return { width, height, data: reader.result.split(",")[1] };
}"""


def pixels(page: Page, picture: bytes) -> Pixels:
    """A picture as the browser shows it: (height, width, 3)."""
    found = page.evaluate(_DECODE, base64.b64encode(picture).decode())
    flat = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
    return flat.reshape(found["height"], found["width"], 4)[:, :, :3]


def colour(page: Page, name: str) -> list[int]:
    """One of the theme's colours, as the browser paints it."""
    found: list[int] = page.evaluate(
        """(name) => {
          const context = new OffscreenCanvas(1, 1).getContext("2d");
          const style = getComputedStyle(document.documentElement);
          context.fillStyle = style.getPropertyValue(`--${name}`);
          context.fillRect(0, 0, 1, 1);
          return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
        }""",
        name,
    )
    return found


def has_colour(picture: Pixels, wanted: list[int]) -> NDArray[np.bool_]:
    """Where a picture has a colour, but for what rounding makes of it."""
    return np.abs(picture.astype(int) - wanted).max(axis=-1) <= 2


def tall(column: Pixels, wanted: list[int]) -> int:
    """How many pixels a column of a picture has of a colour."""
    return int(has_colour(column, wanted).sum())


def seen(locator: Locator) -> Pixels:
    """An element as it is painted. To hide the caret would take a style that the policy refuses."""
    return pixels(locator.page, locator.screenshot(caret="initial"))

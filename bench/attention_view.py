"""Time of `<attention-view>` in a real Chromium: `python -m bench.attention_view`.

A text of 1,024 words, 16 a sentence, and a line of 32 are given to the element, then the pointer
goes over each word of the line: first as a hand does, resting on each, then as fast as can be
drawn, a word a frame, where each paint waits for the one before it; and over some words of the
text, which light those of the line. The element lights first, and says, counts and scrolls once
that is painted: this is taken too, where the pointer rests. Taken are milliseconds by the clock,
and those that the page's main thread had the processor, which other work on the machine does not
lengthen much. No model, no service: the files and an invented answer.
CHROMIUM names the browser.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Page, Route, sync_playwright

FILES = Path(__file__).parents[1] / "service" / "web"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
ADDRESS = "http://view.example"
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
PAGE = """<!doctype html><html lang="en"><title>bench</title>
<script type="module" src="/attention-view.js"></script><attention-view></attention-view></html>"""

# A frame begins with the events; what follows it in the queue runs after the paint.
AFTER_PAINT = """
const afterPaint = () => new Promise((resolve) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => resolve(performance.now());
  channel.port2.postMessage(null);
}));
"""
RENDER = (
    "async (data) => {"
    + AFTER_PAINT
    + """
  await customElements.whenDefined("attention-view");
  const view = document.querySelector("attention-view");
  await afterPaint();
  const began = performance.now();
  view.data = data;
  return (await afterPaint()) - began;
}"""
)
REST_MS = 100
HOVERS = (  # name, where, one word of so many, and how long the pointer rests on it
    ("hover", ".line", 1, REST_MS),
    ("hover, a word a frame", ".line", 1, 0),
    ("hover in the text", ".source", 32, REST_MS),
)
# In a frame's callback, which is where a browser hands out what the pointer does: style, layout and
# paint follow in the same frame, and then the message.
HOVER = (
    "async ([side, every, repeats, rest]) => {"
    + AFTER_PAINT
    + """
  const view = document.querySelector("attention-view");
  const all = [...view.shadowRoot.querySelectorAll(`${side} .word`)];
  const words = all.filter((_, index) => index % every === 0);
  const found = { worked: [], painted: [], followed: [] };
  const channel = new MessageChannel();
  for (let round = 0; round < repeats; round += 1)
    for (const word of words) {
      if (rest) await new Promise((resolve) => setTimeout(resolve, rest));
      await new Promise((resolve) => requestAnimationFrame(() => {
        const began = performance.now();
        channel.port1.onmessage = () => {
          found.painted.push(performance.now() - began);
          resolve();
        };
        channel.port2.postMessage(null);
        if (rest) view.addEventListener("attention-select", async () =>
          found.followed.push((await afterPaint()) - began), { once: true });
        word.dispatchEvent(new PointerEvent("pointerover",
          { bubbles: true, composed: true, pointerType: "mouse" }));
        found.worked.push(performance.now() - began);
      }));
    }
  return found;
}"""
)


def invented(places: int, words: int) -> dict[str, Any]:
    """A text and an answer, the weights of each row falling off from a few peaks."""
    numbers = random.Random(0)  # noqa: S311 - no secrets
    text = ". ".join(
        " ".join(f"word{sentence * 16 + place}" for place in range(16)).capitalize()
        for sentence in range(places // 16)
    )
    summary = " ".join(f"word{numbers.randrange(places)}" for _ in range(words))
    rows = []
    for _ in range(words + 1):
        raw = [numbers.random() ** 40 for _ in range(places + 1)]
        rows.append([round(value / sum(raw), 6) for value in raw])
    attention = {
        "weights": rows,
        "summary_tokens": _columns(summary, log_prob=[-1.0] * (words + 1)),
        "source_tokens": _columns(text),
    }
    return {"text": text, "prediction": {"summary": summary, "attention": attention, "source": {}}}


def _columns(text: str, **more: list[float]) -> dict[str, Any]:
    starts, ends, cursor = [], [], 0
    for word in text.split():
        start = text.index(word.rstrip("."), cursor)
        cursor = start + len(word.rstrip("."))
        starts.append(start)
        ends.append(cursor)
    shares = {"copied_share": [0.5] * (len(starts) + 1)} if more else {}
    return {"start": [*starts, None], "end": [*ends, None], **more, **shares}


def serve(route: Route) -> None:
    """Answers with the files themselves."""
    name = route.request.url.removeprefix(ADDRESS).lstrip("/")
    if not name:
        route.fulfill(body=PAGE, content_type="text/html")
    elif (FILES / name).is_file():
        route.fulfill(body=(FILES / name).read_bytes(), content_type=TYPES[Path(name).suffix])
    else:
        route.fulfill(status=404)


def measure(page: Page, data: dict[str, Any], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of first renders, each in a fresh page, and of hovers in the last of them."""
    ticks = page.context.new_cdp_session(page)
    ticks.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy_ms() -> float:
        metrics = ticks.send("Performance.getMetrics")["metrics"]
        return next(1000 * one["value"] for one in metrics if one["name"] == "TaskDuration")

    renders, renders_busy = [], []
    for _ in range(repeats):
        page.goto(ADDRESS)
        page.evaluate("() => customElements.whenDefined('attention-view').then(() => null)")
        before = busy_ms()
        renders.append(page.evaluate(RENDER, data))
        renders_busy.append(busy_ms() - before)
    found = {"render: clock, to the paint": renders, "render: processor": renders_busy}
    for name, side, every, rest in HOVERS:
        page.locator(f"attention-view {side}").hover()
        before = busy_ms()
        hovers = page.evaluate(HOVER, [side, every, repeats, rest])
        found |= {
            f"{name}: clock, script": hovers["worked"],
            f"{name}: clock, to the light's paint": hovers["painted"],
            f"{name}: clock, to the paint of the rest": hovers["followed"],
            f"{name}: processor": [(busy_ms() - before) / len(hovers["worked"])],
        }
    return found


def main() -> int:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.attention_view", description=__doc__)
    parser.add_argument("--places", type=int, default=1024)
    parser.add_argument("--words", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    data = invented(arguments.places, arguments.words)
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.route("**/*", serve)
        found = measure(page, data, arguments.repeats)
        version = browser.version
        browser.close()
    cells = f"{arguments.places} places, {arguments.words} words"
    print(f"Chromium {version}, {platform.machine()}, {os.cpu_count()} processors, {cells}")
    print(f"{'milliseconds':52} {'median':>8} {'95 %':>8} {'most':>8}")
    for name, times in found.items():
        if not times:
            continue
        ordered = sorted(times)
        high = ordered[int(0.95 * (len(ordered) - 1))]
        print(f"{name:52} {median(times):8.1f} {high:8.1f} {ordered[-1]:8.1f}")
    print(json.dumps({"answer_bytes": len(json.dumps(data))}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

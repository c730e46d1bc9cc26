/** The view as files: a picture as SVG or PNG, the weights as CSV, the answer as JSON. */
import { make, tame } from "./dom.js";
import { STEPS } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const PNG_SCALE = 2;
const PNG_TALLEST = 32_000;

/** What a person asked to save. */
export async function save(kind, view) {
  const makers = {
    SVG: () => svgOf(pictureOf(view)),
    PNG: () => pngOf(pictureOf(view)),
    CSV: () => csvOf(view.reading),
    // The answer of the service as it was.
    JSON: () => new Blob([JSON.stringify(view.response, null, 2)], { type: "application/json" }),
  };
  download(`attention.${kind.toLowerCase()}`, await makers[kind]());
}

/** Hands a file to the browser, which stores it. */
function download(name, blob) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Every weight above 0 in a row of its own, and what is on special tokens. */
function csvOf(reading) {
  const lines = [
    "summary_word,summary_start,summary_end,log_prob,copied_share," +
      `source_word,source_start,source_end,sentence,${reading.isShare ? "weight" : reading.unit}`,
  ];
  const width = reading.places.length;
  reading.words.forEach((word, row) => {
    const known = [field(word.text), word.start, word.end, word.logProb ?? "", word.copiedShare ?? ""];
    reading.places.forEach((place, column) => {
      const weight = reading.weights[row * width + column];
      if (!weight) return;
      const where = [field(place.text), place.start, place.end, place.sentence + 1];
      lines.push([...known, ...where, weight.toFixed(6)].join(","));
    });
    if (reading.special)
      lines.push([...known, "(end mark)", "", "", "", reading.special[row].toFixed(6)].join(","));
  });
  return new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv;charset=utf-8" });
}

/** A field in quotes, with an apostrophe before what a spreadsheet would take for a formula. */
function field(text) {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}

/**
 * What a picture of the view is made of, where it stands on the page: boxes, and text, each a run on
 * one line.
 */
function pictureOf({ frame }) {
  const roots = [...frame.querySelectorAll(".line, .key, .saying, .ledger, .source")];
  const { left, top, width } = frame.getBoundingClientRect();
  const source = roots.at(-1);
  const height = source.getBoundingClientRect().top + source.scrollHeight - top;
  const paper = getComputedStyle(frame).getPropertyValue("--paper").trim();
  const shapes = [{ x: 0, y: 0, width, height, fill: paper }];
  for (const root of roots) {
    const from = { x: left, y: top - root.scrollTop };
    for (const element of root.querySelectorAll(".word, .sample")) marksOf(element, from, shapes);
    for (const node of textNodes(root)) runsOf(node, from, shapes);
  }
  return { width, height, shapes };
}

/** What the style sheet draws of a word: that it is chosen, its light, or how much was copied. */
function marksOf(element, from, shapes) {
  const style = getComputedStyle(element);
  const value = (name) => style.getPropertyValue(name).trim();
  const room = Number.parseFloat(value("--bar-room"));
  const step = element.dataset.light;
  for (const { left, bottom, width, height } of element.getClientRects()) {
    const draw = (name, tall, up = 0, wide = width, along = 0) => {
      const [x, y] = [left + along - from.x, bottom - up - tall - from.y];
      if (tall > 0) shapes.push({ x, y, width: wide, height: tall, fill: value(name) });
    };
    if (element.getAttribute("aria-selected") === "true") draw("--accent", height);
    else if (step) {
      draw("--light", height - room - 1, room + 1);
      draw("--mark", (step / STEPS) * room, 0, Number.parseFloat(value("--bar-width")));
    } else {
      draw("--copied-ink", value("--copied") * room);
      if (style.borderBottomStyle === "dashed")
        for (let along = 0; along < width; along += 5) draw("--edge", 1, 0, 3, along);
    }
    if (element.matches(".unsupported")) draw("--warn", 2, room);
    if (element.closest(".struck")) draw("--warn", 2, (room + height) / 2);
  }
}

function* textNodes(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (walker.currentNode.data.trim()) yield walker.currentNode;
}

/** A text node as runs, one for each line that it is broken into. */
function runsOf(node, from, shapes) {
  const style = getComputedStyle(node.parentElement);
  const range = document.createRange();
  for (const { start, end } of linesOf(node, range)) {
    range.setStart(node, start);
    range.setEnd(node, end);
    const box = range.getBoundingClientRect();
    const text = tame(node.data.slice(start, end));
    if (!text.trim()) continue;
    shapes.push({
      text,
      x: box.left - from.x,
      y: box.top - from.y + 0.8 * box.height,
      fill: style.color,
      "font-size": Number.parseFloat(style.fontSize),
      "font-family": style.fontFamily,
      "font-weight": style.fontWeight,
    });
  }
}

/** Where a node's lines begin and end: a new one wherever a word stands lower than the one before. */
function* linesOf(node, range) {
  let start = 0;
  let top = null;
  for (const match of node.data.matchAll(/\S+/g)) {
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].length);
    const here = range.getBoundingClientRect().top;
    if (top !== null && here > top + 4) {
      yield { start, end: match.index };
      start = match.index;
    }
    top = here;
  }
  yield { start, end: node.data.length };
}

/** The picture as SVG, its text as text. */
function svgOf({ width, height, shapes }) {
  const node = (tag, attributes, text = "") => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = inXml(text);
    return element;
  };
  const root = node("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  for (const { text, ...shape } of shapes)
    root.append(text ? node("text", { ...shape, "xml:space": "preserve" }, text) : node("rect", shape));
  return new Blob([new XMLSerializer().serializeToString(root)], { type: "image/svg+xml" });
}

/** Without what XML cannot hold. */
function inXml(text) {
  return text.toWellFormed().replace(/[\ufffe\uffff]/g, "\ufffd");
}

/** The picture as PNG, with two pixels for one, or fewer where no canvas is so tall. */
function pngOf({ width, height, shapes }) {
  const canvas = document.createElement("canvas");
  const scale = Math.min(PNG_SCALE, PNG_TALLEST / height);
  canvas.width = scale * width;
  canvas.height = scale * height;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  for (const shape of shapes) {
    context.fillStyle = shape.fill;
    if (shape.text) {
      context.font = `${shape["font-weight"]} ${shape["font-size"]}px ${shape["font-family"]}`;
      context.fillText(shape.text, shape.x, shape.y);
    } else context.fillRect(shape.x, shape.y, shape.width, shape.height);
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

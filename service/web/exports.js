/** The view as files: a picture as SVG or PNG, the weights as CSV, the answer as JSON. */
import { make, tame } from "./dom.js";
import { NOTICE } from "./furniture.js";
import { STEPS } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const PNG_SCALE = 2;

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
 * What a picture of the view is made of, where it stands on the page: backgrounds, bars and text,
 * each text a run on one line.
 */
function pictureOf(view) {
  const roots = [view.summaryPane.root, view.sourcePane.root];
  const note = `${view.saying.textContent} ${NOTICE}`;
  const frame = boundsOf(roots);
  const shapes = [];
  for (const root of roots) {
    const from = { left: frame.left, top: frame.top };
    for (const element of root.querySelectorAll(".word")) lightsOf(element, from, shapes, root);
    for (const node of textNodes(root)) runsOf(node, from, shapes, root);
  }
  const style = getComputedStyle(roots[0]);
  const height = frame.bottom - frame.top + 40;
  shapes.push({ kind: "text", x: 0, y: height - 14, size: 13, font: style.fontFamily, fill: style.color, text: note });
  const paper = style.getPropertyValue("--paper").trim() || "#fff";
  return { width: frame.right - frame.left, height, paper, shapes };
}

function boundsOf(roots) {
  const boxes = roots.map((root) => root.getBoundingClientRect());
  const last = roots.at(-1);
  return {
    left: Math.min(...boxes.map((box) => box.left)),
    top: Math.min(...boxes.map((box) => box.top)),
    right: Math.max(...boxes.map((box) => box.right)),
    bottom: last.getBoundingClientRect().top + last.scrollHeight,
  };
}

/** The light behind a word and its bar. */
function lightsOf(element, from, shapes, root) {
  const step = element.dataset.light;
  const copied = element.style.getPropertyValue("--copied");
  if (!step && !copied) return;
  const style = getComputedStyle(element);
  for (const box of element.getClientRects()) {
    const place = { x: box.left - from.left, y: box.top - from.top + root.scrollTop };
    const tall = Number.parseFloat(style.getPropertyValue("--bar-room")) || 0;
    const text = { ...place, width: box.width, height: box.height - tall };
    if (step) shapes.push({ kind: "box", ...text, fill: style.getPropertyValue("--light").trim() });
    const high = (step ? step / STEPS : copied) * tall;
    shapes.push({
      kind: "box",
      x: place.x,
      y: place.y + box.height - high,
      width: Math.min(box.width, step ? 7 : box.width),
      height: high,
      fill: style.getPropertyValue(step ? "--mark" : "--copied-ink").trim(),
    });
  }
}

function* textNodes(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (walker.currentNode.data.trim()) yield walker.currentNode;
}

/** A text node as runs, one for each line that it is broken into. */
function runsOf(node, from, shapes, root) {
  const style = getComputedStyle(node.parentElement);
  const size = Number.parseFloat(style.fontSize);
  const range = document.createRange();
  for (const { start, end } of linesOf(node, range)) {
    range.setStart(node, start);
    range.setEnd(node, end);
    const box = range.getBoundingClientRect();
    const text = tame(node.data.slice(start, end));
    if (!text.trim()) continue;
    shapes.push({
      kind: "text",
      x: box.left - from.left,
      y: box.top - from.top + root.scrollTop + 0.8 * box.height,
      size,
      font: style.fontFamily,
      weight: style.fontWeight,
      fill: style.color,
      text,
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
function svgOf(picture) {
  const node = (tag, attributes, text) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const { width, height } = picture;
  const root = node("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  root.append(node("rect", { width, height, fill: picture.paper }));
  for (const shape of picture.shapes) {
    const { kind, text, size, font, weight, ...rest } = shape;
    if (kind === "box") root.append(node("rect", rest));
    else {
      const style = { "font-size": size, "font-family": font, "font-weight": weight ?? "400" };
      root.append(node("text", { ...rest, ...style, "xml:space": "preserve" }, inXml(text)));
    }
  }
  const source = new XMLSerializer().serializeToString(root);
  return new Blob([source], { type: "image/svg+xml" });
}

/** Without what XML cannot hold. */
function inXml(text) {
  return text.toWellFormed().replace(/[\ufffe\uffff]/g, "\ufffd");
}

/** The picture as PNG, with two pixels for one. */
function pngOf(picture) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(PNG_SCALE * picture.width);
  canvas.height = Math.ceil(PNG_SCALE * picture.height);
  const context = canvas.getContext("2d");
  context.scale(PNG_SCALE, PNG_SCALE);
  context.fillStyle = picture.paper;
  context.fillRect(0, 0, picture.width, picture.height);
  for (const shape of picture.shapes) {
    context.fillStyle = shape.fill;
    if (shape.kind === "box") context.fillRect(shape.x, shape.y, shape.width, shape.height);
    else {
      context.font = `${shape.weight ?? 400} ${shape.size}px ${shape.font}`;
      context.fillText(shape.text, shape.x, shape.y);
    }
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

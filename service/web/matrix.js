/** All weights as a picture, words of the summary down and the text across, with a cursor. */
import { coloursOf, make, opacityOf, prepare, shortened } from "./dom.js";

const ROW = 18;
const HEAD = 14;
const LABELS = 116;
const WIDEST = 8000;
const ZOOMS = [1, 2, 4, 8, 16];
const PAGE = 10;

export class Matrix {
  constructor(listener) {
    this.listener = listener;
    this.labels = make("canvas", { class: "labels", "aria-hidden": "true" });
    this.canvas = make("canvas", {
      class: "cells",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "matrix with a cursor",
    });
    this.chosenBox = make("div", { class: "outline", hidden: true });
    this.cursorBox = make("div", { class: "outline cursor", hidden: true });
    this.scroller = make(
      "div",
      { class: "cell-scroller" },
      make("div", { class: "cell-layers" }, this.canvas, this.chosenBox, this.cursorBox),
    );
    this.root = make("div", { class: "matrix" }, this.labels, this.scroller);
    this.zoom = 0;
    this.isBySentence = false;
    this.cursor = { word: 0, column: 0 };
    this.canvas.addEventListener("pointermove", (event) => this.#point(event));
    this.canvas.addEventListener("click", (event) => {
      this.#point(event);
      this.listener.pin(this.cursor.word);
    });
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.canvas.addEventListener("focus", () => this.#tell());
    this.canvas.addEventListener("blur", () => this.mark());
  }

  show(reading) {
    this.reading = reading;
    this.columns = this.isBySentence ? bySentence(reading) : byPlace(reading);
    this.cursor = { word: 0, column: 0 };
    this.chosen = null;
    this.image = null;
    this.canvas.setAttribute(
      "aria-label",
      `Weights of ${reading.words.length} words of the summary on ${this.columns.length} columns ` +
        "of the text. Arrow keys move the cursor, Enter pins a word, plus and minus zoom.",
    );
    this.draw();
  }

  setBySentence(isBySentence) {
    this.isBySentence = isBySentence;
    this.show(this.reading);
  }

  setZoom(step) {
    this.zoom = Math.max(0, Math.min(ZOOMS.length - 1, step));
    this.draw();
    this.#keepInView();
  }

  /** Draws everything; again after a change of size or theme. */
  draw() {
    const room = this.root.clientWidth - LABELS;
    if (!this.reading || room <= 0) return;
    this.colours = coloursOf(this.root);
    const { words } = this.reading;
    this.width = Math.min(WIDEST, room * ZOOMS[this.zoom]);
    this.step = this.width / this.columns.length;
    const height = HEAD + words.length * ROW;
    this.image ??= this.#imageOf();
    const context = prepare(this.canvas, this.width, height);
    context.clearRect(0, 0, this.width, height);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, 0, HEAD, this.width, words.length * ROW);
    this.#drawSentences(context);
    this.#drawLabels(height);
    this.mark();
  }

  /** One pixel a weight; the browser enlarges it. */
  #imageOf() {
    const { words } = this.reading;
    const image = document.createElement("canvas");
    image.width = this.columns.length;
    image.height = words.length;
    const context = image.getContext("2d", { willReadFrequently: true });
    const values = words.flatMap((_, word) => this.columns.map((column) => column.value(word)));
    const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const picture = context.createImageData(image.width, image.height);
    const pixels = new Uint32Array(picture.data.buffer);
    const [mark, negative] = [this.colours.mark, this.colours.negative].map((colour) => pixelOf(context, colour));
    values.forEach((value, at) => {
      if (Math.abs(value) < 0.001 * scale) return;
      pixels[at] = value < 0 ? negative : mark;
      picture.data[4 * at + 3] = 255 * opacityOf(value, scale);
    });
    context.putImageData(picture, 0, 0);
    return image;
  }

  #drawSentences(context) {
    context.fillStyle = this.colours.quiet;
    context.font = `10px ${this.colours.font}`;
    let free = 0;
    this.columns.forEach((column, at) => {
      if (column.sentence === this.columns[at - 1]?.sentence) return;
      const x = at * this.step;
      context.fillRect(Math.round(x), HEAD - 4, 1, 4);
      const name = column.sentence === null ? "end" : String(column.sentence + 1);
      const wide = context.measureText(name).width;
      if (x < free || x + wide + 3 > this.width) return;
      context.fillText(name, x + 3, HEAD - 4);
      free = x + wide + 8;
    });
  }

  #drawLabels(height) {
    const context = prepare(this.labels, LABELS, height);
    context.clearRect(0, 0, LABELS, height);
    context.font = `13px ${this.colours.font}`;
    context.textBaseline = "middle";
    context.textAlign = "right";
    this.reading.words.forEach((word, at) => {
      context.fillStyle = this.colours.ink;
      const y = HEAD + (at + 0.5) * ROW;
      context.fillText(shortened(word.text, 15), LABELS - 8, y, LABELS - 12);
    });
  }

  /** Outlines what is chosen, and the cursor while it has the focus. */
  mark(chosen = this.chosen) {
    this.chosen = chosen;
    if (!this.step) return;
    const { step, width, cursor } = this;
    const rows = this.reading.words.length;
    const count = chosen && chosen.to - chosen.from + 1;
    let box = null;
    if (chosen?.side === "summary")
      box = { left: 0, top: HEAD + chosen.from * ROW, width, height: count * ROW };
    else if (chosen && !this.isBySentence)
      box = { left: chosen.from * step, top: HEAD, width: Math.max(3, count * step), height: rows * ROW };
    outline(this.chosenBox, box);
    const cell = { left: cursor.column * step - 3, top: HEAD + cursor.word * ROW, width: step + 6, height: ROW };
    outline(this.cursorBox, this.hasCursor() ? cell : null);
  }

  hasCursor() {
    return this.isPointed || this.root.getRootNode().activeElement === this.canvas;
  }

  #point(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - left) / this.step);
    const word = Math.floor((event.clientY - top - HEAD) / ROW);
    if (!this.columns[column] || !this.reading.words[word]) return;
    this.isPointed = true;
    this.cursor = { word, column };
    this.#tell();
    this.isPointed = false;
  }

  #key(event) {
    if (event.key === "Escape") return this.listener.clear();
    if (event.key === "+" || event.key === "=") return this.setZoom(this.zoom + 1);
    if (event.key === "-") return this.setZoom(this.zoom - 1);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      return this.listener.pin(this.cursor.word);
    }
    const across = { ArrowLeft: -1, ArrowRight: 1, PageUp: -PAGE, PageDown: PAGE }[event.key];
    const down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const end = { Home: -Infinity, End: Infinity }[event.key];
    if (across === undefined && down === undefined && end === undefined) return;
    event.preventDefault();
    const within = (value, count) => Math.max(0, Math.min(count - 1, value));
    this.cursor.column = within(this.cursor.column + (end ?? across ?? 0), this.columns.length);
    this.cursor.word = within(this.cursor.word + (down ?? 0), this.reading.words.length);
    this.#keepInView();
    this.#tell();
  }

  #keepInView() {
    const x = this.cursor.column * this.step;
    const { clientWidth, scrollLeft } = this.scroller;
    if (x < scrollLeft || x > scrollLeft + clientWidth - this.step)
      this.scroller.scrollLeft = x - clientWidth / 2;
  }

  #tell() {
    if (!this.reading) return;
    this.listener.cell(this.cursor.word, this.columns[this.cursor.column]);
    this.mark();
  }
}

function byPlace(reading) {
  const width = reading.places.length;
  const columns = reading.places.map(({ sentence }, place) => ({
    sentence,
    place,
    value: (word) => reading.weights[word * width + place],
  }));
  return withSpecial(reading, columns);
}

function bySentence(reading) {
  const sums = reading.words.map((_, word) => reading.bySentence(reading.row(word, word)));
  const columns = reading.sentences.map((_, sentence) => ({
    sentence,
    place: null,
    value: (word) => sums[word][sentence],
  }));
  return withSpecial(reading, columns);
}

/** What has no text stays in the picture: without it no row would add up. */
function withSpecial(reading, columns) {
  if (!reading.special) return columns;
  const value = (word) => reading.special[word];
  return [...columns, { sentence: null, place: null, value }];
}

/** Any colour that CSS knows, as the bytes of a pixel. */
function pixelOf(context, colour) {
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0];
}

/** Lays an outline around a part of the picture; hides it where there is none. */
function outline(element, box) {
  element.hidden = !box;
  if (!box) return;
  element.style.transform = `translate(${box.left}px, ${box.top}px)`;
  for (const side of ["width", "height"]) element.style[side] = `${box[side]}px`;
}

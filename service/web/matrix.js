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
    this.marks = make("canvas", { class: "marks", "aria-hidden": "true" });
    this.scroller = make(
      "div",
      { class: "cell-scroller" },
      make("div", { class: "cell-layers" }, this.canvas, this.marks),
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
    const rows = words.map((_, word) => this.columns.map((column) => column.value(word)));
    const scale = rows.flat().reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const data = context.createImageData(image.width, image.height);
    const rgb = { mark: rgbOf(context, this.colours.mark), negative: rgbOf(context, this.colours.negative) };
    rows.flat().forEach((value, at) => {
      const alpha = Math.abs(value) < 0.001 * scale ? 0 : 255 * opacityOf(value, scale);
      data.data.set([...(value < 0 ? rgb.negative : rgb.mark), alpha], 4 * at);
    });
    context.putImageData(data, 0, 0);
    this.scale = scale;
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
    const height = HEAD + this.reading.words.length * ROW;
    const context = prepare(this.marks, this.width, height);
    context.clearRect(0, 0, this.width, height);
    context.strokeStyle = this.colours.accent;
    context.lineWidth = 1.5;
    if (chosen?.side === "summary") {
      const tall = (chosen.to - chosen.from + 1) * ROW;
      context.strokeRect(0.75, HEAD + chosen.from * ROW + 0.75, this.width - 1.5, tall - 1.5);
    } else if (chosen && !this.isBySentence) {
      const wide = Math.max(3, (chosen.to - chosen.from + 1) * this.step);
      context.strokeRect(chosen.from * this.step, HEAD, wide, height - HEAD);
    }
    if (!this.hasCursor()) return;
    context.strokeStyle = this.colours.ink;
    context.lineWidth = 2;
    const x = this.cursor.column * this.step;
    const y = HEAD + this.cursor.word * ROW;
    context.strokeRect(x - 2, y + 1, Math.max(4, this.step + 4), ROW - 2);
  }

  hasCursor() {
    const root = /** @type {ShadowRoot} */ (this.root.getRootNode());
    return this.isPointed || root.activeElement === this.canvas;
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

/** Any colour that CSS knows, as three numbers. */
function rgbOf(context, colour) {
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  context.clearRect(0, 0, 1, 1);
  return [red, green, blue];
}

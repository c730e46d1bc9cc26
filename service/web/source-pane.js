/** The text as it was sent, with its words as places that light up, and where reading stopped. */
import { make, opacityOf, prepare } from "./dom.js";
import { lit } from "./reading.js";
import { WordList, light } from "./words.js";

const CUT = "reading stopped here";

export class SourcePane {
  constructor(listener) {
    this.words = make("div", {
      class: "text",
      role: "listbox",
      "aria-label": "Words of the text: choose one to see which words of the summary looked at it",
      "aria-multiselectable": "true",
      dir: "auto",
    });
    this.root = make("div", { class: "source" }, this.words);
    this.list = new WordList(this.words, listener, { isDraggable: false });
    this.top = 0; // kept, since to ask for it would make the browser lay out everything
    const keepTop = () => (this.top = this.root.scrollTop);
    this.root.addEventListener("scroll", keepTop, { passive: true });
    this.sentences = [];
  }

  /** `read`: the parts of the text that the model read. */
  show(reading, read) {
    this.reading = reading;
    this.read = read;
    this.lit = [];
    this.marked = [];
    this.items = [];
    this.cursor = 0;
    this.next = 0;
    const { sentences, text } = reading;
    const pieces = document.createDocumentFragment();
    this.sentences = sentences.map((sentence, number) => {
      const end = sentences[number + 1]?.start ?? text.length;
      const element = make("span", { role: "group", "aria-label": `Sentence ${number + 1}` });
      element.className = "sentence";
      if (number === 0) this.#plain(pieces, sentence.start);
      this.#fill(element, sentence.end);
      pieces.append(element);
      this.#plain(pieces, end); // the blanks between two sentences
      return element;
    });
    if (!sentences.length) this.#plain(pieces, text.length);
    this.words.replaceChildren(pieces);
    const { places } = reading;
    this.list.show(this.items, (index) => places[index]?.sentence ?? 0);
    this.remeasure();
  }

  /** Words and what is between them, up to an offset. */
  #fill(parent, end) {
    const { places } = this.reading;
    for (; this.next < places.length && places[this.next].start < end; this.next += 1) {
      const place = places[this.next];
      this.#plain(parent, place.start);
      const from = Math.max(place.start, this.cursor);
      const item = make("span", { class: "word", role: "option", "aria-selected": "false" });
      this.cursor = Math.max(this.cursor, place.end);
      item.textContent = this.reading.text.slice(from, this.cursor);
      this.items.push(item);
      parent.append(item);
    }
    this.#plain(parent, end);
  }

  /** Text without words, pale where the model did not read it. */
  #plain(parent, end) {
    const { text } = this.reading;
    for (const { start, stop, isRead, isCut } of cutUp(this.cursor, end, this.read, text)) {
      if (isCut) parent.append(cutLine());
      const piece = text.slice(start, stop);
      parent.append(isRead ? piece : make("span", { class: "unread" }, piece));
    }
    this.cursor = Math.max(this.cursor, end);
  }

  /** Lights the strongest places. */
  light(values, scale) {
    const { chosen } = lit(values);
    const keep = new Set(chosen.map(({ place }) => place));
    for (const place of this.lit) if (!keep.has(place)) light(this.items[place], 0, 0);
    for (const { place, value } of chosen) light(this.items[place], value, scale);
    this.lit = keep;
  }

  /** Marks the words that were chosen; none with null. */
  choose(from, to) {
    for (const place of this.marked) this.items[place].setAttribute("aria-selected", "false");
    this.marked = [];
    if (from === null) return;
    for (let place = from; place <= to; place += 1) {
      this.items[place].setAttribute("aria-selected", "true");
      this.marked.push(place);
    }
  }

  /** Marks one sentence as the one most looked at; none with null. */
  point(number) {
    if (this.pointed !== undefined) this.sentences[this.pointed]?.classList.remove("best");
    this.pointed = number ?? undefined;
    if (number !== null) this.sentences[number]?.classList.add("best");
  }

  strike(numbers) {
    this.sentences.forEach((element, number) => {
      const isStruck = numbers.has(number);
      element.classList.toggle("struck", isStruck);
      element.setAttribute("aria-label", `Sentence ${number + 1}${isStruck ? ", struck out" : ""}`);
    });
  }

  /** Forgets what was measured, after a change of layout. */
  remeasure() {
    this.boxes = new Map();
    this.known = null;
  }

  /** Where an element is, in pixels from the top of the text; measured once a layout. */
  boxOf(element) {
    if (!this.boxes.has(element))
      this.boxes.set(element, { top: element.offsetTop, tall: element.offsetHeight });
    return this.boxes.get(element);
  }

  /** How tall the text is, and how much of it is in view. */
  get size() {
    return (this.known ??= { all: this.root.scrollHeight, view: this.root.clientHeight });
  }

  /** Scrolls the pane, never the page, until the sentence is in view. */
  reveal(number) {
    const sentence = this.sentences[number];
    const { all, view } = this.size;
    if (!sentence || all <= view) return;
    const { top, tall } = this.boxOf(sentence);
    if (top >= this.top && top + tall <= this.top + view) return;
    this.root.scrollTop = top - Math.min(Math.max(0, view - tall) / 2, view / 3);
  }
}

/** A stretch of text, divided where reading began or stopped. */
function* cutUp(start, end, read, text) {
  let cursor = start;
  for (const part of read) {
    if (part.end <= cursor) continue;
    if (part.start >= end) break;
    if (part.start > cursor) {
      yield { start: cursor, stop: part.start, isRead: isBlank(text, cursor, part.start) };
      cursor = part.start;
    }
    const stop = Math.min(part.end, end);
    yield { start: cursor, stop, isRead: true };
    cursor = stop;
  }
  if (cursor >= end) return;
  const last = read.at(-1);
  const isCut = Boolean(last) && cursor === last.end && text.slice(cursor).trim() !== "";
  yield { start: cursor, stop: end, isRead: isBlank(text, cursor, end), isCut };
}

function isBlank(text, start, end) {
  return text.slice(start, end).trim() === "";
}

function cutLine() {
  return make("span", { class: "cut" }, make("span", {}, CUT));
}

/** The whole text as a strip: where the lit places are, and which part is in view. */
const WIDTH = 22;
const THINNEST = 2;

export class Overview {
  constructor(pane) {
    this.pane = pane;
    this.canvas = make("canvas", { class: "overview", "aria-hidden": "true" });
    this.root = make("div", { class: "overview-room" }, this.canvas);
    this.canvas.addEventListener("pointerdown", (event) => this.#go(event));
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.buttons === 1) this.#go(event);
    });
    pane.root.addEventListener("scroll", () => this.draw(), { passive: true });
  }

  /** Takes other values; to be drawn. */
  show(values, scale) {
    this.marks = lit(values).chosen;
    this.scale = scale;
  }

  draw() {
    const { pane, colours } = this;
    const { all, view } = pane.size;
    if (!this.marks || !view) return;
    const context = prepare(this.canvas, WIDTH, view);
    const factor = view / Math.max(all, view);
    context.clearRect(0, 0, WIDTH, view);
    context.strokeStyle = colours.quiet;
    context.strokeRect(0.5, pane.top * factor + 0.5, WIDTH - 1, view * factor - 1);
    for (const { place, value } of [...this.marks].reverse()) {
      const { top, tall } = pane.boxOf(pane.items[place]);
      context.globalAlpha = opacityOf(value, this.scale);
      context.fillStyle = value < 0 ? colours.negative : colours.mark;
      context.fillRect(4, top * factor, WIDTH - 8, Math.max(THINNEST, tall * factor));
    }
    context.globalAlpha = 1;
  }

  #go(event) {
    const { all, view } = this.pane.size;
    const { top, height } = this.canvas.getBoundingClientRect();
    const middle = ((event.clientY - top) / height) * all;
    this.pane.root.scrollTo({ top: middle - view / 2, behavior: "instant" });
  }
}

/**
 * `<attention-view>`: a summary beside its text, and where the model looked for each word. It asks
 * no network; how it is given an answer, and what it tells of, is in docs/web-page.md.
 */
import { coloursOf, make } from "./dom.js";
import { save } from "./exports.js";
import { cutOf, exportsOf, keyOf, matrixFold, toolsOf } from "./furniture.js";
import { Matrix } from "./matrix.js";
import { readPrediction } from "./reading.js";
import { paint } from "./painting.js";
import { sayCell, sayProbe, tableOf } from "./saying.js";
import { Overview, SourcePane } from "./source-pane.js";
import { SummaryPane } from "./words.js";

export class AttentionView extends HTMLElement {
  constructor() {
    super();
    this.chosen = null;
    this.isPinned = false;
    this.isAbsolute = false;
    this.struck = new Set();
    this.summaryPane = new SummaryPane(this.#listener("summary"));
    this.sourcePane = new SourcePane({
      ...this.#listener("source"),
      strike: (place) => this.#strike(this.reading.places[place].sentence),
    });
    this.overview = new Overview(this.sourcePane);
    this.matrix = new Matrix({
      cell: (word, column) => (this.probe.textContent = sayCell(this.reading, word, column)),
      pin: (word) => this.#pin("summary", word),
      clear: () => this.clear(),
    });
    this.#build();
  }

  connectedCallback() {
    const given = this.querySelector(':scope > script[type="application/json"]');
    if (given && !this.reading) this.data = JSON.parse(given.textContent);
    this.observer = new ResizeObserver(() => this.#measured());
    this.observer.observe(this.sourcePane.root);
    this.observer.observe(this.matrix.root);
    this.themes = ["(prefers-color-scheme: dark)", "(forced-colors: active)"].map((query) => {
      const list = window.matchMedia(query);
      list.addEventListener("change", this.#themed);
      return list;
    });
  }

  disconnectedCallback() {
    this.observer.disconnect();
    for (const list of this.themes) list.removeEventListener("change", this.#themed);
  }

  /** What is shown: the text as it was sent, and one prediction of the answer. */
  set data({ text, prediction, response = prediction }) {
    this.response = response;
    this.prediction = prediction;
    this.struck = new Set();
    this.chosen = null;
    this.isPinned = false;
    this.layer = readPrediction(text, prediction);
  }

  /** Another reading of the same text, say of another method. A choice in the same line stays. */
  set layer(reading) {
    const { chosen } = this;
    const isKept = chosen?.side === "summary" && this.reading.summary === reading.summary;
    this.chosen = isKept ? sameWords(this.reading.words, reading.words, chosen) : null;
    this.isPinned &&= this.chosen !== null;
    this.reading = reading;
    this.frame.hidden = false;
    this.cutNote.textContent = cutOf(this.prediction.source);
    this.summaryPane.show(reading);
    this.sourcePane.show(reading, readParts(reading.text, this.prediction.source));
    this.sourcePane.strike(this.struck);
    this.table.replaceChildren();
    if (this.tableFold.open) this.#fillTable();
    this.overview.colours = coloursOf(this.frame);
    this.#light()();
    this.matrix.show(reading);
  }

  /** `{side: "summary" | "source", from, to}`, or null for the whole line. */
  get selection() {
    return this.chosen;
  }

  /** Chooses words of the summary, and keeps them until Escape. */
  select(from, to = from) {
    if (!this.reading?.words[from] || !this.reading.words[to]) return;
    this.#range("summary", from, to);
    this.summaryPane.list.goTo(from);
  }

  /** Back to the whole line. */
  clear() {
    this.isPinned = false;
    this.chosen = null;
    this.#paint();
  }

  /** Shows sentences as struck out. */
  set struckOut(numbers) {
    this.struck = new Set(numbers);
    this.sourcePane.strike(this.struck);
  }

  /** Scrolls the text to an offset. */
  reveal(offset) {
    const number = this.reading.sentences.findIndex(({ end }) => end > offset);
    this.sourcePane.point(number);
    this.sourcePane.reveal(number);
  }

  // ------------------------------------------------------------------------------- choosing

  #listener(side) {
    return {
      preview: (index) => this.#preview(side, index),
      move: (index) => this.#move(side, index),
      pin: (index) => this.#pin(side, index),
      range: (from, to) => this.#range(side, from, to),
      clear: () => this.clear(),
    };
  }

  #preview(side, index) {
    if (!this.isPinned) this.#choose(side, index, index);
    else if (side !== this.chosen.side) this.#probe(side, index);
  }

  /** An arrow moves the choice, but on the other side of a pinned one it only reads a number. */
  #move(side, index) {
    if (this.isPinned && side !== this.chosen.side) return this.#probe(side, index);
    this.isPinned = false;
    this.#choose(side, index, index);
  }

  #pin(side, index) {
    const { chosen } = this;
    const isSame =
      this.isPinned && chosen.side === side && chosen.from === index && chosen.to === index;
    if (isSame) return this.clear();
    this.isPinned = true;
    this.#choose(side, index, index);
  }

  #range(side, from, to) {
    this.isPinned = true;
    this.#choose(side, Math.min(from, to), Math.max(from, to));
  }

  #choose(side, from, to) {
    this.chosen = { side, from, to };
    this.#paint();
  }

  /** What the pinned choice has on one word of the other side. */
  #probe(side, index) {
    this.probe.textContent = sayProbe(this.reading, this.chosen, side, index);
  }

  #strike(sentence) {
    this.#tell("attention-strike", { sentence });
  }

  // ------------------------------------------------------------------------------- painting

  /** Lights a choice. What is said, measured and scrolled waits until that is painted. */
  #paint() {
    if (!this.reading) return;
    const follow = this.#light();
    requestAnimationFrame(() => setTimeout(() => this.follow === follow && follow()));
  }

  /** Returns what follows. */
  #light() {
    const [sentence, say] = paint(this);
    this.matrix.mark(this.chosen);
    this.probe.textContent = "";
    this.clearButton.disabled = this.chosen === null;
    return (this.follow = () => {
      say();
      this.#tell("attention-select", { ...this.chosen, isPinned: this.isPinned, sentence });
      if (this.chosen?.side === "summary") this.sourcePane.reveal(sentence);
      this.overview.draw();
    });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #measured() {
    this.sourcePane.remeasure();
    this.overview.draw();
    this.matrix.draw();
  }

  #themed = () => {
    if (!this.reading) return;
    this.overview.colours = coloursOf(this.frame);
    this.matrix.image = null;
    this.#measured();
  };

  #fillTable() {
    if (!this.table.firstChild) this.table.append(tableOf(this.reading));
  }

  // ------------------------------------------------------------------------------- building

  #build() {
    this.saying = make("p", { class: "saying", "aria-live": "polite" });
    this.probe = make("p", { class: "probe", "aria-live": "polite" });
    this.ledger = make("p", { class: "ledger" });
    this.cutNote = make("p", { class: "cut-note" });
    this.clearButton = make("button", { type: "button", click: () => this.clear() }, "Clear");
    const region = { class: "table", tabindex: "0", role: "region", "aria-label": "Table" };
    this.table = make("div", region);
    this.tableFold = make("details", {}, make("summary", {}, "Table"), this.table);
    this.tableFold.addEventListener("toggle", () => {
      if (this.tableFold.open && this.reading) this.#fillTable();
    });
    const rescale = (isAbsolute) => {
      this.isAbsolute = isAbsolute;
      this.#paint();
    };
    const main = make(
      "div",
      { class: "main" },
      toolsOf(rescale, this.clearButton),
      this.cutNote,
      make("div", { class: "text-and-map" }, this.sourcePane.root, this.overview.root),
      matrixFold(this.matrix),
      this.tableFold,
      exportsOf((kind) => save(kind, this)),
      make("slot", { name: "below" }),
    );
    const aside = make("div", { class: "aside" }, make("slot", { name: "aside" }));
    this.frame = make(
      "div",
      { class: "frame", hidden: true },
      make("div", { class: "top" }, this.summaryPane.root, keyOf()),
      make("div", { class: "said" }, this.saying, this.ledger, this.probe),
      make("div", { class: "columns" }, main, aside),
    );
    const sheets = ["palette.css", "attention-view.css"].map((name) => {
      const href = new URL(name, import.meta.url).href;
      return make("link", { rel: "stylesheet", href, load: () => this.#themed() });
    });
    this.attachShadow({ mode: "open" }).append(...sheets, this.frame);
  }
}

/** A choice among words that are divided otherwise; null where none of them has its text. */
function sameWords(former, words, { from, to }) {
  const [start, end] = [former[from].start, former[to].end];
  const within = [...words.keys()].filter((at) => words[at].end > start && words[at].start < end);
  return within.length ? { side: "summary", from: within[0], to: within.at(-1) } : null;
}

/** The parts of the text that the model read. */
function readParts(text, source) {
  if (source?.passages) return source.passages;
  return [{ start: 0, end: source?.truncated ? source.used_end : text.length }];
}

if (!customElements.get("attention-view")) customElements.define("attention-view", AttentionView);

/** Lists of words: pointed at, reached by keys and lit; and the line itself. */
import { make } from "./dom.js";
import { FAINTEST } from "./reading.js";

/**
 * Tells its listener of `preview` (a word is pointed at or focused), `move` (reached by an arrow),
 * `pin` (clicked, tapped, or Enter), `range` (a span is chosen), `clear` and `strike`.
 */
export class WordList {
  /** `isDraggable`: dragging chooses a span, and not text as usual. */
  constructor(root, listener, { isDraggable }) {
    this.root = root;
    this.listener = listener;
    this.items = [];
    this.group = () => 0; // the number of an item's group
    this.current = 0;
    this.anchor = 0;
    this.#released();
    root.addEventListener("pointerover", (event) => this.#over(event));
    root.addEventListener("pointerdown", (event) => this.#down(event, isDraggable));
    root.addEventListener("click", (event) => this.#click(event));
    root.addEventListener("focusin", (event) => this.#focusIn(event));
    root.addEventListener("keydown", (event) => this.#key(event));
    // Released anywhere: the drag is over.
    window.addEventListener("pointerup", () => setTimeout(() => this.#released()));
    window.addEventListener("pointercancel", () => this.#released());
  }

  /** Takes other items; `group` gives the number of the group that an item is in. */
  show(items, group) {
    this.items = items;
    this.group = group;
    items.forEach((item, index) => {
      item.dataset.index = String(index);
      item.tabIndex = -1;
    });
    this.current = Math.min(this.current, Math.max(0, items.length - 1));
    this.anchor = this.current;
    if (items.length) items[this.current].tabIndex = 0;
  }

  /** Moves the tab stop, and the focus where it is wanted. */
  goTo(index, { focus = false } = {}) {
    const item = this.items[index];
    if (!item) return;
    const former = this.items[this.current];
    if (former) former.tabIndex = -1;
    item.tabIndex = 0;
    this.current = index;
    if (focus) item.focus();
  }

  #indexOf(event) {
    const item = event.target.closest?.("[data-index]");
    return item && this.root.contains(item) ? Number(item.dataset.index) : null;
  }

  #over(event) {
    const index = this.#indexOf(event);
    if (index === null || event.pointerType === "touch") return;
    if (!this.isDragging) return this.listener.preview(index);
    this.hasDragged ||= index !== this.anchor;
    if (this.hasDragged) this.#extend(index);
  }

  #down(event, isDraggable) {
    const index = this.#indexOf(event);
    this.isByPointer = true;
    if (index === null || event.pointerType === "touch" || event.button !== 0) return;
    this.isDragging = isDraggable && !event.shiftKey;
    if (this.isDragging) this.anchor = index;
  }

  #released() {
    this.isDragging = this.hasDragged = this.isByPointer = false;
  }

  /** Chooses from where a span was begun to here, on whichever side that is. */
  #extend(index) {
    this.goTo(index);
    this.listener.range(this.anchor, index);
  }

  #click(event) {
    const index = this.#indexOf(event);
    if (index === null || this.hasDragged) return;
    if (event.shiftKey) return this.#extend(index);
    this.goTo(index);
    this.anchor = index;
    this.listener.pin(index);
  }

  #focusIn(event) {
    const index = this.#indexOf(event);
    if (index === null || this.isByPointer) return;
    this.goTo(index);
    if (this.isExtending) return;
    this.anchor = index;
    this.listener.preview(index);
  }

  #key(event) {
    if (event.key === "Escape") {
      this.anchor = this.current;
      return this.listener.clear();
    }
    if (event.key === "Delete" && this.listener.strike) return this.listener.strike(this.current);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.anchor = this.current;
      return this.listener.pin(this.current);
    }
    const next = this.#target(event);
    if (next === null) return;
    event.preventDefault();
    if (!event.shiftKey) this.anchor = next;
    this.isExtending = true;
    this.goTo(next, { focus: true });
    this.isExtending = false;
    if (event.shiftKey) this.listener.range(this.anchor, next);
    else this.listener.move(next);
  }

  #target({ key, ctrlKey, altKey, metaKey }) {
    const last = this.items.length - 1;
    const by = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (by && !altKey && !metaKey) {
      if (ctrlKey) return this.#otherGroup(by);
      return Math.max(0, Math.min(last, this.current + by));
    }
    if (key === "ArrowDown") return this.#otherGroup(1);
    if (key === "ArrowUp") return this.#otherGroup(-1);
    if (key === "Home") return 0;
    return key === "End" ? last : null;
  }

  /** The first word of the next group, or of this one, or of the one before. */
  #otherGroup(by) {
    const here = this.group(this.current);
    const firstOf = (group) => {
      const index = this.items.findIndex((_, at) => this.group(at) >= group);
      return index < 0 ? this.items.length - 1 : index;
    };
    if (by > 0) return firstOf(here + 1);
    const first = firstOf(here);
    if (this.current > first || first === 0) return first;
    return firstOf(this.group(first - 1));
  }
}

/** From here on a word counts as copied where only two kinds are told apart. */
export const COPIED = 0.5;
/** Heights of a bar, half a pixel each; three of them share a step of the ramp. */
export const STEPS = 27;

/**
 * Gives an element its light, or takes it away where the value is next to nothing. A step is an
 * attribute that the style sheet knows, so that the browser computes the style of each only once.
 */
export function light(element, value, scale) {
  const size = Math.abs(value);
  const step = size < FAINTEST ? 0 : Math.max(1, Math.min(STEPS, Math.round((STEPS * size) / scale)));
  if (step) element.dataset.light = step;
  else delete element.dataset.light;
  element.classList.toggle("negative", step > 0 && value < 0);
}

export class SummaryPane {
  constructor(listener) {
    this.root = make("div", {
      class: "line",
      role: "listbox",
      "aria-label": "Words of the summary: choose one to see where the model looked",
      "aria-multiselectable": "true",
      "aria-orientation": "horizontal",
      dir: "auto",
    });
    this.list = new WordList(this.root, listener, { isDraggable: true });
  }

  show(reading) {
    const children = [];
    const items = [];
    let cursor = 0;
    for (const word of reading.words) {
      if (word.start > cursor) children.push(reading.summary.slice(cursor, word.start));
      const item = wordElement(word);
      items.push(item);
      children.push(item);
      cursor = word.end;
    }
    children.push(reading.summary.slice(cursor));
    this.root.replaceChildren(...children);
    this.list.show(items, (index) => index);
  }

  /** Marks the words that were chosen; none with null. */
  choose(from, to) {
    this.list.items.forEach((item, index) => {
      const isChosen = from !== null && index >= from && index <= to;
      if (isChosen !== (item.getAttribute("aria-selected") === "true"))
        item.setAttribute("aria-selected", String(isChosen));
    });
  }

  /** Lights words by their values. */
  light(values, scale) {
    this.list.items.forEach((item, index) => light(item, values[index], scale));
    this.isLit = true;
  }

  darken() {
    if (!this.isLit) return;
    this.list.items.forEach((item) => light(item, 0, 0));
    this.isLit = false;
  }
}

function wordElement(word) {
  const share = word.copiedShare;
  const kind = share === null ? null : share >= COPIED ? "copied" : "generated";
  const item = make("span", {
    class: ["word", kind, word.unsupported && "unsupported"].filter(Boolean).join(" "),
    role: "option",
    "aria-selected": "false",
    dir: "auto",
  });
  item.textContent = word.text;
  if (share !== null) item.style.setProperty("--copied", String(share));
  return item;
}

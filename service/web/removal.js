/** "Remove and see": the line that the model writes without some sentences of the text. */
import { make, nats, percent, quoted, shortened, signed } from "./dom.js";
import { part } from "./asides.js";

export class Removal {
  /** `rescore` gives a summary's words under another text, where the service can; else null. */
  constructor({ view, rewrite, rescore }) {
    this.view = view;
    this.rewrite = rewrite;
    this.rescore = rescore;
    this.struck = new Set();
    this.sentence = 0;
    this.name = make("p", { class: "quote", dir: "auto" });
    this.button = make("button", { type: "button", click: () => this.toggle(this.sentence) });
    this.reset = make("button", { type: "button", click: () => this.putBack() }, "Put all back");
    this.answer = make("div", { class: "answer", "aria-live": "polite" });
    this.words = make("div", { class: "answer" });
    const note = make(
      "p",
      { class: "note" },
      "See what the model writes without a sentence. In the text, Delete strikes one out.",
    );
    const row = make("div", { class: "row" }, this.button, this.reset);
    this.root = part("Remove and see", note, this.name, row, this.answer, this.words);
    this.point(0);
  }

  /** Another sentence is the one most looked at. */
  point(sentence) {
    const { sentences, text } = this.view.reading;
    this.root.hidden = sentences.length < 2;
    this.sentence = Math.min(sentence, sentences.length - 1);
    const span = sentences[this.sentence];
    if (!span) return;
    const start = shortened(text.slice(span.start, span.end), 70);
    this.name.textContent = `Sentence ${this.sentence + 1} of ${sentences.length}: ${quoted(start)}`;
    this.button.textContent = this.struck.has(this.sentence) ? "Put it back" : "Strike it out";
    this.reset.disabled = !this.struck.size;
  }

  toggle(sentence) {
    if (!this.struck.delete(sentence)) this.struck.add(sentence);
    this.#show();
  }

  putBack() {
    this.struck.clear();
    this.#show();
  }

  async #show() {
    this.view.struckOut = this.struck;
    this.point(this.sentence);
    this.running?.abort();
    this.answer.replaceChildren();
    this.words.replaceChildren();
    if (!this.struck.size) return;
    const rest = this.#rest();
    if (!rest.trim()) return this.#say("No sentence is left.");
    const { signal } = (this.running = new AbortController());
    this.#say("Asking the model …");
    try {
      const former = this.view.prediction;
      const { text } = this.view.reading;
      const [now, before, after] = await Promise.all([
        this.rewrite(rest, signal),
        this.rescore?.(text, former.summary, signal),
        this.rescore?.(rest, former.summary, signal),
      ]);
      this.answer.replaceChildren(...comparison(former, now));
      if (before && after) this.words.append(...probabilities(before.words, after.words));
    } catch (error) {
      if (error.name !== "AbortError") this.#say(`It did not work: ${error.message}.`);
    }
  }

  #say(text) {
    this.answer.replaceChildren(make("p", {}, text));
  }

  /** The text without what is struck out. */
  #rest() {
    const { sentences, text } = this.view.reading;
    let rest = "";
    let cursor = 0;
    for (const number of [...this.struck].sort((a, b) => a - b)) {
      rest += text.slice(cursor, sentences[number].start);
      cursor = sentences[number].end;
    }
    return rest + text.slice(cursor);
  }
}

function comparison(former, now) {
  const isSame = now.summary === former.summary;
  return [
    make("h4", {}, isSame ? "The same line comes out:" : "Another line comes out:"),
    make("p", { class: "quote new", dir: "auto" }, now.summary),
    make("p", { class: "note" }, `Its log probability: ${nats(now.log_prob)}; before: ${nats(former.log_prob)}.`),
  ];
}

/** Word by word, how probable the old line is before and after. */
function probabilities(before, after) {
  const rows = before.map((word, index) => {
    const [old, now] = [Math.exp(word.logProb), Math.exp(after[index].logProb)];
    const lost = after[index].logProb - word.logProb;
    return make(
      "tr",
      { class: lost < -1 ? "lost" : null },
      make("th", { scope: "row", dir: "auto" }, word.text),
      make("td", {}, percent(old)),
      make("td", {}, percent(now)),
      make("td", {}, signed(lost)),
    );
  });
  const heads = ["Word", "Before", "After", "Nats"].map((text) => make("th", { scope: "col" }, text));
  return [
    make("h4", {}, "The old line, word by word:"),
    make(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Probabilities" },
      make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)),
    ),
  ];
}

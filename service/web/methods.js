/** Ways to explain the line, each with what was measured for it; the service has the words. */
import { part } from "./asides.js";
import { make, nats, signed, tame } from "./dom.js";
import { readExplanation } from "./explained.js";
import { readMatrix, readPrediction } from "./reading.js";
import { explain, predict } from "./service.js";

const NAMES = {
  attention: "attention",
  copy_split: "exact copy split",
  source_reliance: "reliance on the text",
  gradient: "gradient",
  self_attention: "self-attention of the encoder",
  leave_one_out: "leave one out",
  ablation: "random removals",
};
/** These say one thing of all that they are asked about; the others say something of each word. */
const ABOUT_A_TARGET = new Set(["gradient", "leave_one_out", "ablation"]);
const FIGURES = {
  comprehensiveness_area: "Comprehensiveness",
  normalised_comprehensiveness: "Of the best order",
  sentence_tau: "Tau by sentence",
  word_tau: "Tau by word",
  copied_share_tau: "Tau with the copied share",
};
const UNITS = { sentence: "sentences", word: "words of the three strongest sentences" };

/** What `/info` offers, or null where the service explains nothing. */
export function methodsOf(info) {
  return info.explanations?.methods?.length ? info.explanations : null;
}

export class Methods {
  /** `asked`: the options of the prediction; `offered`: what `/info` says. */
  constructor({ view, text, prediction, asked, offered }) {
    Object.assign(this, { view, text, prediction, asked, offered });
    this.current = "attention";
    this.select = make(
      "select",
      { change: () => this.choose(this.select.value), "aria-label": "Method" },
      ...offered.methods.map(({ method }) =>
        make("option", { value: method }, NAMES[method] ?? method),
      ),
    );
    this.layer = this.#number("Layer", offered.num_layers);
    this.head = this.#number("Head", offered.num_heads);
    this.layers = make("div", { class: "row", hidden: true }, this.layer.label, this.head.label);
    this.units = make("select", { "aria-label": "Unit", change: () => this.#show(), hidden: true });
    this.evidence = make("div", { class: "answer", "aria-live": "polite" });
    this.audit = make("p", { class: "note", "aria-live": "polite" });
    const note = make(
      "p",
      { class: "note" },
      "Some methods speak of the line as a whole, or of the words that are chosen in it.",
    );
    const audit = make("button", { type: "button", click: () => this.#audit() }, "Test the attention on this text");
    this.root = part(
      "Method",
      ...[this.select, this.layers, this.units, this.evidence, note, audit, this.audit],
      ...(offered.refused ?? []).map(refusal),
    );
    this.choose("attention");
  }

  /** Asks for a method and shows it in the view. */
  async choose(name) {
    const known = this.offered.methods.find(({ method }) => method === name);
    if (!known) return;
    this.select.value = name;
    this.layers.hidden = name !== "self_attention";
    this.units.hidden = true;
    this.running?.abort();
    const { signal } = (this.running = new AbortController());
    const target = ABOUT_A_TARGET.has(name) ? this.#target() : undefined;
    this.#say(known.slow ? "Asking; this takes a while …" : "Asking …");
    try {
      const [explained] = (await explain(this.text, this.#request(name, target), signal)).predictions;
      this.current = name;
      this.explained = explained;
      const units = explained.explanations.map(({ unit }) => unit);
      this.units.replaceChildren(
        ...units.map((unit, at) => make("option", { value: String(at) }, UNITS[unit] ?? unit)),
      );
      this.units.hidden = units.length < 2;
      this.#show();
    } catch (error) {
      if (error.name !== "AbortError") this.#say(`It did not work: ${error.message}.`);
    }
  }

  /** Another line of the search in the view, or the first one again. */
  async lookAt(summary) {
    this.summary = summary === this.prediction.summary ? null : summary;
    await this.choose("attention");
  }

  /** How probable a line is under another text, word by word. */
  async score(text, summary, signal) {
    const options = { ...this.#common(), methods: ["attention"], summary };
    const [prediction] = (await explain(text, options, signal)).predictions;
    const { summary_tokens: summaryColumns, source_units: sourceColumns } = prediction;
    const rows = summaryColumns.start.map(() => []);
    return readMatrix({ text, prediction, rows, summaryColumns, sourceColumns });
  }

  #common() {
    const { style, truncation, unit } = this.asked;
    return { style, truncation, unit };
  }

  #request(name, target) {
    const { candidates, key_sentences, ...search } = this.asked;
    const own = this.summary && { ...this.#common(), summary: this.summary };
    const place = name === "self_attention" && {
      layer: this.layer.field.valueAsNumber - 1,
      head: this.head.field.valueAsNumber - 1,
    };
    return { ...(own ?? search), ...place, target, methods: [name] };
  }

  #target() {
    const { selection, reading } = this.view;
    if (selection?.side !== "summary") return undefined;
    return { start: reading.words[selection.from].start, end: reading.words[selection.to].end };
  }

  #show() {
    const explanation = this.explained.explanations[Number(this.units.value || 0)];
    this.evidence.replaceChildren(...evidenceOf(explanation));
    const reading = this.#readingOf(explanation);
    if (reading) this.view.layer = reading;
    else {
      this.evidence.append(wordScores(explanation.rows ?? []));
      if (!this.summary) this.view.layer = readPrediction(this.text, this.prediction);
    }
  }

  #readingOf(explanation) {
    const isShown = explanation.method === "attention" && !this.summary;
    if (!isShown) return readExplanation(this.text, this.explained, explanation);
    // The whole matrix is here already; the answer has its strongest weights only.
    return readPrediction(this.text, this.prediction);
  }

  async #audit() {
    this.audit.textContent = "Asking …";
    const options = { ...this.asked, attention: "none", candidates: 1, key_sentences: 0, audit: true };
    try {
      const [{ audit }] = (await predict(this.text, options)).predictions;
      this.audit.textContent =
        `Without the five words most looked at, the log probability of the line changes by ${nats(audit.top5_removed)}; ` +
        `without five random words by ${nats(audit.random5_removed)}.`;
    } catch (error) {
      this.audit.textContent = `It did not work: ${error.message}.`;
    }
  }

  /** A choice among layers or heads. People count from 1, the service from 0. */
  #number(name, count) {
    const field = make("input", {
      type: "number",
      min: 1,
      max: count,
      value: 1,
      change: () => this.choose("self_attention"),
    });
    return { field, label: make("label", {}, `${name} `, field) };
  }

  #say(text) {
    this.evidence.replaceChildren(make("p", {}, text));
  }
}

/** The phrase that the method has earned, and the figures that it earned it by. */
function evidenceOf({ evidence, held_out_fit: fit, error }) {
  const figures = [];
  if (evidence.measurable === false) figures.push("It ranks nothing, so that no figure can judge it.");
  else if (!evidence.measured) figures.push("Not measured on this model.");
  else if (evidence.documents)
    figures.push(`Measured on ${evidence.documents} texts of up to ${evidence.longest_text ?? "?"} tokens.`);
  const interval = (name, figure) => {
    if (typeof figure?.mean !== "number") return;
    figures.push(`${name} ${signed(figure.mean)} (${signed(figure.low)} to ${signed(figure.high)}).`);
  };
  for (const [key, name] of Object.entries(FIGURES)) interval(name, evidence[key]);
  for (const [name, least] of Object.entries(evidence.advantage ?? {}))
    figures.push(`More than ${name} by ${signed(least)} at least.`);
  if (evidence.sane === false) figures.push("It did not pass the test with shuffled weights.");
  if (typeof fit === "number") figures.push(`Fit on removals that it has not seen: ${signed(fit)}.`);
  if (typeof error === "number") figures.push(`Largest error: ${error.toExponential(0)}.`);
  return [
    make("p", { class: "phrase" }, evidence.phrase),
    make("p", { class: "note lines" }, figures.join("\n")),
  ];
}

/** A method that was measured and is not served. */
function refusal({ method, reason }) {
  return make("p", { class: "note" }, `Not offered: ${NAMES[method] ?? tame(method)}; ${tame(reason)}.`);
}

/** Scores of words of the line, where a method says nothing of places. */
function wordScores(rows) {
  const scored = rows.filter(({ token, score }) => token && typeof score === "number");
  const most = Math.max(...scored.map(({ score }) => Math.abs(score)), 1e-9);
  const items = scored.map(({ token, score }) => {
    const bar = make("span", { "aria-hidden": "true" });
    bar.style.setProperty("--share", String(Math.max(0, score) / most));
    return make("li", { class: "meter" }, make("bdi", {}, tame(token)), bar, nats(score));
  });
  return make("ol", { class: "plain tight" }, ...items);
}

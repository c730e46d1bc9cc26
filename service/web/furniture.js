/** What stands around the words of the view: the key, the shares, tools and folds. */
import { make, percent } from "./dom.js";
import { amount, shares } from "./saying.js";

/** What the marks under the line mean. */
export function keyOf() {
  const sample = (kind, text) => make("span", { class: `sample ${kind}` }, text);
  return make(
    "p",
    { class: "key" },
    make("span", { class: "notice" }, "Machine-written, check names."),
    sample("copied", "copied"),
    sample("generated", "generated"),
    sample("unsupported", "a name or number that the text does not have"),
  );
}

/** The shares as a bar and as words: what is lit, what is elsewhere, what has no text. */
export function ledgerOf(reading, from, to, values, scale) {
  const legend = make("span", {}, `Full bar: ${amount(reading, scale)}`);
  if (!reading.isShare || to < from) return [legend];
  if (reading.inner) return [];
  const { lit, elsewhere, special } = shares(reading, from, to, values);
  const together = reading.rest ?? "elsewhere, with the end mark";
  const parts = [
    ["lit", lit, reading.verb ?? "on lit words"],
    ["elsewhere", elsewhere, special === null ? together : "elsewhere"],
  ];
  if (special !== null) parts.push(["special", special, "on the end mark"]);
  const bar = make("span", { class: "shares", "aria-hidden": "true" });
  for (const [name, share] of parts) {
    const piece = make("span", { class: name });
    piece.style.flexGrow = String(share);
    bar.append(piece);
  }
  const texts = parts.map(([name, share, text]) =>
    make("span", { class: `share ${name}` }, `${percent(share)} ${text}`),
  );
  return [bar, ...texts, legend];
}

/** What of the text was read, if not all. */
export function cutOf(source) {
  if (!source?.truncated) return "";
  const [part, verb] = source.passages ? ["its best sentences", "were"] : ["its beginning", "was"];
  const [used, all] = [source.used_tokens, source.tokens].map((count) => count.toLocaleString("en"));
  return `The text is long: only ${part} ${verb} read, ${used} of ${all} tokens. What is pale was not.`;
}

/** A choice with its label. */
function choice(label, options, listener) {
  const select = make(
    "select",
    { change: () => listener(select.value) },
    ...Object.entries(options).map(([value, text]) => make("option", { value }, text)),
  );
  return make("label", {}, `${label} `, select);
}

export function toolsOf(rescale, clearButton) {
  const scales = { row: "strongest word", all: "all attention" };
  return make(
    "div",
    { class: "tools" },
    make("slot", { name: "tools" }),
    choice("A full bar is", scales, (value) => rescale(value === "all")),
    clearButton,
  );
}

export function exportsOf(save) {
  const buttons = ["SVG", "PNG", "CSV", "JSON"].map((kind) => {
    const attributes = { type: "button", "aria-label": `Save as ${kind}`, click: () => save(kind) };
    return make("button", attributes, kind);
  });
  const label = make("span", { "aria-hidden": "true" }, "Save as");
  return make("div", { class: "exports", role: "group", "aria-label": "Save" }, label, ...buttons);
}

export function matrixFold(matrix) {
  const zoom = (label, name, by) => {
    const click = () => matrix.setZoom(matrix.zoom + by);
    return make("button", { type: "button", "aria-label": name, click }, label);
  };
  const tools = make(
    "div",
    { class: "tools" },
    choice("Columns are", { word: "words", sentence: "sentences" }, (value) =>
      matrix.setBySentence(value === "sentence"),
    ),
    make(
      "span",
      { class: "zoom", role: "group", "aria-label": "Zoom" },
      zoom("−", "Smaller", -1),
      zoom("+", "Larger", 1),
    ),
    make("span", { class: "note" }, "A row for each word of the line. The numbers are sentences."),
  );
  const fold = make("details", { open: true }, make("summary", {}, "Matrix"), tools, matrix.root);
  fold.addEventListener("toggle", () => matrix.draw());
  return fold;
}

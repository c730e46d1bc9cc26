/** The page at `/`: a form, an answer, and what may be asked about it. */
import "./attention-view.js";
import { candidatesOf, keySentencesOf, linkPart, meaningOf, stateOf } from "./asides.js";
import { make } from "./dom.js";
import { Methods, methodsOf } from "./methods.js";
import { Removal } from "./removal.js";
import { get, predict } from "./service.js";

const element = (id) => document.getElementById(id);
const view = element("view");

/** About no real person. */
const EXAMPLE = `The Department of Transport announced today that it will award 48 million dollars to repair 120 bridges in rural counties. The grants will go to 34 counties, and most of the work is expected to begin next spring. Officials said that the oldest of the bridges was built in 1921 and has been closed to heavy trucks since 2019.

The department received 210 applications, and a panel of engineers ranked them by traffic, condition and the length of the detour.`;

const RETRY_MS = 3000;
const LARGEST_FILE = 2 ** 20;
const FIELDS = ["style", "length", "case", "truncation", "unit"];
const LENGTHS = {
  short: (model) => ({ length_penalty: 0, max_new_tokens: Math.min(16, model.max_summary_tokens) }),
  usual: () => ({}),
  long: (model) => ({
    length_penalty: 3,
    min_new_tokens: Math.min(24, Math.floor(0.4 * model.max_summary_tokens)),
  }),
};

let info = null;
let running = null;
let shown = null;
let wanted = {};
let isAwaited;

function optionsOf() {
  const { length, ...fields } = Object.fromEntries(FIELDS.map((name) => [name, element(name).value]));
  return { ...LENGTHS[length](info.model), ...fields, candidates: 3, key_sentences: 3 };
}

/** As soon as there is a model. */
function ask() {
  if (info) return summarize(element("text").value, optionsOf(), element("length").value);
  isAwaited = true;
}

async function summarize(text, options, length) {
  running?.abort();
  const { signal } = (running = new AbortController());
  say("Reading and writing …");
  element("submit").setAttribute("aria-busy", "true");
  try {
    const response = await predict(text, options, signal);
    const { note = "" } = wanted;
    show(text, options, response);
    shown.length = length;
    say(note);
  } catch (error) {
    if (error.name !== "AbortError") complain(error);
  } finally {
    if (signal === running.signal) element("submit").removeAttribute("aria-busy");
  }
}

function say(text) {
  element("status").textContent = text;
  element("problem").textContent = "";
}

function complain(error) {
  say("");
  element("problem").textContent = `No summary: ${error.message}.`;
}

function show(text, options, response) {
  const [prediction] = response.predictions;
  shown = { text, options, prediction };
  element("result").hidden = false;
  element("about-text").textContent = `${text.length.toLocaleString("en")} characters`;
  element("compose").open = false;
  const warnings = prediction.warnings.map((name) => make("li", {}, meaningOf(name)));
  element("warnings").replaceChildren(...warnings);
  view.data = { text, prediction, response };
  showAside();
  if (wanted.t) view.select(...wanted.t.split("-").map(Number));
  if (wanted.m) shown.methods?.choose(wanted.m);
  wanted = {};
  element("line").focus({ preventScroll: true });
  element("result").scrollIntoView({ block: "start" });
}

function showAside() {
  const { text, options, prediction } = shown;
  const offered = methodsOf(info);
  const rewrite = async (rest, signal) => {
    const asked = { ...options, attention: "none", candidates: 1, key_sentences: 0 };
    return (await predict(rest, asked, signal)).predictions[0];
  };
  shown.methods = offered && new Methods({ view, text, prediction, asked: options, offered });
  const rescore = offered && ((rest, summary, signal) => shown.methods.score(rest, summary, signal));
  shown.removal = new Removal({ view, rewrite, rescore });
  const look = offered && ((summary) => shown.methods.lookAt(summary));
  const place = (id, parts) => element(id).replaceChildren(...parts.filter(Boolean));
  place("aside", [candidatesOf(prediction, look), shown.methods?.root, shown.removal.root]);
  place("below", [
    keySentencesOf(prediction, (start) => view.reveal(start)),
    linkPart(() => ({ state: stateNow(), text })),
  ]);
}

function stateNow() {
  const { side, from, to } = view.selection ?? {};
  const fields = FIELDS.map((name) => [name, shown.options[name]]);
  return {
    ...Object.fromEntries(fields),
    length: shown.length,
    t: side === "summary" ? `${from}-${to}` : undefined,
    m: shown.methods?.current,
    model: info.model.version,
  };
}

async function learn() {
  try {
    info = await get("info");
  } catch (error) {
    say(`Waiting for the model: ${error.message}.`);
    setTimeout(learn, RETRY_MS);
    return;
  }
  say("");
  const { model } = info;
  const styles = model.styles.map((name) =>
    make("option", { value: name, selected: name === model.default_style }, name.replaceAll("_", " ")),
  );
  element("style").replaceChildren(...styles);
  element("model").textContent = `Model ${model.name} ${model.version} (${model.sha256.slice(0, 8)})`;
  await open();
  if (isAwaited && !running) ask();
}

/** What the address says. */
async function open() {
  const state = await stateOf(location.hash);
  for (const name of FIELDS) {
    const field = element(name);
    if ([...field.options].some(({ value }) => value === state[name])) field.value = state[name];
  }
  const { version } = info.model;
  const isOther = state.model && state.model !== version;
  wanted = {
    t: /^\d+-\d+$/.test(state.t ?? "") && !isOther ? state.t : undefined,
    m: state.m,
    note: isOther ? `The link is of model ${state.model}, this is ${version}.` : "",
  };
  if (state.text) {
    element("text").value = state.text;
    await ask();
  } else if (state.t) say("The link holds no text: paste it here to see what it shows.");
}

function listen() {
  element("form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  element("unit").addEventListener("change", () => {
    if (shown) summarize(shown.text, { ...shown.options, unit: element("unit").value }, shown.length);
  });
  element("example").addEventListener("click", () => {
    element("text").value = EXAMPLE;
    ask();
  });
  element("file").addEventListener("change", (event) => take(event.target.files[0]));
  element("form").addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  element("form").addEventListener("drop", (event) => {
    const [file] = event.dataTransfer.files;
    if (!file) return; // text drops into the field by itself
    event.preventDefault();
    take(file);
  });
  view.addEventListener("attention-select", (event) => {
    if (shown?.removal) shown.removal.point(event.detail.sentence);
  });
  view.addEventListener("attention-strike", (event) => shown.removal.toggle(event.detail.sentence));
  window.addEventListener("hashchange", () => {
    if (info && location.hash.includes("=")) open();
  });
}

async function take(file) {
  if (!file) return;
  if (file.size > LARGEST_FILE) return complain(new Error("the file is larger than a mebibyte"));
  element("text").value = await file.text();
  say(`Took the text of a file of ${file.size.toLocaleString("en")} bytes.`);
}

listen();
learn();

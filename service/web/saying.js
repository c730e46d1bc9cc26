/** The view in words: its sentences, and a table. Attention is where the model looked; nothing here claims more. */
import { make, nats, percent, quoted, shortened, signed, tame } from "./dom.js";
import { lit } from "./reading.js";

const NAMED = 3;

/** A number in the unit of the reading. */
export function amount(reading, value) {
  if (reading.isShare) return percent(value);
  return reading.unit === "nats" ? nats(value) : value.toPrecision(2);
}

/** What was chosen, where it looked, and what is not shown. */
export function sayRow(reading, from, to, values) {
  if (reading.inner) return "Choose a word of the text to see where the encoder looked from it.";
  const { chosen } = lit(values);
  const isAll = from === 0 && to === reading.words.length - 1;
  const subject = reading.isPerWord ? named(reading, from, to, isAll) : asked(reading);
  const rest = sayRest(reading, from, to, values);
  const said = `${subject}: ${lookedAt(reading, chosen, values)}${rest && `; ${rest}`}.`;
  // A phrase speaks of one word: of a mean over several it would not be true.
  const isOfOne = from === to || !reading.isPerWord;
  return chosen.length && isOfOne ? said + earned(reading, chosen[0]) : said;
}

/** What a method that speaks of the line as a whole was asked about. */
function asked(reading) {
  return reading.subject ? quoted(shortened(reading.subject, 60)) : "The whole line";
}

/** The phrase that the method has earned, with the number of the strongest place in it. */
function earned({ phrase, unit, places }, { place, value }) {
  if (!phrase?.includes("…")) return "";
  const number = unit === "share" ? Math.round(100 * value) : signed(value, 1);
  return ` ${quoted(shortened(places[place].text, 40))}: ${phrase.replace("…", number)}.`;
}

/** From places of the text to others, inside the encoder. */
export function sayInner(reading, from, to, values) {
  const span = reading.text.slice(reading.places[from].start, reading.places[to].end);
  const names = strongest(reading, values);
  const where = names.length ? `mainly at ${listed(names)}` : "at no listed word";
  return `From ${quoted(shortened(span, 60))} the encoder looked ${where}.`;
}

/** The names of the places with the largest values. */
function strongest(reading, values) {
  const { chosen } = lit(values);
  return chosen.slice(0, NAMED).map(({ place, value }) => placeName(reading, place, value));
}

function named(reading, from, to, isAll) {
  if (isAll) return "The whole line";
  if (from === to) {
    const word = reading.words[from];
    const copied = word.copiedShare === null ? "" : `, ${percent(word.copiedShare)} copied`;
    return `${quoted(word.text)}, ${from + 1} of ${reading.words.length}${copied}${unsupported(word, ", ")}`;
  }
  const span = reading.summary.slice(reading.words[from].start, reading.words[to].end);
  return `${quoted(shortened(span, 60))}, ${from + 1} to ${to + 1} of ${reading.words.length}`;
}

function lookedAt(reading, chosen, values) {
  if (!chosen.length) return reading.isShare ? "looked at no word of the text" : "no effect seen";
  const where = bestSentence(reading, values);
  const verb = reading.isShare ? reading.verb ?? "looked mainly at" : "highest for";
  const sentence = reading.sentences.length > 1 && reading.isShare ? ` mostly in sentence ${where + 1}` : "";
  return `${verb} ${listed(strongest(reading, values))}${sentence && `,${sentence}`}`;
}

function placeName(reading, place, value) {
  if (reading.isBySentence)
    return `sentence ${reading.places[place].sentence + 1} (${amount(reading, value)})`;
  return `${quoted(shortened(reading.places[place].text, 40))} (${amount(reading, value)})`;
}

/** The sentence with the largest sum. */
export function bestSentence(reading, values) {
  const sums = reading.bySentence(values);
  return sums.reduce((best, sum, at) => (sum > sums[best] ? at : best), 0);
}

/** What is lit, and what that leaves: elsewhere in the text, and on marks without text. */
export function shares(reading, from, to, values) {
  // Of a split everything that was copied is told from what was generated, lit or not.
  const sum = reading.rest ? values.reduce((all, value) => all + value, 0) : lit(values).sum;
  const special = reading.specialShare(from, to);
  return { lit: sum, special, elsewhere: Math.max(0, 1 - sum - (special ?? 0)) };
}

function sayRest(reading, from, to, values) {
  if (!reading.isShare) return "";
  const { special, elsewhere } = shares(reading, from, to, values);
  if (reading.rest) return `${percent(elsewhere)} ${reading.rest}`;
  if (special === null) return `${percent(elsewhere)} elsewhere or on the end mark`;
  return `${percent(elsewhere)} elsewhere, ${percent(special)} on the end mark`;
}

/** The other direction: which words of the line looked at a part of the text. */
export function sayColumn(reading, from, to, values) {
  const first = reading.places[from];
  const span = reading.text.slice(first.start, reading.places[to].end);
  const { chosen } = lit(values);
  const where = `${quoted(shortened(span, 60))} in sentence ${first.sentence + 1}`;
  if (!chosen.length) return `${where}: ${reading.isPerWord ? "no word of the line looked at it" : "0"}.`;
  if (!reading.isPerWord) return `${where}: ${amount(reading, values[0])}.`;
  const names = chosen
    .slice(0, NAMED)
    .map(({ place, value }) => `${quoted(reading.words[place].text)} (${amount(reading, value)})`);
  return `${where}: ${reading.verb ? "copied to" : "looked at by"} ${listed(names)}.`;
}

/** What the pinned choice has on one word of the other side. */
export function sayProbe(reading, { from, to }, side, index) {
  const isSource = side === "source";
  const values = isSource ? reading.row(from, to) : reading.column(from, to);
  const { text } = (isSource ? reading.places : reading.words)[index];
  return `${quoted(text)}: ${amount(reading, values[index])}.`;
}

/** One cell of the matrix. */
export function sayCell(reading, word, { place, sentence, value }) {
  const end = sentence === null ? "the end mark" : `sentence ${sentence + 1}`;
  const where = place === null ? end : quoted(reading.places[place].text);
  return `${quoted(reading.words[word].text)} and ${where}: ${amount(reading, value(word))}.`;
}

function listed(names) {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

// ------------------------------------------------------------------------------- table

const TOP = 5;

export function tableOf(reading) {
  const most = reading.isShare ? "Looked at most" : "Strongest places";
  const heads = ["Word", "Copied", "Log probability", most];
  if (reading.isShare) heads.push("Elsewhere", "On the end mark");
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  const rows = reading.words.map((_, index) => rowOf(reading, index));
  return make(
    "table",
    {},
    make("caption", {}, `Each word of the summary, and the ${TOP} strongest places of the text`),
    make("thead", {}, head),
    make("tbody", {}, ...rows),
  );
}

function rowOf(reading, index) {
  const word = reading.words[index];
  const values = reading.row(index, index);
  const cells = [
    make("th", { scope: "row", dir: "auto" }, tame(word.text), make("span", { class: "note" }, unsupported(word, " – "))),
    cell(word.copiedShare === null ? "–" : percent(word.copiedShare)),
    cell(word.logProb === null ? "–" : signed(word.logProb)),
    make("td", {}, placesOf(reading, values)),
  ];
  if (reading.isShare) {
    const { elsewhere, special } = shares(reading, index, index, values);
    cells.push(cell(percent(elsewhere)), cell(special === null ? "in elsewhere" : percent(special)));
  }
  return make("tr", {}, ...cells);
}

/** What the service says of a word that the text does not have. */
function unsupported(word, before) {
  return word.unsupported ? `${before}a ${word.unsupported} that the text does not have` : "";
}

function placesOf(reading, values) {
  const items = lit(values)
    .chosen.slice(0, TOP)
    .map(({ place, value }) => {
      const { sentence, text } = reading.places[place];
      const word = make("bdi", {}, tame(text));
      return make("li", {}, word, ` ${amount(reading, value)}, sentence ${sentence + 1}`);
    });
  return make("ol", {}, ...items);
}

function cell(text) {
  return make("td", { class: "number" }, text);
}

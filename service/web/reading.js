/**
 * What an answer of the service says, as words, places and the weights between them.
 * Knows nothing of the page. Offsets count UTF-16 code units, as JavaScript does.
 */

/** Enough of a row to see: at most so many places, and at most so much of the row. */
const MOST_LIT = 64;
const LIT_SHARE = 0.95;
export const FAINTEST = 0.002;

export class Reading {
  /** `weights`: words × places, in that order; `special`: of each word, or null. */
  constructor(parts) {
    Object.assign(this, parts);
    this.isShare = this.unit === "share";
  }

  /** The mean of some rows over the places, as the service averages them. */
  row(from, to) {
    const width = this.places.length;
    const values = new Float32Array(width);
    const share = 1 / (to - from + 1);
    for (let word = from; word <= to; word += 1)
      for (let place = 0; place < width; place += 1)
        values[place] += share * this.weights[word * width + place];
    return values;
  }

  /** What each word has on some places together. */
  column(from, to) {
    const width = this.places.length;
    return Float32Array.from(this.words, (_, word) => {
      let sum = 0;
      for (let place = from; place <= to; place += 1) sum += this.weights[word * width + place];
      return sum;
    });
  }

  /** The mean share of some rows on tokens that have no text; null where the answer hides it. */
  specialShare(from, to) {
    if (!this.special) return null;
    let sum = 0;
    for (let word = from; word <= to; word += 1) sum += this.special[word];
    return sum / (to - from + 1);
  }

  /** The sums over each sentence. */
  bySentence(values) {
    const sums = new Float32Array(this.sentences.length);
    values.forEach((value, place) => {
      sums[this.places[place].sentence] += value;
    });
    return sums;
  }
}

const known = new WeakMap();

/** The places to light for some values, the strongest first, and their sum. */
export function lit(values) {
  if (!known.has(values)) known.set(values, strongest(values));
  return known.get(values);
}

function strongest(values) {
  const order = [...values.keys()]
    .filter((place) => Math.abs(values[place]) >= FAINTEST)
    .sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]));
  const all = values.reduce((sum, value) => sum + Math.abs(value), 0);
  const chosen = [];
  let sum = 0;
  for (const place of order) {
    if (chosen.length === MOST_LIT || sum >= LIT_SHARE * all) break;
    chosen.push({ place, value: values[place] });
    sum += Math.abs(values[place]);
  }
  return { chosen, sum };
}

/**
 * From a prediction of `POST /predict` with offsets in UTF-16, asked for with `attention`
 * "matrix" or "sources".
 */
export function readPrediction(text, prediction) {
  const { attention } = prediction;
  if (!attention) throw new Error("the prediction has no attention");
  if (Array.isArray(attention)) return readSources(text, prediction, attention);
  return readMatrix({
    text,
    prediction,
    rows: attention.weights,
    summaryColumns: attention.summary_tokens,
    sourceColumns: attention.source_tokens,
  });
}

/**
 * From parallel lists of offsets, null for what has no text, and rows of numbers between them.
 * Neighbours with the same span, the pieces of one character, become one.
 */
export function readMatrix({
  text,
  prediction,
  rows,
  summaryColumns,
  sourceColumns,
  unit = "share",
  isPerWord = true,
}) {
  const sentences = sentencesOf(text);
  const wordOf = grouped(summaryColumns);
  const placeOf = grouped(sourceColumns);
  const width = placeOf.spans.length;
  const weights = new Float32Array(wordOf.spans.length * width);
  const special = new Float32Array(wordOf.spans.length);
  const pieces = new Float32Array(wordOf.spans.length);
  const logProbs = new Float64Array(wordOf.spans.length);
  const copied = new Float64Array(wordOf.spans.length);
  rows.forEach((row, t) => {
    const word = wordOf.group[t];
    if (word < 0) return;
    pieces[word] += 1;
    logProbs[word] += summaryColumns.log_prob?.[t] ?? NaN;
    copied[word] += summaryColumns.copied_share?.[t] ?? NaN;
    row.forEach((value, s) => {
      const place = placeOf.group[s];
      if (place < 0) special[word] += value;
      else weights[word * width + place] += value;
    });
  });
  pieces.forEach((count, word) => {
    special[word] /= count;
    copied[word] /= count;
    for (let place = 0; place < width; place += 1) weights[word * width + place] /= count;
  });
  return new Reading({
    text,
    summary: prediction.summary,
    words: wordsOf(prediction, wordOf.spans, logProbs, copied),
    places: placesOf(text, placeOf.spans, sentences),
    weights,
    special: unit === "share" ? special : null,
    sentences,
    unit,
    isPerWord,
  });
}

/** From the short form: the strongest places of each word, and `rest`. */
function readSources(text, prediction, entries) {
  const spans = new Map(entries.flatMap(({ sources }) => sources.map((span) => [keyOf(span), span])));
  const ordered = [...spans.values()].sort((a, b) => a.start - b.start || a.end - b.end);
  const sourceColumns = columnsOf(ordered);
  const reading = readMatrix({
    text,
    prediction,
    rows: dense(entries, sourceColumns, ({ weight }) => weight),
    summaryColumns: columnsOf(entries),
    sourceColumns,
  });
  reading.special = null;
  return reading;
}

/** Entries with a span each, as parallel lists. */
export function columnsOf(entries) {
  const column = (name) => entries.map((entry) => entry[name]);
  return {
    start: column("start"),
    end: column("end"),
    log_prob: column("log_prob"),
    copied_share: column("copied_share"),
  };
}

/** For each of some rows with `sources` a number for every column, 0 where it names none. */
export function dense(rows, columns, valueOf) {
  const at = indexOf(columns);
  return rows.map((row) => {
    const values = new Float64Array(columns.start.length);
    for (const source of row.sources) values[at(source)] += valueOf(source, row);
    return values;
  });
}

/** Finds the first column with a span. */
export function indexOf({ start, end }) {
  const known = new Map();
  start.forEach((from, index) => {
    const key = keyOf({ start: from, end: end[index] });
    if (!known.has(key)) known.set(key, index);
  });
  return (span) => known.get(keyOf(span));
}

const keyOf = ({ start, end }) => `${start} ${end}`;

function grouped({ start, end }) {
  const spans = [];
  const group = start.map((from, unit) => {
    const to = end[unit];
    if (from === null || from === undefined || to <= from) return -1;
    const last = spans.at(-1);
    if (!last || last.start !== from || last.end !== to) spans.push({ start: from, end: to });
    return spans.length - 1;
  });
  return { spans, group };
}

function wordsOf({ summary, unsupported_words: unsupported = [] }, spans, logProbs, copied) {
  return spans.map(({ start, end }, index) => ({
    text: summary.slice(start, end),
    start,
    end,
    logProb: Number.isNaN(logProbs[index]) ? null : logProbs[index],
    copiedShare: Number.isNaN(copied[index]) ? null : copied[index],
    // "name" or "number", if the service says that the text does not have it.
    unsupported: unsupported.find((word) => word.start < end && word.end > start)?.kind,
  }));
}

function placesOf(text, spans, sentences) {
  return spans.map(({ start, end }) => ({
    text: text.slice(start, end),
    start,
    end,
    sentence: sentenceAt(sentences, start),
  }));
}

// ------------------------------------------------------------------------------- sentences

const SEGMENTER = new Intl.Segmenter("en", { granularity: "sentence" });
const ABBREVIATION =
  /(?:^|[\s(])(?:\p{Lu}|(?:\p{L}\.)+\p{L}|Mr|Mrs|Ms|Dr|St|Sen|Rep|Gov|Gen|Prof|Rev|No|Inc|Co|Corp|Jr|Sr|vs|al|Fig|approx)\.\s*$/u;

/**
 * Sentences as [start, end) in UTF-16 code units, without the blanks around them.
 * The browser's rule (UAX #29), which stops at abbreviations; those are joined again.
 */
export function sentencesOf(text) {
  const found = [];
  let open = null;
  for (const { segment, index } of SEGMENTER.segment(text)) {
    const start = open ?? index;
    const whole = text.slice(start, index + segment.length);
    if (ABBREVIATION.test(whole) && !/\n\s*$/.test(whole)) {
      open = start;
      continue;
    }
    open = null;
    push(found, text, start, index + segment.length);
  }
  if (open !== null) push(found, text, open, text.length);
  return found;
}

function push(found, text, start, end) {
  const piece = text.slice(start, end);
  const ink = piece.trim();
  if (!ink) return;
  const from = start + piece.indexOf(ink);
  found.push({ start: from, end: from + ink.length });
}

/** The index of the sentence that holds the offset, or the last one before it. */
export function sentenceAt(sentences, offset) {
  let low = 0;
  let high = sentences.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sentences[middle].start <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

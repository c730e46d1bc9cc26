/** Answers of `POST /explain` as readings. Offsets count UTF-16 code units. */
import { readMatrix } from "./reading.js";

/** One explanation of a prediction; null where it says nothing of places of the text. */
export function readExplanation(text, prediction, explanation) {
  const { method, evidence, rows, scores, unit } = explanation;
  const columns = explanation.source_units ?? prediction.source_units;
  let reading = null;
  if (method === "self_attention") reading = readSelfAttention(text, prediction, columns, rows);
  else if (rows?.[0]?.sources) reading = readRows(text, prediction, columns, explanation);
  else if (scores) reading = readScores(text, prediction, columns, explanation);
  if (reading) Object.assign(reading, { method, phrase: evidence.phrase, isBySentence: unit === "sentence" });
  return reading;
}

function readRows(text, prediction, columns, { method, rows }) {
  const isSplit = method === "copy_split";
  const at = indexOf(columns);
  const dense = rows.map((row) => {
    const values = new Array(columns.start.length).fill(0);
    const whole = isSplit ? row.copied + row.generated || 1 : 1;
    for (const source of row.sources)
      if (source.start !== null) values[at(source)] += (source.weight ?? source.copied) / whole;
    return values;
  });
  const reading = readMatrix({
    text,
    summary: prediction.summary,
    rows: dense,
    summaryColumns: isSplit ? splitColumns(rows) : aligned(rows, prediction.summary_tokens),
    sourceColumns: columns,
  });
  const hasText = (row) => row.start !== null && row.end > row.start;
  if (isSplit) reading.special = null;
  else reading.special = Float32Array.from(rows.filter(hasText), (row) => row.special ?? 0);
  if (isSplit) Object.assign(reading, { verb: "copied from", rest: "generated" });
  return reading;
}

/** The columns of the summary for those rows that there are: all, or those of the target. */
function aligned(rows, columns) {
  const at = indexOf(columns);
  const indices = rows.map((row) => at(row));
  const pick = (name) => indices.map((index) => columns[name]?.[index]);
  return {
    start: rows.map(({ start }) => start),
    end: rows.map(({ end }) => end),
    log_prob: pick("log_prob"),
    copied_share: pick("copied_share"),
  };
}

function splitColumns(rows) {
  const column = (value) => rows.map(value);
  return {
    start: column(({ start }) => start),
    end: column(({ end }) => end),
    log_prob: column((row) => row.log_prob),
    copied_share: column((row) => row.copied / (row.copied + row.generated || 1)),
  };
}

/** The same scores for every word of the line: the method speaks of all of it. */
function readScores(text, prediction, columns, { scores, target, method }) {
  const values = scores.map((score) => score ?? 0);
  const summaryColumns = prediction.summary_tokens;
  const reading = readMatrix({
    text,
    summary: prediction.summary,
    rows: summaryColumns.start.map(() => values),
    summaryColumns,
    sourceColumns: columns,
    unit: method === "gradient" ? "gradient" : "nats",
    isPerWord: false,
  });
  if (target) reading.subject = prediction.summary.slice(target.start, target.end);
  return reading;
}

/** Where the encoder looks from each place of the text. */
function readSelfAttention(text, prediction, columns, rows) {
  const at = indexOf(columns);
  const { summary_tokens: summaryColumns } = prediction;
  const nothing = new Array(columns.start.length).fill(0);
  const reading = readMatrix({
    text,
    summary: prediction.summary,
    rows: summaryColumns.start.map(() => nothing),
    summaryColumns,
    sourceColumns: columns,
    isPerWord: false,
  });
  const place = new Map(reading.places.map(({ start, end }, index) => [`${start} ${end}`, index]));
  reading.special = null;
  reading.inner = reading.places.map(() => new Float32Array(reading.places.length));
  for (const row of rows) {
    if (row.start === null || at(row) === undefined) continue;
    const values = reading.inner[place.get(`${row.start} ${row.end}`)];
    for (const source of row.sources) {
      const to = place.get(`${source.start} ${source.end}`);
      if (to !== undefined && values) values[to] += source.weight;
    }
  }
  return reading;
}

function indexOf(columns) {
  const known = new Map();
  columns.start.forEach((start, index) => {
    const name = `${start} ${columns.end[index]}`;
    if (!known.has(name)) known.set(name, index);
  });
  return ({ start, end }) => known.get(`${start} ${end}`);
}

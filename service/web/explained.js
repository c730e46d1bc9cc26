/** Answers of `POST /explain` as readings. Offsets count UTF-16 code units. */
import { columnsOf, dense, indexOf, readMatrix } from "./reading.js";

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
  const known = prediction.summary_tokens;
  const at = indexOf(known);
  const total = (row) => row.copied + row.generated || 1;
  const words = rows.map((row) => ({
    ...row,
    log_prob: row.log_prob ?? known.log_prob[at(row)],
    copied_share: isSplit ? row.copied / total(row) : known.copied_share[at(row)],
  }));
  const reading = readMatrix({
    text,
    prediction,
    rows: dense(rows, columns, ({ weight, copied }, row) => weight ?? copied / total(row)),
    summaryColumns: columnsOf(words),
    sourceColumns: columns,
  });
  if (isSplit) return Object.assign(reading, { special: null, verb: "copied from", rest: "generated" });
  const hasText = ({ start, end }) => start !== null && end > start;
  reading.special = Float32Array.from(rows.filter(hasText), (row) => row.special ?? 0);
  return reading;
}

/** The same scores for every word of the line: the method speaks of all of it. */
function readScores(text, prediction, columns, { scores, target, method }) {
  const values = scores.map((score) => score ?? 0);
  const unit = method === "gradient" ? "gradient" : "nats";
  const reading = readWhole(text, prediction, columns, values, unit);
  if (target) reading.subject = prediction.summary.slice(target.start, target.end);
  return reading;
}

/** Where the encoder looks from each place of the text. */
function readSelfAttention(text, prediction, columns, rows) {
  const reading = readWhole(text, prediction, columns, []);
  // The text itself stands where the line does otherwise: its words are the places.
  reading.inner = readMatrix({
    text,
    prediction: { summary: text },
    rows: dense(rows, columns, ({ weight }) => weight),
    summaryColumns: columnsOf(rows),
    sourceColumns: columns,
  });
  reading.special = null;
  return reading;
}

/** The same values for every word. */
function readWhole(text, prediction, sourceColumns, values, unit) {
  const { summary_tokens: summaryColumns } = prediction;
  const rows = summaryColumns.start.map(() => values);
  return readMatrix({ text, prediction, rows, summaryColumns, sourceColumns, unit, isPerWord: false });
}

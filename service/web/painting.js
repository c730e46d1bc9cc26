/** What a choice changes in the view. Nothing here measures the page. */
import { ledgerOf } from "./furniture.js";
import { amount, bestSentence, sayColumn, sayInner, sayRow } from "./saying.js";

/**
 * Paints the choice of a view: words of the line, places of the text, or nothing, which is all.
 * @returns {number} the sentence that it is about
 */
export function paint(view) {
  if (view.chosen?.side !== "source") return paintRow(view);
  return view.reading.inner ? paintInner(view) : paintColumn(view);
}

/** Where some words of the line looked. */
function paintRow(view) {
  const { reading, chosen, summaryPane, sourcePane } = view;
  const last = reading.words.length - 1;
  const { from, to } = chosen ?? { from: 0, to: last };
  const values = last < 0 ? new Float32Array(reading.places.length) : reading.row(from, to);
  const scale = scaleOf(view, values);
  const best = bestSentence(reading, values);
  summaryPane.darken();
  summaryPane.choose(chosen ? from : null, to);
  sourcePane.choose(null, 0);
  sourcePane.light(values, scale);
  sourcePane.point(values.length ? best : null);
  if (chosen) sourcePane.reveal(best);
  view.overview.show(values, scale, view.colours);
  view.saying.textContent = last < 0 ? "The line is empty." : sayRow(reading, from, to, values);
  view.ledger.replaceChildren(...ledgerOf(reading, from, to, values, scale));
  return best;
}

/** Which words of the line looked at some places. */
function paintColumn(view) {
  const { reading, chosen, summaryPane, sourcePane } = view;
  const { from, to } = chosen;
  const values = reading.column(from, to);
  const scale = scaleOf(view, values);
  const places = new Float32Array(reading.places.length).fill(1, from, to + 1);
  summaryPane.choose(null, 0);
  summaryPane.light(values, scale);
  sourcePane.light(new Float32Array(places.length), 0);
  sourcePane.choose(from, to);
  const { sentence } = reading.places[from];
  sourcePane.point(sentence);
  view.overview.show(places, 1, view.colours);
  view.saying.textContent = sayColumn(reading, from, to, values);
  view.ledger.textContent = `Full bar: ${amount(reading, scale)}`;
  return sentence;
}

/** Where the encoder looked from a place: all of it inside the text. */
function paintInner(view) {
  const { reading, summaryPane, sourcePane } = view;
  const { from } = view.chosen;
  const values = reading.inner[from];
  const scale = scaleOf(view, values);
  summaryPane.darken();
  summaryPane.choose(null, 0);
  sourcePane.light(values, scale);
  sourcePane.choose(from, from);
  view.overview.show(values, scale, view.colours);
  view.saying.textContent = sayInner(reading, from, values);
  view.ledger.textContent = `Full bar: ${amount(reading, scale)}`;
  return reading.places[from].sentence;
}

/** The value of a full bar: the strongest one, or all that a row can have. */
function scaleOf(view, values) {
  if (view.isAbsolute && view.reading.isShare) return 1;
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

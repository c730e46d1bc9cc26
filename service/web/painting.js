/** What a choice changes in the view. Nothing here measures the page. */
import { ledgerOf } from "./furniture.js";
import { amount, bestSentence, sayColumn, sayInner, sayRow } from "./saying.js";

/**
 * Lights the choice of a view: words of the line, places of the text, or nothing, which is all.
 * Returns the sentence that it is about, and what says it in words.
 */
export function paint(view) {
  return view.chosen?.side === "source" ? paintColumn(view) : paintRow(view);
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
  view.overview.show(values, scale);
  const say = () => {
    view.saying.textContent = last < 0 ? "The line is empty." : sayRow(reading, from, to, values);
    view.ledger.replaceChildren(...ledgerOf(reading, from, to, values, scale));
  };
  return [best, say];
}

/** Which words of the line looked at some places; or where the encoder looked from them. */
function paintColumn(view) {
  const { reading, chosen, summaryPane, sourcePane, overview } = view;
  const { from, to } = chosen;
  const { inner, places } = reading;
  const values = inner ? inner.row(from, to) : reading.column(from, to);
  const scale = scaleOf(view, values);
  summaryPane.choose(null, 0);
  if (inner) summaryPane.darken();
  else summaryPane.light(values, scale);
  sourcePane.light(inner ? values : new Float32Array(places.length), scale);
  sourcePane.choose(from, to);
  sourcePane.point(places[from].sentence);
  if (inner) overview.show(values, scale);
  else overview.show(new Float32Array(places.length).fill(1, from, to + 1), 1);
  const say = () => {
    view.saying.textContent = (inner ? sayInner : sayColumn)(reading, from, to, values);
    view.ledger.textContent = `Full bar: ${amount(reading, scale)}`;
  };
  return [places[from].sentence, say];
}

/** The value of a full bar: the strongest one, or all that a row can have. */
function scaleOf(view, values) {
  if (view.isAbsolute && view.reading.isShare) return 1;
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

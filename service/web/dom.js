/** Elements, text from elsewhere inside sentences of ours, canvases. No markup is ever parsed. */

/** An element with attributes (false, null and undefined leave one out), listeners and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if ((value ?? false) !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => (child ?? null) !== null));
  return element;
}

/** Characters that turn the direction of what follows, and those that break or blank a line. */
const STEERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const BREAKING = /[\u0000-\u001f\u007f\u0085\u2028\u2029]+/g;

/** Text of the user as one line that cannot turn the direction of the sentence around it. */
export function tame(text) {
  return text.replace(STEERING, "").replace(BREAKING, " ");
}

/** The same in quotation marks, and isolated from the sentence's own direction. */
export function quoted(text) {
  return `“\u2068${tame(text)}\u2069”`;
}

/** The same, shortened to some characters; never in the middle of one. */
export function shortened(text, length) {
  const letters = [...tame(text).trim()];
  return letters.length <= length ? letters.join("") : `${letters.slice(0, length - 1).join("")}…`;
}

/** A share as people say it. Small ones are not rounded away. */
export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.5) return "under 1\u00a0%";
  return `${Math.round(value)}\u00a0%`;
}

/** A number with a true minus; nothing before a zero. */
export function signed(value, digits = 2) {
  return value.toFixed(digits).replace(/^-(?=.*[1-9])/, "−").replace("-", "");
}

/** Natural logarithms, with their sign. */
export function nats(value) {
  return `${signed(value)}\u00a0nats`;
}

/** Sets a canvas to a size in CSS pixels and gives its context, scaled to the screen's pixels. */
export function prepare(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across) canvas.width = across;
  if (canvas.height !== down) canvas.height = down;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** The theme's colours as a canvas takes them; read again after it changes. */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  const names = ["ink", "quiet", "mark", "negative"];
  const colours = names.map((name) => [name, style.getPropertyValue(`--${name}`)]);
  return { ...Object.fromEntries(colours), font: style.fontFamily };
}

/** How dark a value is drawn: never quite invisible, and darker with every step. */
export function opacityOf(value, scale) {
  return scale ? Math.min(1, 0.08 + 0.92 * (Math.abs(value) / scale)) : 0;
}

/** What stands beside the view: warnings, candidates, key sentences, the link. */
import { make, percent } from "./dom.js";

/** A headed part of the column. */
export function part(title, ...children) {
  return make("section", {}, make("h3", {}, title), ...children);
}

/** The lines that the search found, the best first; `onLook` shows one in the view, or is null. */
export function candidatesOf(prediction, onLook) {
  const { candidates } = prediction;
  if (!candidates || candidates.length < 2) return null;
  const items = candidates.map(({ summary }) => {
    const item = make("li", {}, make("p", { class: "quote", dir: "auto" }, summary));
    if (onLook)
      item.append(make("button", { type: "button", click: () => onLook(summary) }, "Look at it"));
    item.append(copyButton(summary, "Copy"));
    return item;
  });
  const note = make("p", { class: "note" }, "What the search found, the best first.");
  return part("Candidates", note, make("ol", { class: "plain" }, ...items));
}

/** A button that copies, and says that it did. */
function copyButton(text, label) {
  const button = make("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed here";
    }
    setTimeout(() => (button.textContent = label), 2000);
  });
  return button;
}

/** The sentences of the text that say most, each with its share. */
export function keySentencesOf(prediction, onReveal) {
  const { key_sentences: sentences } = prediction;
  if (!sentences?.length) return null;
  const items = sentences.map(({ text, start, score }) => {
    const bar = make("span", { "aria-hidden": "true" });
    bar.style.setProperty("--share", String(score));
    const show = () => onReveal(start);
    return make(
      "li",
      {},
      make("p", { class: "quote", dir: "auto" }, text),
      make("p", { class: "meter" }, bar, percent(score)),
      make("button", { type: "button", click: show }, "Show in the text"),
    );
  });
  const note = make("p", { class: "note" }, "Verbatim, with their share of the score of all sentences.");
  return part("Key sentences", note, make("ol", { class: "plain" }, ...items));
}

/** A link to what is shown. */
export function linkPart(current) {
  const withText = make("input", { type: "checkbox", id: "with-text" });
  const field = make("input", { type: "text", readonly: true, "aria-label": "Link", id: "link" });
  const note = make("p", { class: "note", role: "status" });
  const write = async () => {
    const { state, text } = current();
    try {
      field.value = await linkOf(state, withText.checked ? text : undefined);
      note.textContent = withText.checked
        ? "Whoever has the link has the text. It is not sent to the server before the page is opened."
        : "It holds what is chosen, not the text.";
    } catch (error) {
      field.value = "";
      note.textContent = `No link: ${error.message}.`;
      return;
    }
    field.select();
    await navigator.clipboard?.writeText(field.value).catch(() => {});
  };
  const button = make("button", { type: "button", click: write }, "Make a link");
  const label = make("label", {}, withText, " with the text in it");
  return part("Link", make("div", { class: "row" }, button, label), field, note);
}

const MEANINGS = {
  truncated: "Only a part of the text was read.",
  very_short_input: "The text is very short.",
  not_english: "The text does not look like English, which is all that the model knows.",
  low_confidence: "The model was unsure of this line.",
  unsupported_words: "The line has a name or a number that the text does not have.",
  legal_status: "The line asserts a guilt that the text only alleges.",
};

export function meaningOf(warning) {
  return MEANINGS[warning] ?? warning.replaceAll("_", " ");
}

// ------------------------------------------------------------------------------- links

// A link is the state of the page as a fragment, which a browser never sends to a server. It holds
// the text only if that is asked for.
const LONGEST = 60_000;

export async function linkOf(state, text) {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) if (value) fields.set(name, value);
  if (text !== undefined) fields.set("text", await packed(text));
  const address = new URL(document.baseURI);
  address.hash = fields.toString();
  if (address.href.length > LONGEST) throw new Error("the text is too long for a link");
  return address.href;
}

/** What a fragment says; the text, if there is one, unpacked. */
export async function stateOf(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const state = Object.fromEntries(fields);
  if (state.text === undefined) return state;
  try {
    return { ...state, text: await unpacked(state.text) };
  } catch {
    return { ...state, text: undefined };
  }
}

async function packed(text) {
  const bytes = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(text));
  const letters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function unpacked(packed) {
  const letters = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const text = await through(new DecompressionStream("deflate-raw"), bytes);
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text);
}

async function through(stream, bytes) {
  const piped = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

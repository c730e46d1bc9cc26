/** The routes of the service, asked from the page. */

/** What went wrong, in words for a person. */
export class Refused extends Error {
  constructor(problem, status = 0) {
    super(problem.detail ?? problem.title ?? `the service answered ${status}`);
    this.name = problem.error_type ?? "unknown";
  }
}

function addressOf(path) {
  return new URL(path, document.baseURI);
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(addressOf(path), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ detail: "the service cannot be reached" });
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(body, response.status);
  return { status: response.status, body };
}

export async function get(path, signal) {
  return (await ask(path, { signal })).body;
}

export async function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

const FOR_A_PAGE = { offset_unit: "utf16", attention: "matrix" };

/** `POST /predict`; where the matrix would be too large, its short form. */
export async function predict(text, options, signal) {
  const body = { inputs: text, ...FOR_A_PAGE, ...options };
  try {
    return (await post("predict", body, signal)).body;
  } catch (error) {
    if (error.name !== "attention-too-large") throw error;
    return (await post("predict", { ...body, attention: "sources" }, signal)).body;
  }
}

const POLL_MS = 500;

/** `POST /explain`. A slow answer is awaited, and given up if the page has lost its interest. */
export async function explain(text, options, signal) {
  const request = { inputs: text, offset_unit: "utf16", ...options };
  const { status, body } = await post("explain", request, signal);
  if (status !== 202) return body;
  const giveUp = () => void fetch(addressOf(body.url), { method: "DELETE" });
  signal?.addEventListener("abort", giveUp, { once: true });
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const job = await get(body.url, signal);
    if (job.state === "running") continue;
    signal?.removeEventListener("abort", giveUp);
    if (job.state === "done") return job.result;
    throw new Refused(job.problem ?? {}, 500);
  }
}

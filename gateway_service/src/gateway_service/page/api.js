/** Tonearm's REST routes as functions. Knows nothing of the page or of who is signed in. */

/** A refusal of the server's, or (status 0) an answer that never came. */
export class ApiError extends Error {
  constructor(status, reason, message) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.reason = reason;
  }
}

/** Open an account; the address must not have one. */
export function createAccount(email, password) {
  return call("/v1/accounts", { method: "POST", json: { email, password } });
}

/** Exchange a password for `{access_token, expires_in}`. */
export function logIn(email, password) {
  return call("/v1/login", { method: "POST", json: { email, password } });
}

/** Fetch one conversion. */
export async function getConversion(token, id, signal) {
  return (await call(conversionPath(id), { token, signal })).conversion;
}

/** Fetch a page of conversions: `{conversions, next_page_token}`. */
export function listConversions(token, { pageSize, pageToken = "", signal }) {
  const query = `page_size=${pageSize}&page_token=${encodeURIComponent(pageToken)}`;
  return call(`/v1/conversions?${query}`, { token, signal });
}

/** Start watching a conversion; the answer yields it at once and after every change. */
export async function watchConversion(token, id, signal) {
  const response = await send(`${conversionPath(id)}:watch`, { token, signal });
  return conversionsIn(response.body);
}

/** Call a conversion off; give it as it is then. */
export async function cancelConversion(token, id, signal) {
  const path = `${conversionPath(id)}:cancel`;
  return (await call(path, { method: "POST", token, json: {}, signal })).conversion;
}

/** Convert the same video again; give the new conversion. */
export async function retryConversion(token, id, { requestId, signal }) {
  const path = `${conversionPath(id)}:retry`;
  const json = { request_id: requestId };
  return (await call(path, { method: "POST", token, json, signal })).conversion;
}

/** Delete a conversion and all that is kept of it. */
export function deleteConversion(token, id, signal) {
  return call(conversionPath(id), { method: "DELETE", token, signal });
}

/** Make a random UUID; crypto.randomUUID is missing where the page came over plain HTTP. */
export function newRequestId() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  random[6] = (random[6] & 0x0f) | 0x40;
  random[8] = (random[8] & 0x3f) | 0x80;
  const digits = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Fetch the waveform of the MP3: `{length, data}`, lowest and highest sample in turn. */
export function getWaveform(token, id, signal) {
  return call(`${conversionPath(id)}/waveform`, { token, signal });
}

/** Fetch the MP3 whole, as a Blob. */
export async function getAudio(token, id, signal) {
  const response = await send(`${conversionPath(id)}/audio`, { token, signal });
  return reachable(response.blob());
}

/**
 * Send a file as it is and ask for its conversion.
 *
 * XMLHttpRequest, because fetch cannot tell how much of a body has been sent.
 */
export function uploadVideo(token, file, { bitrateKbps, requestId, signal, onProgress }) {
  const query = [
    // Not URLSearchParams: it writes a blank as "+", which Envoy hands on as a plus sign.
    `filename=${encodeURIComponent(file.name)}`,
    `request_id=${requestId}`,
    ...(bitrateKbps ? [`bitrate_kbps=${bitrateKbps}`] : []),
  ].join("&");
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/conversions?${query}`);
    request.setRequestHeader("authorization", `Bearer ${token}`);
    request.setRequestHeader("content-type", file.type || "application/octet-stream");
    request.upload.onprogress = ({ loaded }) => onProgress(loaded);
    request.onload = () => {
      const isAccepted = request.status >= 200 && request.status < 300;
      if (!isAccepted) reject(refusal(request.status, request.responseText));
      else resolve(JSON.parse(request.responseText).conversion);
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("Cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    if (signal.aborted) request.abort();
    else request.send(file);
  });
}

function conversionPath(id) {
  return `/v1/conversions/${encodeURIComponent(id)}`;
}

async function call(path, options) {
  const response = await send(path, options);
  return reachable(response.json());
}

async function send(path, { method = "GET", token, json, signal }) {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  if (json) headers["content-type"] = "application/json";
  const response = await reachable(fetch(path, {
    method,
    headers,
    body: json && JSON.stringify(json),
    signal,
    cache: "no-store",
    // Keeps the browser's own password box away should a 401 offer Basic.
    credentials: "omit",
  }));
  if (!response.ok) throw refusal(response.status, await reachable(response.text()));
  return response;
}

/** Tell a lost connection from a mistake in the page: fetch has TypeError for both. */
async function reachable(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

function unreachable() {
  return new ApiError(0, "", "No answer");
}

/** Read a google.rpc.Status; anything else in front of the service may answer without one. */
function refusal(status, text) {
  try {
    const { message = "", details = [] } = JSON.parse(text);
    return new ApiError(status, details.find(({ reason }) => reason)?.reason ?? "", message);
  } catch {
    return new ApiError(status, "", "");
  }
}

async function* conversionsIn(body) {
  for await (const line of linesOf(body)) {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      throw unreachable();
    }
    if (!message.conversion) throw unreachable();
    yield message.conversion;
  }
}

async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reachable(reader.read());
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      yield* lines.filter((line) => line.trim());
    }
    if (rest.trim()) yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}

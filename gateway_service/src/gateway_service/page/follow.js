/** Follows a conversion to its end, whatever the connection does meanwhile. */

import { ApiError, getConversion, watchConversion } from "/assets/api.js";

const FINAL_STATES = ["SUCCEEDED", "FAILED", "CANCELLED"];
/** A watch tells the present state at once; one that does not is held up by something between. */
const FIRST_LINE_SECONDS = 5;
/** Nothing changing for so long may also be a connection that died unnoticed. */
const SILENCE_SECONDS = 30;
/** So many watches in a row that told nothing, and only asking is left. */
const MUTE_WATCHES = 3;
const POLL_SECONDS = 2;
const LONGEST_PAUSE_SECONDS = 15;

/** Whether a conversion will never change again. */
export function isFinal(conversion) {
  return FINAL_STATES.includes(conversion.state);
}

/** Whether a call may do better in a while. */
export function isOutage(error) {
  const { status } = error;
  return error instanceof ApiError && (status === 0 || status === 429 || status >= 500);
}

/**
 * Call `onChange(conversion)` now and after every change until the final state.
 *
 * Asks once, then watches; asks and watches again, more and more slowly, when the connection
 * breaks (`onTrouble(true)`, then `onTrouble(false)` once it is back); only asks where watching
 * does not work. Rejects with what the server refuses for good and with AbortError.
 */
export async function follow(session, id, { signal, onChange, onTrouble }) {
  let outages = 0;
  let mutes = 0;
  for (;;) {
    try {
      const conversion = await session.run((token) => getConversion(token, id, signal), signal);
      outages = 0;
      onTrouble(false);
      onChange(conversion);
      if (isFinal(conversion)) return;
      if (mutes < MUTE_WATCHES) {
        const { lines, isDone } = await watchOnce(session, id, { signal, onChange });
        if (isDone) return;
        mutes = lines ? 0 : mutes + 1;
      }
    } catch (error) {
      if (!isOutage(error)) throw error;
      outages += 1;
      onTrouble(true);
    }
    await pause(Math.min(POLL_SECONDS * 2 ** outages, LONGEST_PAUSE_SECONDS), signal);
  }
}

/** Wait; rejects with AbortError when `signal` says so. */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("No longer needed", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

async function watchOnce(session, id, { signal, onChange }) {
  const watching = new AbortController();
  const stop = () => watching.abort();
  signal.addEventListener("abort", stop, { once: true });
  let lines = 0;
  let timer = setTimeout(stop, FIRST_LINE_SECONDS * 1000);
  try {
    const watch = (token) => watchConversion(token, id, watching.signal);
    for await (const conversion of await session.run(watch, watching.signal)) {
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE_SECONDS * 1000);
      lines += 1;
      onChange(conversion);
      if (isFinal(conversion)) return { lines, isDone: true };
    }
  } catch (error) {
    if (signal.aborted || !(watching.signal.aborted || isOutage(error))) throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    stop();
  }
  return { lines, isDone: false };
}

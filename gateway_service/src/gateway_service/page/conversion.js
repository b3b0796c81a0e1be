/** One conversion: its progress, then its audio or the reason why there is none. */

import { getAudio, getWaveform } from "/assets/api.js";
import { announce, byId, isAbort, say, setProgress } from "/assets/dom.js";
import { follow } from "/assets/follow.js";
import { waveformPicture } from "/assets/waveform.js";
import { Wishes } from "/assets/wishes.js";
import {
  bytes, explain, explainFailure, moment, percent, playingTime, sound,
} from "/assets/words.js";

/** Larger audio is fetched only when asked for: it has to be held in memory. */
const FETCH_UNASKED_BYTES = 100e6;
/** Below this nobody hears anything, whatever the volume. */
const SILENT_DBFS = -90;
const ANNOUNCED_QUARTERS = 4;

/** The view of one conversion. */
export class ConversionView {
  #session;
  #wishes;
  #player = byId("player");
  #closing = new AbortController();
  #audioURL = "";
  #announced = "";

  constructor(session) {
    this.#session = session;
    this.#wishes = new Wishes(session);
    const turn = () => byId("record").classList.toggle("is-turning", !this.#player.paused);
    for (const event of ["play", "pause", "ended", "emptied"]) {
      this.#player.addEventListener(event, turn);
    }
  }

  /** Show a conversion and follow it until it ends or the view is closed. */
  async open(id) {
    this.close();
    this.#closing = new AbortController();
    const { signal } = this.#closing;
    try {
      await follow(this.#session, id, {
        signal,
        onChange: (conversion) => this.#show(conversion, signal),
        onTrouble: (isAway) => this.#showTrouble(isAway),
      });
    } catch (error) {
      if (isAbort(error)) return;
      byId("conversion-running").hidden = true;
      byId("conversion-error").textContent = explain(error);
      byId("conversion-next").hidden = false;
    }
  }

  /** Stop following, stop playing and let go of the audio. */
  close() {
    this.#closing.abort();
    this.#wishes.close();
    this.#announced = "";
    this.#player.pause();
    this.#player.removeAttribute("src");
    this.#player.load();
    URL.revokeObjectURL(this.#audioURL);
    this.#audioURL = "";
    byId("download").removeAttribute("href");
    byId("waveform").replaceChildren();
    byId("conversion-card").dataset.state = "";
    byId("conversion-title").textContent = "Conversion";
    byId("conversion-origin").textContent = "";
    byId("conversion-error").textContent = "";
    for (const part of ["running", "audio", "next"]) byId(`conversion-${part}`).hidden = true;
  }

  #show(conversion, signal) {
    const { state, video } = conversion;
    byId("conversion-card").dataset.state = state;
    byId("conversion-title").textContent = video.filename;
    byId("conversion-origin").textContent =
      `${bytes(video.size_bytes)}, uploaded ${moment(conversion.create_time)}`;
    byId("conversion-running").hidden = state !== "QUEUED" && state !== "RUNNING";
    byId("conversion-audio").hidden = state !== "SUCCEEDED";
    byId("conversion-next").hidden = state === "QUEUED" || state === "RUNNING";
    document.title = `${video.filename} · Tonearm`;
    this.#wishes.show(conversion);
    if (state === "SUCCEEDED") this.#showAudio(conversion, signal);
    else if (state === "FAILED") this.#showEnd(`No MP3. ${explainFailure(conversion)}`);
    else if (state === "CANCELLED") this.#showEnd("This conversion was called off.");
    else this.#showProgress(conversion);
  }

  #showProgress({ state, progress = 0, video }) {
    const isWaiting = state === "QUEUED";
    const words = isWaiting ? "Waiting for its turn" : `Converting ${percent(progress)}`;
    byId("conversion-stage").textContent = words;
    setProgress(byId("conversion-progress"), isWaiting ? undefined : progress);
    if (!isWaiting) document.title = `${percent(progress)} · ${video.filename} · Tonearm`;
    this.#announceOnce(words, `${state} ${Math.floor(progress * ANNOUNCED_QUARTERS)}`);
  }

  #showTrouble(isAway) {
    const words = isAway ? "The connection is lost. Trying to get it back." : "";
    say(byId("conversion-detail"), words);
    if (isAway) this.#announceOnce(words, words);
  }

  #showEnd(words) {
    byId("conversion-error").textContent = words;
  }

  #showAudio({ id, audio }, signal) {
    const facts = [
      ["Length", playingTime(audio.duration)],
      ["Size", bytes(audio.size_bytes)],
      ["Sound", sound(audio)],
    ];
    byId("audio-facts").replaceChildren(...facts.map(factElement));
    byId("audio-silent").hidden = !(audio.peak_dbfs <= SILENT_DBFS);
    this.#announceOnce("The MP3 is ready.", "SUCCEEDED");
    const fetchIt = () => this.#fetchAudio(id, audio, signal);
    const isLarge = Number(audio.size_bytes) > FETCH_UNASKED_BYTES;
    byId("audio-fetch").onclick = fetchIt;
    byId("audio-fetch").hidden = !isLarge;
    for (const part of ["player", "download", "audio-loading"]) byId(part).hidden = true;
    if (!isLarge) fetchIt();
    this.#showWaveform(id, signal);
  }

  async #showWaveform(id, signal) {
    try {
      const waveform = await this.#session.run((token) => getWaveform(token, id, signal), signal);
      byId("waveform").replaceChildren(waveformPicture(waveform));
    } catch {
      // The MP3 can be heard without it, and an older one has none.
    }
  }

  async #fetchAudio(id, audio, signal) {
    byId("audio-fetch").hidden = true;
    byId("audio-loading").hidden = false;
    byId("conversion-error").textContent = "";
    try {
      const blob = await this.#session.run((token) => getAudio(token, id, signal), signal);
      // Over HTTP/1.1 a stream that broke off can look as if it had ended.
      if (blob.size !== Number(audio.size_bytes)) throw new Error("cut off");
      this.#offerAudio(blob, audio);
    } catch (error) {
      if (isAbort(error)) return;
      byId("conversion-error").textContent = `The audio did not arrive. ${explain(error)}`;
      byId("audio-fetch").hidden = false;
    } finally {
      if (!signal.aborted) byId("audio-loading").hidden = true;
    }
  }

  #offerAudio(blob, audio) {
    this.#audioURL = URL.createObjectURL(blob);
    this.#player.src = this.#audioURL;
    this.#player.setAttribute("aria-label", audio.filename);
    this.#player.hidden = false;
    byId("download").href = this.#audioURL;
    byId("download").download = audio.filename;
    byId("download").hidden = false;
  }

  #announceOnce(words, milestone) {
    if (milestone !== this.#announced) announce(words);
    this.#announced = milestone;
  }
}

function factElement([name, value]) {
  const group = document.createElement("div");
  const term = document.createElement("dt");
  const description = document.createElement("dd");
  term.textContent = name;
  description.textContent = value;
  group.append(term, description);
  return group;
}

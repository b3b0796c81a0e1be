/** Takes a dropped or chosen file and uploads it. */

import { newRequestId, uploadVideo } from "/assets/api.js";
import { announce, byId, isAbort, say, setProgress } from "/assets/dom.js";
import { bytes, explain, percent, timeLeft } from "/assets/words.js";

/** Before that, a guess at the time left would only jump about. */
const ESTIMATE_AFTER_SECONDS = 2;
const ANNOUNCED_QUARTERS = 4;

/** The drop area and the card that takes its place while a file is on its way. */
export class UploadPanel {
  #session;
  #onAccepted;
  #uploading = null;

  /** `onAccepted(conversion)` is called once an upload is stored. */
  constructor(session, onAccepted) {
    this.#session = session;
    this.#onAccepted = onAccepted;
    const input = byId("file");
    input.addEventListener("change", () => {
      const files = [...input.files];
      // So that choosing the same file once more is a change again.
      input.value = "";
      if (files.length) this.take(files);
    });
    byId("upload-cancel").addEventListener("click", () => this.reset());
    byId("upload-again").addEventListener("click", () => this.#send());
  }

  /** Start with what was dropped or chosen, unless another upload is still on its way. */
  take(files) {
    if (this.#uploading) return announce("Another upload is still on its way.");
    const [file] = files;
    const refusal = refusalOf(files);
    byId("choose-error").textContent = refusal;
    if (refusal) return undefined;
    // One request id for all tries: a repeat finds what an earlier try may have stored.
    this.#uploading = {
      file,
      bitrateKbps: Number(byId("bitrate").value),
      requestId: newRequestId(),
      stopping: new AbortController(),
    };
    return this.#send();
  }

  /** Call the upload off, if there is one, and ask for a file again. */
  reset() {
    this.#uploading?.stopping.abort();
    this.#uploading = null;
    window.removeEventListener("beforeunload", keepPage);
    byId("choose-error").textContent = "";
    byId("choose").hidden = false;
    byId("upload").hidden = true;
  }

  async #send() {
    const upload = this.#uploading;
    const { file, bitrateKbps, requestId, stopping: { signal } } = upload;
    this.#showStart(file);
    const started = performance.now();
    let quarter = 0;
    const onProgress = (sent) => {
      showSent(sent, file.size, (performance.now() - started) / 1000);
      const reached = Math.floor((sent / file.size) * ANNOUNCED_QUARTERS);
      if (reached > quarter) announce(`${percent(sent / file.size)} uploaded`);
      quarter = reached;
    };
    try {
      const options = { bitrateKbps, requestId, signal, onProgress };
      const send = (token) => uploadVideo(token, file, options);
      const conversion = await this.#session.run(send, signal);
      this.reset();
      this.#onAccepted(conversion);
    } catch (error) {
      if (!isAbort(error)) this.#showFailure(error);
      else if (this.#uploading === upload) this.reset();
    }
  }

  #showStart(file) {
    window.addEventListener("beforeunload", keepPage);
    byId("choose").hidden = true;
    byId("upload").hidden = false;
    byId("upload-name").textContent = file.name;
    byId("upload-error").textContent = "";
    byId("upload-again").hidden = true;
    byId("upload-progress").hidden = false;
    byId("upload-stage").hidden = false;
    showSent(0, file.size, 0);
    announce(`Uploading ${file.name}`);
    byId("upload-cancel").focus();
  }

  #showFailure(error) {
    window.removeEventListener("beforeunload", keepPage);
    byId("upload-error").textContent = explain(error);
    byId("upload-progress").hidden = true;
    byId("upload-stage").hidden = true;
    say(byId("upload-detail"), "");
    byId("upload-again").hidden = false;
    byId("upload-again").focus();
  }
}

/** Let files be dropped anywhere on the page; `onDrop` gets a list of them. */
export function acceptDrops(onDrop) {
  const mark = (isOver) => document.body.classList.toggle("is-dragging", isOver);
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    mark(true);
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(false);
  });
  window.addEventListener("drop", (event) => {
    mark(false);
    if (!carriesFiles(event)) return;
    // Or the browser would leave the page and open the file.
    event.preventDefault();
    onDrop(filesIn(event.dataTransfer));
  });
}

function filesIn(transfer) {
  const isFolder = [...transfer.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
  return isFolder ? [] : [...transfer.files];
}

function refusalOf(files) {
  if (files.length === 0) return "Please drop a file, not a folder.";
  if (files.length > 1) return "One video at a time, please.";
  return files[0].size === 0 ? "This file is empty." : "";
}

function showSent(sent, size, seconds) {
  const isSent = sent >= size;
  byId("upload-stage").textContent = isSent ? "Storing" : `Uploading ${percent(sent / size)}`;
  setProgress(byId("upload-progress"), isSent ? undefined : sent / size);
  const parts = [`${bytes(sent)} of ${bytes(size)}`];
  if (!isSent && seconds > ESTIMATE_AFTER_SECONDS && sent > 0) {
    parts.push(timeLeft(((size - sent) / sent) * seconds));
  }
  say(byId("upload-detail"), parts.join(", "));
}

function keepPage(event) {
  event.preventDefault();
}

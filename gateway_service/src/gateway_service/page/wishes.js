/** What an owner may wish of a conversion: to call it off, to try it again, to delete it. */

import {
  cancelConversion, deleteConversion, newRequestId, retryConversion,
} from "/assets/api.js";
import { announce, byId, isAbort } from "/assets/dom.js";
import { isFinal } from "/assets/follow.js";
import { explain } from "/assets/words.js";

const RETRYABLE_STATES = ["FAILED", "CANCELLED"];
const DELETE = "Delete";
const SURE = "Delete for good";

/** The buttons below one conversion. */
export class Wishes {
  #session;
  #id = "";
  #requestId = "";
  #closing = new AbortController();
  #buttons = ["cancel", "retry", "delete"].map((name) => byId(`wish-${name}`));

  constructor(session) {
    this.#session = session;
    const [cancel, retry, forget] = this.#buttons;
    cancel.addEventListener("click", () => this.#act(() => this.#cancel()));
    retry.addEventListener("click", () => this.#act(() => this.#retry()));
    forget.addEventListener("click", () => this.#ask(forget));
  }

  /** Offer what can be done to a conversion as it stands. */
  show({ id, state }) {
    if (id !== this.#id) this.close();
    this.#id = id;
    // One for each view, so that a click that is repeated makes no second conversion.
    this.#requestId ||= newRequestId();
    const [cancel, retry] = this.#buttons;
    cancel.hidden = isFinal({ state });
    retry.hidden = !RETRYABLE_STATES.includes(state);
    byId("wishes").hidden = false;
  }

  /** Take the buttons away, and wait for no answer any more. */
  close() {
    this.#closing.abort();
    this.#closing = new AbortController();
    this.#id = "";
    this.#requestId = "";
    this.#buttons[2].textContent = DELETE;
    byId("wish-error").textContent = "";
    byId("wishes").hidden = true;
  }

  #ask(button) {
    if (button.textContent === SURE) {
      this.#act(() => this.#delete());
      return;
    }
    button.textContent = SURE;
    announce("Press again to delete the conversion, its MP3 and its video.");
  }

  async #act(wish) {
    byId("wish-error").textContent = "";
    for (const button of this.#buttons) button.disabled = true;
    try {
      await wish();
    } catch (error) {
      if (!isAbort(error)) byId("wish-error").textContent = explain(error);
    } finally {
      for (const button of this.#buttons) button.disabled = false;
    }
  }

  async #cancel() {
    const { signal } = this.#closing;
    // The view follows the conversion, and will show what became of it.
    await this.#session.run((token) => cancelConversion(token, this.#id, signal), signal);
  }

  async #retry() {
    const { signal } = this.#closing;
    const options = { requestId: this.#requestId, signal };
    const retry = (token) => retryConversion(token, this.#id, options);
    const { id } = await this.#session.run(retry, signal);
    location.hash = `#/conversions/${id}`;
  }

  async #delete() {
    const { signal } = this.#closing;
    await this.#session.run((token) => deleteConversion(token, this.#id, signal), signal);
    location.hash = "#/";
    announce("The conversion is deleted.");
  }
}

/** The list of one's conversions, newest first. */

import { listConversions } from "/assets/api.js";
import { announce, byId, isAbort } from "/assets/dom.js";
import { isFinal, isOutage, pause } from "/assets/follow.js";
import { explain, moment, stateOf } from "/assets/words.js";

const PAGE_SIZE = 10;
const REFRESH_SECONDS = 4;

/** The list; looks again for as long as something new in it still moves. */
export class EarlierList {
  #session;
  #closing = new AbortController();
  #nextPageToken = "";
  #rows = new Map();
  #list = byId("earlier-list");
  #more = byId("earlier-more");

  constructor(session) {
    this.#session = session;
    this.#more.addEventListener("click", () => this.#showMore());
  }

  /** Show the newest page and keep it up to date until the list is closed. */
  async open() {
    this.close();
    this.#closing = new AbortController();
    const { signal } = this.#closing;
    try {
      const newest = await this.#fetch("", signal);
      this.#rows.clear();
      this.#list.replaceChildren();
      this.#append(newest);
      byId("earlier-empty").hidden = this.#rows.size > 0;
      if (!newest.conversions.every(isFinal)) await this.#refresh(signal);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Stop looking. */
  close() {
    this.#closing.abort();
    byId("earlier-error").textContent = "";
  }

  /** Forget the list, for the next person must not see it. */
  clear() {
    this.close();
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#more.hidden = true;
    byId("earlier-empty").hidden = true;
  }

  async #refresh(signal) {
    for (;;) {
      await pause(REFRESH_SECONDS, signal);
      if (document.hidden) continue;
      try {
        const { conversions } = await this.#fetch("", signal);
        for (const conversion of conversions) this.#rows.get(conversion.id)?.fill(conversion);
        if (conversions.every(isFinal)) return;
      } catch (error) {
        if (!isOutage(error)) throw error;
      }
    }
  }

  async #showMore() {
    const { signal } = this.#closing;
    this.#more.disabled = true;
    byId("earlier-error").textContent = "";
    try {
      const page = await this.#fetch(this.#nextPageToken, signal);
      this.#append(page);
      announce(`${page.conversions.length} more shown`);
      this.#rows.get(page.conversions[0]?.id)?.link.focus();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#more.disabled = false;
    }
  }

  async #fetch(pageToken, signal) {
    const options = { pageSize: PAGE_SIZE, pageToken, signal };
    const page = await this.#session.run((token) => listConversions(token, options), signal);
    return { conversions: page.conversions ?? [], nextPageToken: page.next_page_token ?? "" };
  }

  #append({ conversions, nextPageToken }) {
    for (const conversion of conversions) {
      const row = this.#rows.get(conversion.id) ?? newRow();
      row.fill(conversion);
      this.#rows.set(conversion.id, row);
      this.#list.append(row.item);
    }
    this.#nextPageToken = nextPageToken;
    this.#more.hidden = !nextPageToken;
  }

  #fail(error) {
    if (!isAbort(error)) byId("earlier-error").textContent = explain(error);
  }
}

function newRow() {
  const item = byId("row").content.firstElementChild.cloneNode(true);
  const part = (selector) => item.querySelector(selector);
  const fill = (conversion) => {
    part(".row").href = `#/conversions/${conversion.id}`;
    part(".row-name").textContent = conversion.video.filename;
    part(".row-when").textContent = moment(conversion.create_time);
    part(".badge").textContent = stateOf(conversion);
    part(".badge").dataset.state = conversion.state;
  };
  return { item, link: part(".row"), fill };
}

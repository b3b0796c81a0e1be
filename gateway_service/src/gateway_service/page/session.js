/** Who is signed in in this tab. The token lives in sessionStorage and nowhere else. */

const STORAGE_KEY = "tonearm.session";
/** Never start a call with a token that may run out on its way. */
const MARGIN_SECONDS = 5;

/**
 * The session of this tab.
 *
 * Dispatches "opened" (detail.isSameAccount: whoever was signed in before is back), "expired" and
 * "closed".
 */
export class Session extends EventTarget {
  #email;
  #token;
  #expiresAt;

  constructor() {
    super();
    const { email = "", token = "", expiresAt = 0 } = stored();
    this.#email = email;
    this.#token = token;
    this.#expiresAt = expiresAt;
  }

  /** The address last signed in with; kept when the token expires, empty after signing out. */
  get email() {
    return this.#email;
  }

  get isOpen() {
    return this.#token !== "" && Date.now() < this.#expiresAt - MARGIN_SECONDS * 1000;
  }

  open(email, token, seconds) {
    const isSameAccount = email.toLowerCase() === this.#email.toLowerCase();
    this.#keep(email, token, Date.now() + seconds * 1000);
    this.dispatchEvent(new CustomEvent("opened", { detail: { isSameAccount } }));
  }

  close() {
    this.#keep("", "", 0);
    this.dispatchEvent(new CustomEvent("closed"));
  }

  /**
   * Make a call that needs the token: `run((token) => ...)`.
   *
   * Where the token has expired, waits until the same person has signed in again and makes the
   * call anew, so callers never notice. Rejects with an AbortError when they sign out, when
   * somebody else signs in, or when `signal` says so.
   */
  async run(call, signal) {
    for (;;) {
      const token = this.isOpen ? this.#token : await this.#reopened(signal);
      try {
        return await call(token);
      } catch (error) {
        if (error.status !== 401) throw error;
        if (token === this.#token) this.#keep(this.#email, "", 0);
      }
    }
  }

  #reopened(signal) {
    return new Promise((resolve, reject) => {
      const listening = new AbortController();
      const settle = (outcome) => {
        listening.abort();
        outcome();
      };
      const giveUp = () => settle(() => reject(new DOMException("Signed out", "AbortError")));
      const goOn = ({ detail }) =>
        detail.isSameAccount ? settle(() => resolve(this.#token)) : giveUp();
      const options = { signal: listening.signal };
      this.addEventListener("opened", goOn, options);
      this.addEventListener("closed", giveUp, options);
      signal?.addEventListener("abort", giveUp, options);
      if (signal?.aborted) giveUp();
      else this.dispatchEvent(new CustomEvent("expired"));
    });
  }

  #keep(email, token, expiresAt) {
    this.#email = email;
    this.#token = token;
    this.#expiresAt = expiresAt;
    try {
      sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ email, token, expiresAt }));
    } catch {
      // Storage may be forbidden; then a reload asks to sign in again.
    }
  }
}

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY)) ?? {};
  } catch {
    return {};
  }
}

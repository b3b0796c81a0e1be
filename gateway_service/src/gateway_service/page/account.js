/** The form to sign in or to sign up with. */

import { createAccount, logIn } from "/assets/api.js";
import { announce, byId, say } from "/assets/dom.js";
import { explain } from "/assets/words.js";

const MODES = {
  signIn: {
    title: "Sign in",
    submit: "Sign in",
    question: "New here?",
    other: "Create an account",
    autocomplete: "current-password",
  },
  signUp: {
    title: "Create an account",
    submit: "Create account",
    question: "Have an account?",
    other: "Sign in",
    autocomplete: "new-password",
  },
};
const MIN_PASSWORD_LENGTH = 10;

/** Asks for an address and a password until a session is open. */
export class AccountForm {
  #session;
  #isSigningUp = false;
  #email = byId("email");
  #password = byId("password");
  #reveal = byId("reveal");

  constructor(session) {
    this.#session = session;
    byId("account-switch").addEventListener("click", () => this.#turn(!this.#isSigningUp));
    this.#reveal.addEventListener("click", () => this.#show(this.#password.type === "password"));
    byId("account-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** Ask; `reason` tells why, where the person did not come here by themselves. */
  ask(reason = "") {
    this.#turn(false);
    say(byId("account-reason"), reason);
    this.#email.value = this.#session.email;
    this.#password.value = "";
    (this.#email.value ? this.#password : this.#email).focus();
    if (reason) announce(reason);
  }

  async #submit() {
    const [email, password] = [this.#email.value.trim(), this.#password.value];
    this.#wait(true);
    try {
      if (this.#isSigningUp) await createAccount(email, password);
      const { access_token: token, expires_in: seconds } = await logIn(email, password);
      this.#password.value = "";
      this.#session.open(email, token, Number(seconds));
    } catch (error) {
      if (error.reason === "EMAIL_TAKEN") this.#turn(false);
      byId("account-error").textContent = explain(error);
      this.#password.focus();
    } finally {
      this.#wait(false);
    }
  }

  #turn(isSigningUp) {
    const mode = isSigningUp ? MODES.signUp : MODES.signIn;
    this.#isSigningUp = isSigningUp;
    byId("account-title").textContent = mode.title;
    byId("account-submit").textContent = mode.submit;
    byId("account-question").textContent = mode.question;
    byId("account-switch").textContent = mode.other;
    byId("account-error").textContent = "";
    byId("password-rule").hidden = !isSigningUp;
    this.#password.autocomplete = mode.autocomplete;
    this.#password.minLength = isSigningUp ? MIN_PASSWORD_LENGTH : 0;
    this.#show(false);
  }

  #show(isReadable) {
    this.#password.type = isReadable ? "text" : "password";
    this.#reveal.textContent = isReadable ? "Hide" : "Show";
    this.#reveal.setAttribute("aria-label", isReadable ? "Hide password" : "Show password");
    this.#reveal.setAttribute("aria-pressed", String(isReadable));
  }

  #wait(isWaiting) {
    byId("account-submit").disabled = isWaiting;
    byId("account-form").setAttribute("aria-busy", String(isWaiting));
    if (isWaiting) byId("account-error").textContent = "";
  }
}

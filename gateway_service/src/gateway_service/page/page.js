/** Puts the page together: which part is on show, by who is signed in and by the address. */

import { AccountForm } from "/assets/account.js";
import { ConversionView } from "/assets/conversion.js";
import { announce, byId } from "/assets/dom.js";
import { EarlierList } from "/assets/earlier.js";
import { Session } from "/assets/session.js";
import { UploadPanel, acceptDrops } from "/assets/upload.js";

const CONVERSION_ADDRESS = /^#\/conversions\/([0-9a-f]{32})$/;
const EXPIRED = "You were signed out to keep your account safe. Sign in to go on where you were.";
const WANTED = "Sign in to see your conversion.";

const session = new Session();
const account = new AccountForm(session);
const conversion = new ConversionView(session);
const earlier = new EarlierList(session);
const upload = new UploadPanel(session, (accepted) => {
  // Whoever went to look at another conversion meanwhile is left there.
  if (wantedConversion()) announce(`${accepted.video.filename} is uploaded`);
  else location.hash = `#/conversions/${accepted.id}`;
});
let openAddress = null;

/** The conversion that the address names, or "" for the start. */
function wantedConversion() {
  return CONVERSION_ADDRESS.exec(location.hash)?.[1] ?? "";
}

function present(part) {
  for (const name of ["account", "home", "conversion"]) byId(name).hidden = name !== part;
  byId("who").hidden = part === "account";
  byId("who-email").textContent = session.email;
}

function presentWanted() {
  present(wantedConversion() ? "conversion" : "home");
}

/** Open anew what the address names. */
function open() {
  openAddress = location.hash;
  document.title = "Tonearm";
  conversion.close();
  earlier.close();
  presentWanted();
  const id = wantedConversion();
  if (id) conversion.open(id);
  else earlier.open();
}

function askToSignIn(reason) {
  present("account");
  document.title = "Sign in · Tonearm";
  account.ask(reason);
}

function isAsking() {
  return !byId("account").hidden;
}

function closeEverything() {
  openAddress = null;
  upload.reset();
  conversion.close();
  earlier.clear();
}

function focusOnTitle() {
  byId(wantedConversion() ? "conversion-title" : "home-title").focus();
}

session.addEventListener("expired", () => {
  // Several calls may find out at once; only the first may empty the form.
  if (!isAsking()) askToSignIn(EXPIRED);
});
session.addEventListener("opened", ({ detail }) => {
  if (!detail.isSameAccount) closeEverything();
  // Whoever comes back finds everything as it was: the calls that waited go on by themselves.
  if (detail.isSameAccount && openAddress === location.hash) presentWanted();
  else open();
  focusOnTitle();
});
session.addEventListener("closed", () => {
  closeEverything();
  history.replaceState(null, "", "#/");
  askToSignIn("");
});
window.addEventListener("hashchange", () => {
  if (isAsking()) return;
  open();
  focusOnTitle();
});
byId("sign-out").addEventListener("click", () => session.close());
acceptDrops((files) => {
  if (isAsking()) return;
  if (wantedConversion()) location.hash = "#/";
  upload.take(files);
});

if (session.isOpen) open();
else askToSignIn(wantedConversion() ? WANTED : "");

/** The few things every part of the page does with the document. */

/** Find an element of index.html by its id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Tell those who listen to the page instead of looking at it. */
export function announce(text) {
  byId("status").textContent = text;
}

/** Set an element's text and hide it while there is none. */
export function say(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

/** Move a bar; `undefined` makes it show that something happens, but not how much. */
export function setProgress(bar, share) {
  if (share === undefined) bar.removeAttribute("value");
  else bar.value = share;
}

/** Whether an error only says that nobody waits for the answer any more. */
export function isAbort(error) {
  return error.name === "AbortError";
}

/** Says in words and figures what the API says in reasons and numbers. */

const REASONS = {
  INVALID_EMAIL: "That does not look like an e-mail address.",
  PASSWORD_TOO_SHORT: "The password is too short. It needs 10 characters or more.",
  PASSWORD_TOO_LONG: "The password is too long. It may have 128 characters at most.",
  EMAIL_TAKEN: "There is an account with this address already. Sign in instead.",
  INVALID_CREDENTIALS: "The address or the password is wrong.",
  UNKNOWN_CONVERSION: "There is no such conversion in your account.",
  AUDIO_NOT_READY: "The audio is not ready yet.",
  AUDIO_EXPIRED: "The MP3 is not kept any more. Upload the video again.",
  VIDEO_EXPIRED: "The video is not kept any more. Upload it again.",
  CONVERSION_OVER: "This conversion has ended already.",
  CONVERSION_NOT_RETRYABLE: "This conversion cannot be tried again.",
  STORAGE_FULL: "Tonearm has no room left at the moment. Please try again later.",
  EMPTY_VIDEO: "This file is empty.",
  INCOMPLETE_VIDEO: "The upload was cut off. Please try again.",
  CHECKSUM_MISMATCH: "The upload was damaged on its way. Please try again.",
  VIDEO_TOO_LARGE: "This file is larger than Tonearm accepts.",
};

const STATUSES = {
  0: "Tonearm cannot be reached. Check your connection and try again.",
  404: "That could not be found.",
  413: "This file is larger than Tonearm accepts.",
  429: "That was too often in a short time. Wait a minute and try again.",
};

const STATES = {
  QUEUED: "Waiting",
  RUNNING: "Converting",
  SUCCEEDED: "Ready",
  FAILED: "Failed",
  CANCELLED: "Called off",
};

/** Say what went wrong with a call, and what to do about it. */
export function explain(error) {
  const words = REASONS[error.reason] ?? STATUSES[error.status];
  if (words) return words;
  if (error.status >= 500) return "Tonearm has trouble at the moment. Please try again in a minute.";
  if (error.status && error.message) return error.message;
  return "Something went wrong. Please try again.";
}

/** Say why a conversion failed; its message is meant for people. */
export function explainFailure(conversion) {
  return conversion.error?.message || "The reason is unknown. Please try another file.";
}

/** Say where a conversion stands, in a word or two. */
export function stateOf(conversion) {
  const words = STATES[conversion.state] ?? "Unknown";
  return conversion.state === "RUNNING" ? `${words} ${percent(conversion.progress)}` : words;
}

export function percent(share) {
  return `${Math.floor(Number(share ?? 0) * 100)} %`;
}

/** Write a length in bytes (a number, or a string as JSON has int64) in decimal units. */
export function bytes(length) {
  const count = Number(length ?? 0);
  if (count < 1000) return `${count} bytes`;
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(count) / 3), units.length);
  const value = count / 1000 ** power;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[power - 1]}`;
}

/** Write a google.protobuf.Duration ("75.024s") as a clock does: 1:15. */
export function playingTime(duration) {
  const seconds = Math.round(Number.parseFloat(duration ?? "0"));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours) return `${hours}:${two(minutes)}:${two(seconds % 60)}`;
  return `${minutes}:${two(seconds % 60)}`;
}

/** Write about how long something still takes. */
export function timeLeft(seconds) {
  if (seconds < 10) return "a few seconds left";
  if (seconds < 90) return `about ${Math.ceil(seconds / 10) * 10} seconds left`;
  if (seconds < 90 * 60) return `about ${Math.round(seconds / 60)} minutes left`;
  return `about ${Math.round(seconds / 3600)} hours left`;
}

/** Write a moment (RFC 3339) in the reader's own time zone. */
export function moment(timestamp) {
  if (!timestamp) return "";
  return new Date(timestamp).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Describe the sound: "44.1 kHz stereo". */
export function sound({ sample_rate_hz: rate = 0, channels = 0 }) {
  const layout = { 1: "mono", 2: "stereo" }[channels] ?? `${channels} channels`;
  return `${rate / 1000} kHz ${layout}`;
}

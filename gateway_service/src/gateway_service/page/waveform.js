/** Draws the waveform of an MP3. */

const SVG = "http://www.w3.org/2000/svg";
/** Samples reach from -128 to 127. */
const FULL_SCALE = 128;

/** Draw a column for each pair of lowest and highest sample, and a line for silence. */
export function waveformPicture({ data, length }) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", `0 ${-FULL_SCALE} ${length} ${2 * FULL_SCALE}`);
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", "Waveform");
  const path = document.createElementNS(SVG, "path");
  const columns = Array.from({ length }, (_, x) => {
    const [low, high] = [data[2 * x], data[2 * x + 1]];
    return `M${x} ${-high}h1V${1 - low}h-1z`;
  });
  path.setAttribute("d", columns.join(""));
  picture.append(path);
  return picture;
}

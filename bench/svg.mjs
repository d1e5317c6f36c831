// What all pictures have in common: a document that is readable on light and on dark ground.

export const escapeText = (text) =>
  String(text).replace(
    /[&<>"]/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c],
  );

/** Ink, lines and ground for both; a picture stands on its own ground, wherever it is shown. */
const STYLE = `
  text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  .ground { fill: #ffffff } .ink { fill: #1b1f24 } .soft { fill: #57606a }
  .title { font-size: 15px; font-weight: 600 } .axis { stroke: #57606a } .grid { stroke: #d8dee4 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #16181d } .ink { fill: #e6edf3 } .soft { fill: #9aa4af }
    .axis { stroke: #9aa4af } .grid { stroke: #2f353d }
  }`;

/** The text of an SVG file. `body`: elements, in the order in which they are drawn. */
export function svgDocument({ width, height, title, style = "", body }) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" ` +
      `height="${height}" role="img">`,
    `<title>${escapeText(title)}</title>`,
    `<style>${STYLE}${style}\n</style>`,
    `<rect class="ground" width="${width}" height="${height}"/>`,
    ...body,
    "</svg>\n",
  ].join("\n");
}

// Plots of lines over logarithmic axes, as SVG. Readable on light and on dark ground, and without
// colours: each line has a mark of its own, and the marks stand in the legend.
import { escapeText, svgDocument } from "./svg.mjs";

const INNER_WIDTH = 570;
const HEIGHT = 480;
const LEFT = 78;
/** Beside the lines: space, the legend's sample, and its longest name. */
const LEGEND = 22 + 34 + 14;
const LETTER = 7.2;
const TOP = 64;
const BOTTOM = 62;
const LEGEND_ROW = 24;

/** Okabe and Ito's colours, which are told apart by all; darker on light ground, lighter on dark. */
const COLOURS = [
  ["#1b1f24", "#e6edf3"],
  ["#b84a00", "#f0824d"],
  ["#0068a5", "#56b4e9"],
  ["#00795a", "#2fc79b"],
  ["#9c4f7c", "#e29ac3"],
  ["#8a6a00", "#e6b422"],
  ["#4a5fb0", "#9fb0ff"],
  ["#6b7280", "#a8b0ba"],
];

const STYLE = [
  "\n  .line { fill: none; stroke-width: 2 } .mark { stroke-width: 1.5 }",
  ...COLOURS.map(
    ([light], i) => `  .s${i} { stroke: ${light} } .m${i} { fill: ${light}; stroke: ${light} }`,
  ),
  "  @media (prefers-color-scheme: dark) {",
  ...COLOURS.map(
    ([, dark], i) => `    .s${i} { stroke: ${dark} } .m${i} { fill: ${dark}; stroke: ${dark} }`,
  ),
  "  }",
].join("\n");

const fixed = (value) => value.toFixed(1);

const MARKS = [
  (x, y) => `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="4"`,
  (x, y) => `<rect x="${fixed(x - 4)}" y="${fixed(y - 4)}" width="8" height="8"`,
  (x, y) => `<path d="M${fixed(x)} ${fixed(y - 5)}l5 9h-10z"`,
  (x, y) => `<path d="M${fixed(x)} ${fixed(y - 5.5)}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"`,
  (x, y) => `<path d="M${fixed(x)} ${fixed(y + 5)}l5 -9h-10z"`,
  (x, y) => `<path fill="none" d="M${fixed(x - 4)} ${fixed(y - 4)}l8 8m0 -8l-8 8"`,
  (x, y) => `<path fill="none" d="M${fixed(x - 5)} ${fixed(y)}h10m-5 -5v10"`,
  (x, y) => `<rect x="${fixed(x - 5)}" y="${fixed(y - 2)}" width="10" height="4"`,
];

const mark = (place, x, y) => `${MARKS[place](x, y)} class="mark m${place}"/>`;

/** A number as short as an axis wants it. */
export function tickText(value) {
  for (const [unit, letter] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ]) {
    if (value >= unit) return `${Number((value / unit).toPrecision(3))}${letter}`;
  }
  return String(Number(value.toPrecision(3)));
}

/** Ticks of a logarithmic axis from `low` to `high`: powers of ten, with 2 and 5 where few are. */
export function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const steps = decades > 3.5 ? [1] : decades > 1.6 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const step of steps) {
      const value = step * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) ticks.push(value);
    }
  }
  return ticks;
}

/** From values to a place between 0 and 1, with ticks: `[value, text]`. */
function logScale(values, ticks) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  // A line along the frame could not be told from it.
  const low = ticks === undefined ? least / 1.15 : least;
  const high = ticks === undefined ? Math.max(most * 1.15, low * 2) : most;
  const span = Math.log(high / low) || 1;
  return {
    at: (value) => Math.log(value / low) / span,
    ticks: (ticks ?? logTicks(low, high)).map((value) => [value, tickText(value)]),
  };
}

/** Parts of a distribution: as many nines as there are, evenly apart. */
function tailScale(values) {
  const place = (part) => -Math.log10(Math.max(1 - part, 1e-9));
  const most = place(Math.max(...values));
  const parts = [0.5, 0.9, 0.99, 0.999, 0.9999].filter((part) => place(part) <= most + 1e-9);
  return {
    at: (part) => place(part) / most,
    ticks: parts.map((part) => [part, `${Number((100 * part).toFixed(2))} %`]),
  };
}

const SCALES = { log: logScale, tail: tailScale };

/**
 * A plot as the text of an SVG file. `x`, `y`: `{ label, scale: "log" | "tail", ticks? }`; `series`:
 * `{ name, place, points: [[x, y], ...] }`, where `place`, 0 to 7, is its colour and mark. Points
 * that a logarithm has no place for are left out; throws if none are left.
 */
export function linePlot({ title, note = "", x, y, series }) {
  const shown = series
    .map((one) => ({ ...one, points: one.points.filter(([, value]) => value > 0) }))
    .filter(({ points }) => points.length > 0);
  const all = shown.flatMap(({ points }) => points);
  if (all.length === 0) throw new Error(`the plot "${title}" has no points`);
  const xs = SCALES[x.scale](
    all.map(([value]) => value),
    x.ticks,
  );
  const ys = SCALES[y.scale](
    all.map(([, value]) => value),
    y.ticks,
  );
  const [innerWidth, innerHeight] = [INNER_WIDTH, HEIGHT - TOP - BOTTOM];
  const longest = Math.max(...shown.map(({ name }) => name.length));
  const width = Math.ceil(LEFT + innerWidth + LEGEND + longest * LETTER);
  const px = (value) => LEFT + xs.at(value) * innerWidth;
  const py = (value) => TOP + (1 - ys.at(value)) * innerHeight;
  const bottom = TOP + innerHeight;
  const body = [
    `<text class="ink title" x="${LEFT}" y="26">${escapeText(title)}</text>`,
    `<text class="soft" x="${LEFT}" y="46">${escapeText(note)}</text>`,
  ];
  for (const [value, text] of ys.ticks) {
    const at = fixed(py(value));
    body.push(`<line class="grid" x1="${LEFT}" x2="${LEFT + innerWidth}" y1="${at}" y2="${at}"/>`);
    body.push(
      `<text class="ink" x="${LEFT - 8}" y="${fixed(py(value) + 4)}" text-anchor="end">${text}</text>`,
    );
  }
  for (const [value, text] of xs.ticks) {
    const at = fixed(px(value));
    body.push(`<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${bottom}"/>`);
    body.push(`<text class="ink" x="${at}" y="${bottom + 20}" text-anchor="middle">${text}</text>`);
  }
  body.push(
    `<path class="axis" fill="none" d="M${LEFT} ${TOP}V${bottom}H${LEFT + innerWidth}"/>`,
    `<text class="ink" x="${LEFT + innerWidth / 2}" y="${HEIGHT - 14}" text-anchor="middle">` +
      `${escapeText(x.label)}</text>`,
    `<text class="ink" transform="translate(20 ${TOP + innerHeight / 2}) rotate(-90)" ` +
      `text-anchor="middle">${escapeText(y.label)}</text>`,
  );
  shown.forEach(({ name, place, points }, i) => {
    const line = points.map(([a, b]) => `${fixed(px(a))} ${fixed(py(b))}`).join("L");
    const [lx, ly] = [LEFT + innerWidth + 22, TOP + 12 + i * LEGEND_ROW];
    body.push(
      `<path class="line s${place}" d="M${line}"/>`,
      ...points.map(([a, b]) => mark(place, px(a), py(b))),
      `<line class="line s${place}" x1="${lx}" x2="${lx + 26}" y1="${ly}" y2="${ly}"/>`,
      mark(place, lx + 13, ly),
      `<text class="ink" x="${lx + 34}" y="${ly + 4}">${escapeText(name)}</text>`,
    );
  });
  return svgDocument({ width, height: HEIGHT, title, style: STYLE, body });
}

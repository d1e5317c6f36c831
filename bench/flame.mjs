// A CPU profile of V8 as a tree of time, and as a flame graph in SVG. No dependency.
import { basename } from "node:path";
import { escapeText, svgDocument } from "./svg.mjs";

const ROW = 18;
const WIDTH = 1200;
const MARGIN = 10;
const TOP = 58;
/** A frame that is narrower is left out: nobody could see or point at it. */
const NARROWEST = 0.6;
/** Width of a letter of the font, near enough to know what fits. */
const LETTER = 6.6;

/** Where a function is, as short as is clear: a file and a line, or what kind of code it is. */
function placeOf({ url, lineNumber }) {
  if (url === "") return "native";
  if (url.startsWith("node:")) return url;
  return `${basename(url)}:${lineNumber + 1}`;
}

/**
 * The tree of a `.cpuprofile`: `{ name, place, micros, self, children }`, children by name, the same
 * function called from the same place once.
 */
export function treeOf({ nodes, samples, timeDeltas }) {
  const self = new Map();
  for (let i = 0; i < samples.length; i++) {
    // A delta is the time since the sample before: that one's function had it.
    const id = samples[i];
    self.set(id, (self.get(id) ?? 0) + Math.max(0, timeDeltas[i + 1] ?? 0));
  }
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const build = (node) => {
    const children = new Map();
    for (const id of node.children ?? []) {
      const child = build(byId.get(id));
      const key = `${child.name} ${child.place}`;
      const known = children.get(key);
      children.set(key, known === undefined ? child : merge(known, child));
    }
    const list = [...children.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const own = self.get(node.id) ?? 0;
    return {
      name: node.callFrame.functionName || "(anonymous)",
      place: placeOf(node.callFrame),
      self: own,
      micros: own + list.reduce((sum, child) => sum + child.micros, 0),
      children: list,
    };
  };
  return build(nodes[0]);
}

function merge(a, b) {
  const children = new Map(a.children.map((child) => [`${child.name} ${child.place}`, child]));
  for (const child of b.children) {
    const key = `${child.name} ${child.place}`;
    const known = children.get(key);
    children.set(key, known === undefined ? child : merge(known, child));
  }
  return {
    ...a,
    self: a.self + b.self,
    micros: a.micros + b.micros,
    children: [...children.values()],
  };
}

/** The tree without the time in which nothing ran. */
export function withoutIdle(tree) {
  const children = tree.children.filter(({ name }) => name !== "(idle)");
  const micros = children.reduce((sum, child) => sum + child.micros, tree.self);
  return { ...tree, children, micros };
}

/** The functions with the most time of their own: `{ name, place, micros, part }`. */
export function hottest(tree, count) {
  const own = new Map();
  const visit = (node) => {
    const key = `${node.name} ${node.place}`;
    const { name, place } = node;
    own.set(key, { name, place, micros: (own.get(key)?.micros ?? 0) + node.self });
    for (const child of node.children) visit(child);
  };
  visit(tree);
  return [...own.values()]
    .sort((a, b) => b.micros - a.micros)
    .slice(0, count)
    .map((one) => ({ ...one, part: one.micros / tree.micros }));
}

const GROUPS = { native: "native", node: "node", program: "program" };

function groupOf({ name, place }) {
  if (name.startsWith("(") && name !== "(anonymous)") return GROUPS.native;
  if (place === "native") return GROUPS.native;
  return place.startsWith("node:") ? GROUPS.node : GROUPS.program;
}

const STYLE = `
  .native { fill: #d9a066 } .node { fill: #9ab8d9 } .program { fill: #e8cf6a }
  .frame { stroke: #ffffff; stroke-width: 0.5 } .label { fill: #1b1b1b }
  @media (prefers-color-scheme: dark) { .frame { stroke: #16181d } }`;

/** The flame graph: callers below, what they call on top of them, width is time. */
export function flameGraph(tree, title) {
  const shown = [];
  const scale = (WIDTH - 2 * MARGIN) / tree.micros;
  const place = (node, x, depth) => {
    const width = node.micros * scale;
    if (width < NARROWEST) return;
    shown.push({ node, x, depth, width });
    let at = x;
    for (const child of node.children) {
      place(child, at, depth + 1);
      at += child.micros * scale;
    }
  };
  place(tree, MARGIN, 0);
  const depth = shown.reduce((most, one) => Math.max(most, one.depth + 1), 1);
  const height = TOP + depth * ROW + 30;
  const frames = shown.map(({ node, x, depth: level, width }) => {
    const y = TOP + (depth - 1 - level) * ROW;
    const part = ((100 * node.micros) / tree.micros).toFixed(1);
    const text = `${node.name} (${node.place}): ${(node.micros / 1000).toFixed(1)} ms, ${part} %`;
    const letters = Math.floor((width - 6) / LETTER);
    const label = node.name.length <= letters ? node.name : `${node.name.slice(0, letters - 1)}…`;
    const written =
      letters < 4
        ? ""
        : `<text class="label" x="${(x + 3).toFixed(1)}" y="${y + 13}">${escapeText(label)}</text>`;
    return (
      `<g><title>${escapeText(text)}</title><rect class="frame ${groupOf(node)}" x="${x.toFixed(1)}" ` +
      `y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}"/>${written}</g>`
    );
  });
  const legend = [
    ["program", "JavaScript"],
    ["node", "Node.js"],
    ["native", "native, V8"],
  ].map(
    ([group, text], i) =>
      `<rect class="${group}" x="${MARGIN + i * 120}" y="36" width="12" height="12"/>` +
      `<text class="ink" x="${MARGIN + 18 + i * 120}" y="46">${text}</text>`,
  );
  const total = `${(tree.micros / 1000).toFixed(0)} ms of the main thread; callers below`;
  return svgDocument({
    width: WIDTH,
    height,
    title,
    style: STYLE,
    body: [
      `<text class="ink title" x="${MARGIN}" y="22">${escapeText(title)}</text>`,
      `<text class="ink" x="${WIDTH - MARGIN}" y="46" text-anchor="end">${total}</text>`,
      ...legend,
      ...frames,
    ],
  });
}

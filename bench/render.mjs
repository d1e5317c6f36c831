// Results as documents: `npm run bench -- render` puts the newest result of each bench between the markers
// of docs/benchmarks.md and README.md, and draws the plots in docs/plots.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { blocksOf } from "./render/blocks.mjs";
import { plotsOf } from "./render/plots.mjs";
import { replaceBlock } from "./results.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BENCHES = ["peers", "promises", "growth", "state", "overwrite"];

/**
 * By bench, the newest result that shows something: none of a part, and
 * none of a quick run unless they are allowed.
 */
export function newestResults(folder, allowQuick) {
  const results = {};
  for (const file of readdirSync(folder).sort().reverse()) {
    const name = /^([a-z]+)-\d{4}-.*\.json$/.exec(file)?.[1];
    if (!BENCHES.includes(name) || results[name] !== undefined) continue;
    const result = JSON.parse(readFileSync(join(folder, file), "utf8"));
    // A part alone would take the place of the whole.
    if (result.partial === true) continue;
    if (isQuick(name, result) && !allowQuick) continue;
    console.error(`${name}: ${file}`);
    results[name] = result;
  }
  return results;
}

/** Older results of "state" do not say; a state of a hundredth does. */
function isQuick(name, result) {
  if (name === "state") return result.settings.gigabytes < 1 || result.parts.reads === undefined;
  if (name === "overwrite") return result.count < 1_000_000;
  return result.quick === true;
}

/** Where the plots stand, seen from each document. */
const DOCUMENTS = { "docs/benchmarks.md": "plots", "README.md": "docs/plots" };

export async function render(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      results: { type: "string", default: join(ROOT, "bench", "results") },
      docs: { type: "string", default: ROOT },
      "allow-quick": { type: "boolean", default: false },
    },
  });
  const results = newestResults(values.results, values["allow-quick"]);
  if (Object.keys(results).length === 0) {
    throw new Error(`${values.results} has no result that could be shown`);
  }
  // The state is measured for the promises too; the newest is shown.
  const plots = plotsOf({ ...results, state: results.state ?? results.promises?.state });
  const folder = join(values.docs, "docs", "plots");
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries(plots)) writeFileSync(join(folder, file), text);
  for (const [document, plotFolder] of Object.entries(DOCUMENTS)) {
    const path = join(values.docs, document);
    let text = readFileSync(path, "utf8");
    const written = [];
    for (const [name, markdown] of Object.entries(blocksOf(results, plots, plotFolder))) {
      const next = replaceBlock(text, name, markdown);
      if (next === undefined) continue;
      text = next;
      written.push(name);
    }
    writeFileSync(path, text);
    console.log(`${document}: ${written.join(", ") || "nothing"}`);
  }
  console.log(`docs/plots: ${Object.keys(plots).join(", ") || "nothing"}`);
}

/**
 * The package as it is run: few files in place of two hundred, which Node.js would find, read and
 * link one by one before a process that was killed is back: docs/decisions.md has the figures. Types
 * are made by the compiler, beside them.
 */
import { readFileSync, rmSync } from "node:fs";
import { isBuiltin } from "node:module";
import { defineConfig } from "rolldown";

/** What a program, a shell or a thread begins with. */
const ENTRIES = ["index", "cli/main", "snapshot/worker", "trading/index"];

/** What tests and benches look at by itself, in processes of their own. */
const INNER = [
  ...["codec/decimal", "codec/key", "codec/row", "codec/schema"],
  "columns/columns",
  ...["disk/lock", "disk/native", "disk/portable"],
  ...[
    "replay/checks",
    "replay/digest",
    "replay/engine",
    "replay/run",
    "replay/tables",
    "replay/tape",
  ],
];

/** The thread of the background loads the first alone; its own module, which acts, is in none. */
const CHUNKS = {
  core: /\/src\/(base|blobs|codec|columns|disk|log|manifest|run|snapshot)\/(?!worker\.ts)|\/@msgpack\//,
  store: /\/src\/((memtable|recovery|series|store)\/|index\.ts)/,
  replay: /\/src\/replay\//,
};

const packages = Object.keys(JSON.parse(readFileSync("package.json", "utf8")).dependencies);

// Nothing of another build stays behind.
rmSync("dist/chunks", { recursive: true, force: true });

export default defineConfig({
  input: Object.fromEntries([...ENTRIES, ...INNER].map((name) => [name, `src/${name}.ts`])),
  platform: "node",
  // Dependencies stay what they are: packages of their own. What is none (@msgpack/msgpack) is taken
  // in: its sixteen files were a quarter of the time of an import. THIRD-PARTY.md has its licence.
  external: (id) => isBuiltin(id) || packages.some((name) => `${id}/`.startsWith(`${name}/`)),
  output: {
    dir: "dist",
    format: "esm",
    // Node.js would read them at every start; the declarations have those that editors show.
    comments: false,
    // One level down, as every module is in src: what stands beside the package is found from both.
    chunkFileNames: "chunks/[name].js",
    codeSplitting: { groups: Object.entries(CHUNKS).map(([name, test]) => ({ name, test })) },
  },
});

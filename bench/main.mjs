// The benchmarks: `npm run bench -- NAME [options]`. Run them on a machine that does nothing else.
import { blobs } from "./blobs.mjs";
import { books } from "./books.mjs";
import { columns } from "./columns.mjs";
import { compare } from "./compare.mjs";
import { durable } from "./durable.mjs";
import { fill } from "./fill.mjs";
import { growth } from "./growth.mjs";
import { history } from "./history.mjs";
import { overwrite } from "./overwrite.mjs";
import { peers } from "./peers.mjs";
import { profile } from "./profile.mjs";
import { promises } from "./promises.mjs";
import { render } from "./render.mjs";
import { series } from "./series.mjs";
import { state } from "./state.mjs";
import { USAGE } from "./usage.mjs";

const BENCHES = {
  ...{ durable, state, overwrite, fill, columns, series, books, blobs, history },
  ...{ peers, promises, compare, profile, growth, render },
};

const [name, ...rest] = process.argv.slice(2);
const bench = BENCHES[name];
const wantsHelp = name === undefined || [name, ...rest].includes("--help");
if (bench === undefined || wantsHelp) {
  if (!wantsHelp) console.error(`there is no bench "${name}"\n`);
  (wantsHelp ? console.log : console.error)(USAGE);
  process.exit(wantsHelp ? 0 : 2);
}
try {
  await bench(rest);
} catch (error) {
  if (!String(error.code).startsWith("ERR_PARSE_ARGS")) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}

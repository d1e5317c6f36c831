// Where the time of a workload goes: `npm run bench -- profile WORKLOAD` leaves a CPU profile of V8 and a
// flame graph of the main thread.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cleanUp, cleanUpOnSignals, removeAtEnd } from "./children.mjs";
import { flameGraph, hottest, treeOf, withoutIdle } from "./flame.mjs";
import { contendersOf } from "./peers/contenders.mjs";
import { checkWorkload, namedWorkloads } from "./peers/named.mjs";
import { Contender } from "./peers/turns.mjs";
import { number, textTable } from "./text.mjs";

/** Runs the workload for some time before it is looked at, and then while it is. */
async function profiled(contender, { prepare, run }, { seconds, warmUpSeconds }) {
  for (const [name, params] of prepare) await contender.run(name, params);
  const during = async (millis) => {
    const end = performance.now() + millis;
    let operations = 0;
    while (performance.now() < end) operations += (await contender.run(...run)).operations;
    return operations;
  };
  await during(warmUpSeconds * 1000);
  await contender.call("startProfile");
  const operations = await during(seconds * 1000);
  return { operations, profile: await contender.call("stopProfile") };
}

export async function profile(argv) {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      dir: { type: "string" },
      of: { type: "string", default: "holdfast" },
      out: { type: "string", default: "bench/results" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
    },
  });
  if (positionals.length !== 1) throw new Error("profile takes one workload");
  const [workload] = positionals;
  checkWorkload(workload);
  const seconds = Number(values.seconds ?? (values.quick ? 1 : 6));
  if (!(seconds > 0)) throw new Error(`--seconds must be above zero, got "${values.seconds}"`);
  const directory = resolve(values.dir ?? join(process.cwd(), ".tmp", "bench"), "profile");
  cleanUpOnSignals();
  removeAtEnd(directory);
  rmSync(directory, { recursive: true, force: true });
  const [spec] = await contendersOf("power", [values.of]);
  if (spec.missing !== undefined) throw new Error(`${spec.title}: ${spec.missing}`);
  try {
    const contender = new Contender(spec, join(directory, spec.name));
    const one = namedWorkloads()[workload];
    await contender.open(one.tables);
    const warmUpSeconds = Math.min(2, seconds);
    const found = await profiled(contender, one, { seconds, warmUpSeconds });
    await contender.end();
    mkdirSync(values.out, { recursive: true });
    const base = join(values.out, `profile-${values.of}-${workload}`);
    const tree = withoutIdle(treeOf(found.profile));
    writeFileSync(`${base}.cpuprofile`, JSON.stringify(found.profile));
    writeFileSync(`${base}.svg`, flameGraph(tree, `${spec.title}: ${workload}`));
    const micros = (value) => `${number(value / found.operations, 3)} µs`;
    const rows = hottest(tree, 15).map(({ name, place, micros: own, part }) => [
      ...[name, place, micros(own), `${number(100 * part, 1)} %`],
    ]);
    console.log(textTable([["function", "at", "own time of an operation", "part"], ...rows]));
    console.log(
      `\n${number(found.operations)} operations, ${micros(tree.micros)} each on the main thread; ` +
        `written to ${base}.cpuprofile and ${base}.svg`,
    );
  } finally {
    cleanUp();
  }
}

// Two revisions beside one another: `npm run bench -- compare REV [REV2]`. Both are built, and take turns
// in processes of their own; what is told is the ratio of their times, with an interval.
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cleanUp, cleanUpOnSignals, removeAtEnd } from "./children.mjs";
import {
  buildRevision,
  removeRevision,
  resolveRevision,
  thisCheckout,
} from "./compare/revisions.mjs";
import { describeMachine } from "./machine.mjs";
import { checkWorkload, namedWorkloads } from "./peers/named.mjs";
import { Contender, inTurns } from "./peers/turns.mjs";
import { makeRandom } from "./random.mjs";
import { writeResult } from "./results.mjs";
import { bootstrapMedian, median } from "./statistics.mjs";
import { number, textTable } from "./text.mjs";

const DEFAULT_WORKLOADS = [
  "put-sync",
  "put",
  "writers-64",
  "batch-1000",
  "get-any",
  "scan",
  "ycsb-A",
];

/** A process is compiled and laid out by chance: so many pairs of processes, and pairs of blocks each. */
const SIZES = {
  full: { processes: 5, rounds: 6, scale: 1 },
  quick: { processes: 2, rounds: 4, scale: 0.2 },
};

/** The figure of a block: microseconds, less is better. */
const FIGURES = {
  latency: ({ micros }) => median(micros),
  operation: ({ seconds, operations }) => (seconds * 1e6) / operations,
};

/** Blocks of both in turns: for each pair of processes its pairs of figures, before and after. */
async function pairsOf(sides, workload, { processes, rounds }, directory) {
  const groups = [];
  for (let i = 0; i < processes; i++) {
    const both = sides.map(
      (side) => new Contender(side, join(directory, `${side.name}-${workload.name}`)),
    );
    try {
      for (const one of both) {
        await one.open(workload.tables);
        for (const [name, params] of workload.prepare) await one.run(name, params);
      }
      // The first process of a pair is now this one, now the other.
      if (i % 2 === 1) both.reverse();
      const results = await inTurns(both, { rounds, warmUp: 2 }, (one) => one.run(...workload.run));
      const [before, after] = sides.map(({ name }) => {
        const blocks = results.get(name);
        if (!Array.isArray(blocks)) throw new Error(`${name}, ${workload.name}: ${blocks.failed}`);
        return blocks.map(FIGURES[workload.figure]);
      });
      groups.push(before.map((one, j) => [one, after[j]]));
    } finally {
      for (const one of both) await one.end();
    }
  }
  return groups;
}

export function verdictOf({ low, high }) {
  if (high < 1) return "faster";
  if (low > 1) return "slower";
  return "no difference seen";
}

/** What groups of pairs tell: the ratio of the second figure to the first, and its interval. */
export function compared(groups, seed = 1) {
  const ratios = groups.map((pairs) => pairs.map(([before, after]) => after / before));
  const interval = bootstrapMedian(ratios, { random: makeRandom(seed) });
  const pairs = groups.flat();
  return {
    before: median(pairs.map(([before]) => before)),
    after: median(pairs.map(([, after]) => after)),
    pairs: pairs.length,
    ...interval,
    verdict: verdictOf(interval),
  };
}

function print({ sides, workloads }) {
  const [before, after] = sides;
  console.log(`before: ${before.id}, ${before.title}\nafter:  ${after.id}, ${after.title}\n`);
  const rows = Object.entries(workloads).map(([name, one]) => [
    name,
    `${number(one.before, 2)} µs`,
    `${number(one.after, 2)} µs`,
    number(one.median, 3),
    `${number(one.low, 3)} to ${number(one.high, 3)}`,
    `${one.pairs}`,
    one.verdict,
  ]);
  const header = ["time of", "before", "after", "after / before", "95 % interval", "pairs", ""];
  console.log(textTable([header, ...rows]));
  console.log(
    "\nMedian of the ratios of paired blocks; interval by bootstrap of processes and pairs.",
  );
}

export async function compare(argv) {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      dir: { type: "string" },
      workload: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  if (positionals.length < 1 || positionals.length > 2) {
    throw new Error("compare takes one revision, or two");
  }
  const names = values.workload?.split(",") ?? DEFAULT_WORKLOADS;
  for (const name of names) checkWorkload(name);
  const sizes = values.quick ? SIZES.quick : SIZES.full;
  const directory = resolve(values.dir ?? join(process.cwd(), ".tmp", "bench"), "compare");
  const revisions = positionals.map(resolveRevision);
  cleanUpOnSignals();
  removeAtEnd(directory);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const built = [];
  try {
    const sides = revisions.map((revision, i) => {
      const place = join(directory, `tree-${i}-${revision.id}`);
      console.error(`building ${revision.id}, ${revision.title} ...`);
      built.push(place);
      return { ...revision, dist: buildRevision(revision, place) };
    });
    if (sides.length === 1) sides.push(thisCheckout());
    const specs = sides.map(({ dist }, i) => ({
      name: i === 0 ? "before" : "after",
      adapter: "holdfast",
      environment: {},
      open: { dist },
    }));
    const machine = describeMachine();
    const workloads = {};
    const all = namedWorkloads(sizes);
    for (const name of names) {
      console.error(`comparing ${name} ...`);
      const groups = await pairsOf(specs, { name, ...all[name] }, sizes, directory);
      workloads[name] = compared(groups);
    }
    const told = sides.map(({ id, commit, title }) => ({ id, commit, title }));
    const result = { machine, quick: values.quick, sides: told, workloads };
    writeResult("compare", result, values.json);
    print(result);
  } finally {
    cleanUp();
    for (const place of built) removeRevision(place);
  }
}

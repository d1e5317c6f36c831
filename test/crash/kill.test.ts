/**
 * kill -9 on real files, some ten times for each back end; `npm run test:kill` does the same more
 * often. Every run draws a new seed, and prints it.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";
import { KILL_BACKENDS, type KillBackend } from "./disks.js";
import { formatFigures, type KillFigures } from "./figures.js";
import { killReplay } from "./replay-kills.js";
import type { KillOptions } from "./rounds.js";
import { killWriters } from "./writer-kills.js";

/** Set by scripts/test-kill.mjs. */
const {
  HOLDFAST_KILL_CYCLES: cycles,
  HOLDFAST_KILL_BACKENDS: backends = KILL_BACKENDS.join(","),
  HOLDFAST_KILL_SEED: seedText,
} = process.env;
const long = cycles !== undefined;
const kills = long ? Number(cycles) : 10;
const seed = seedText === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(seedText);
const chosen = backends.split(",") as KillBackend[];
const timeout = long ? 60_000 + kills * 10_000 : 180_000;
const log = long ? { log: (line: string) => console.log(line) } : {};

/** Events of the tape in a round. */
const limit = long ? 6_000 : 3_000;

const WORKLOADS = [
  { name: "replay", most: kills, run: (o: KillOptions) => killReplay({ ...o, limit }) },
  // One round, where it has to be short.
  { name: "64 writers", most: long ? kills : 5, run: killWriters },
];
const tables = new Map<string, KillFigures[]>();

beforeAll(ensureBuilt);

afterAll(() => {
  for (const [name, figures] of tables) {
    console.log(`kill -9 of ${name}, seed ${seed}:\n${formatFigures(figures)}`);
  }
});

describe.each(WORKLOADS)("$name, killed", ({ name, most, run }) => {
  test.each(chosen)(
    "on %s: what was acknowledged is there, and nothing by halves",
    async (backend) => {
      const figures = await run({ backend, kills: most, seed, ...log });
      if (figures === undefined) {
        console.warn(`SKIPPED: kill -9 of ${name} on ${backend}, which is not to be had here`);
        return;
      }
      tables.set(name, [...(tables.get(name) ?? []), figures]);
      expect(figures.failures).toEqual([]);
      expect(figures.kills).toBeGreaterThanOrEqual(most);
      expect(figures.roundsRight).toBe(figures.rounds);
    },
    timeout,
  );
});

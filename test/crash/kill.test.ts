/**
 * kill -9 on real files, some ten times for each back end; `npm run test:kill` does the same more
 * often. Every run draws a new seed, and prints it.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";
import { KILL_BACKENDS, type KillBackend } from "./disks.js";
import { formatFigures, type KillFigures } from "./figures.js";
import { killReplay } from "./replay-kills.js";

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
const timeout = long ? 60_000 + kills * 10_000 : 60_000;
const log = long ? (line: string) => console.log(line) : undefined;

const replays: KillFigures[] = [];

beforeAll(ensureBuilt);

afterAll(() => {
  console.log(`kill -9, seed ${seed}; replay:\n${formatFigures(replays)}`);
});

describe.each(chosen)("killed on %s", (backend) => {
  test(
    "replay keeps what it acknowledged, and ends as if it had never been killed",
    async ({ skip }) => {
      const limit = long ? 12_000 : 4_000;
      const figures = await killReplay({ backend, kills, seed, limit, ...(log && { log }) });
      if (figures === undefined) return skip(`${backend} is not to be had here`);
      replays.push(figures);
      expect(figures.failures).toEqual([]);
      expect(figures.kills).toBeGreaterThanOrEqual(kills);
      expect(figures.roundsRight).toBe(figures.rounds);
    },
    timeout,
  );
});

/** One back end of the short lives: a file for each, so that they run side by side. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";
import { recordFaults } from "../support/fault-matrix.js";
import { KILL_BACKENDS, type KillBackend } from "./disks.js";
import { formatFigures, type KillFigures } from "./figures.js";
import { FailpointHits, killShortLives } from "./short-lives.js";

/** Set by scripts/test-kernel.mjs. */
const {
  HOLDFAST_SHORT_LIVES: countText = "500",
  HOLDFAST_KILL_BACKENDS: backends = KILL_BACKENDS.join(","),
  HOLDFAST_KILL_SEED: seedText,
} = process.env;
const count = Number(countText);
/** Processes at once: while one waits for its disk, or is loaded, another one works. */
const LANES = 2;
/** More of them, so many at once and at most, while a failpoint has not been met. */
const MORE = 100;
const MORE_MAX = 1_000;

export function shortLivesSuite(backend: KillBackend): void {
  const seed = seedText === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(seedText);
  const hits = new FailpointHits();
  const all: KillFigures[] = [];
  const kills = (): number => all.reduce((sum, figures) => sum + figures.kills, 0);
  beforeAll(ensureBuilt);

  afterAll(() => {
    if (all.length === 0) return;
    console.log(`kill -9 of short lives, seed ${seed}:\n${formatFigures(all)}`);
    console.log(`failpoints on ${backend}: ${hits.total} kills: ${hits}`);
    const ends = [...hits.ends].map(([how, times]) => `${how} ${times}`).join(", ");
    console.log(`ended otherwise on ${backend}: ${ends}`);
    const opening = all.reduce((sum, figures) => sum + figures.killsWhileOpening, 0);
    const failures = all.flatMap((figures) => figures.failures).length;
    const observed = failures === 0 ? "so it was, every time" : `${failures} failures`;
    const expected = "acknowledged kept, no hole, snapshots kept";
    const row = (fault: string, how: string, fired: number) => ({
      fault,
      how: `${how}, ${backend}`,
      fired,
      expected,
      observed,
    });
    recordFaults(`short-lives-${backend}`, [
      row("1 kill -9 at any instant", "SIGKILL at random instants", kills() - hits.total),
      row("1 kill -9 at failpoints", `SIGKILL at ${hits.kinds} steps`, hits.total),
      ...[...hits.ends].map(([how, fired]) => row(`55 ${how} mid-write`, "amid writes", fired)),
      row("9 crash during recovery", "SIGKILL before the opening has ended", opening),
    ]);
  });

  test(`${count} short lives on ${backend}: what was acknowledged is there, and no hole`, {
    timeout: 120_000 + count * 1000,
  }, async () => {
    if (!backends.split(",").includes(backend)) {
      return console.warn(`SKIPPED: short lives on ${backend}, which was not asked for`);
    }
    const run = async (some: number): Promise<boolean> => {
      const options = { backend, kills: some, seed: seed + all.length, lanes: LANES };
      const figures = await killShortLives(options, hits);
      if (figures === undefined) return false;
      all.push(figures);
      expect(figures.failures).toEqual([]);
      expect(figures.roundsRight).toBe(figures.rounds);
      return true;
    };
    if (!(await run(count))) return console.warn(`SKIPPED: short lives on ${backend}`);
    while (hits.missing.length > 0 && kills() < count + MORE_MAX) await run(MORE);
    expect(kills()).toBeGreaterThanOrEqual(count);
    expect(hits.missing, "failpoints never met").toEqual([]);
  });
}

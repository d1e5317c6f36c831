/** The lock fought over by processes and threads, on all back ends at once: one at a time has it. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { defineTable, integer, open } from "../../src/index.js";
import { diskOf, KILL_BACKENDS } from "../crash/disks.js";
import { ensureBuilt } from "../support/built.js";
import { recordFaults } from "../support/fault-matrix.js";

const CHILD = new URL("lock-fight-child.mjs", import.meta.url);
/** Of each contender: two processes and a thread for each back end. */
const TRIES = Number(process.env.HOLDFAST_LOCK_TRIES ?? "40");
const LIFE_MILLIS_MAX = 60_000 + TRIES * 500;
const wins = defineTable({
  name: "wins",
  version: 1,
  key: integer(),
  fields: { count: integer() },
});

interface Result {
  readonly won: number;
  readonly refused: number;
}

let folder: string;
beforeAll(ensureBuilt);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-fight-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("of all who want it, one at a time has the store", {
  timeout: LIFE_MILLIS_MAX + 30_000,
}, async () => {
  const directory = join(folder, "store");
  const backends = KILL_BACKENDS.filter((backend) => diskOf(backend) !== undefined);
  const asProcess = async (data: object): Promise<Result> => {
    const args = [fileURLToPath(CHILD), JSON.stringify(data)];
    const limits = { timeout: LIFE_MILLIS_MAX, killSignal: "SIGKILL" } as const;
    return JSON.parse((await promisify(execFile)(process.execPath, args, limits)).stdout);
  };
  const asWorker = async (data: object): Promise<Result> => {
    const worker = new Worker(CHILD, { workerData: data });
    const [result] = (await once(worker, "message")) as [Result];
    return result;
  };
  // A store that is there: making one is another test's.
  await (await open(directory, { tables: [wins], finalSnapshotMillis: 0 })).close();
  const results = await Promise.all(
    backends.flatMap((backend) => {
      const data = { directory, witness: join(folder, "witness"), backend, tries: TRIES };
      return [asProcess(data), asProcess(data), asWorker(data)];
    }),
  );
  const won = results.reduce((sum, result) => sum + result.won, 0);
  const refused = results.reduce((sum, result) => sum + result.refused, 0);
  console.log(`lock fights: ${results.length} contenders, ${won} won, ${refused} refused`);
  await using store = await open(directory, { tables: [wins] });
  expect(store.table(wins).get(0)).toEqual({ count: won });
  expect(won + refused).toBe(results.length * TRIES);
  expect(Math.min(won, refused)).toBeGreaterThan(0);
  const expected = "LOCKED for all but one, whose writes are kept";
  const row = (fault: string, how: string) => ({
    fault,
    how,
    fired: won + refused,
    expected,
    observed: `${won} won, ${refused} refused, never two at once`,
  });
  recordFaults("lock-fight", [
    row("51 second process opens", `${2 * backends.length} processes`),
    row("53 same process, in a worker", `${backends.length} threads beside them`),
  ]);
});

/** The main job on the real store. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { registerReplay } from "../../src/cli/replay.js";
import type { Backend } from "../../src/index.js";
import { stateDigest } from "../../src/replay/digest.js";
import { type ReplayResult, replay } from "../../src/replay/replay.js";
import { realDisks } from "../support/disks.js";
import {
  BITSTAMP,
  COINBASE,
  COINM,
  replayInMemory,
  SPOT_DIGEST,
  SPOT_TAPE,
  USDM,
} from "./helpers.js";

let work: string;
let count = 0;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "holdfast-replay-"));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const newDirectory = () => join(work, String(++count));

const BACKENDS: Backend[] = [...realDisks().values()].map((disk) =>
  disk.info.kind === "portable" ? "portable" : (disk.info.backend as Backend),
);

const TAPES: readonly (readonly [name: string, tape: string])[] = [
  ["USD-M", USDM],
  ["COIN-M", COINM],
  ["Coinbase", COINBASE],
  ["Bitstamp", BITSTAMP],
];

describe.each(BACKENDS)("on the %s disk", (backend) => {
  const store = { backend, segmentBytes: 1024 * 1024 };

  // What a tape is and what a disk is have nothing to do with one another.
  test.each(backend === BACKENDS[0] ? TAPES : TAPES.slice(0, 1))(
    "the %s tape, interrupted and gone on with, ends as it does in memory",
    async (_name, tape) => {
      const dir = newDirectory();
      const expected = stateDigest((await replayInMemory(tape)).store);
      let resumedAtEvent = 0;
      for (const limit of [1, 7, 60, 133, 400]) {
        const result = await replay({ tape, dir, limit, store });
        expect(result).toMatchObject({ events: limit, resumedAtEvent, complete: false });
        expect(result.transactions).toBe(limit - resumedAtEvent);
        resumedAtEvent = limit;
      }
      const last = await replay({ tape, dir, digest: true, store });
      expect(last).toMatchObject({ resumedAtEvent: 400, complete: true, digest: expected });
      const idle = await replay({ tape, dir, digest: true, store });
      expect(idle).toMatchObject({ transactions: 0, events: last.events, digest: expected });
      expect(idle.recoveryMillis).toBeGreaterThan(0);
    },
  );
});

test("the whole shipped tape, and its figures", async () => {
  const result = await replay({ tape: SPOT_TAPE, dir: newDirectory(), digest: true });
  expect(result.digest).toBe(SPOT_DIGEST);
  expect(result).toMatchObject({ events: 41_249, transactions: 41_249, recoveryMillis: 0 });
  expect(result.writtenBytes).toBeGreaterThan(result.logicalBytes);
  expect(result.transactionsPerSecond).toBeGreaterThan(100);
  const { p50, p99, p999, max } = result.latencyMicros;
  expect([p50, p99, p999, max]).toEqual([p50, p99, p999, max].sort((a, b) => a - b));
  expect(p50).toBeGreaterThan(0);
  expect(result.account).toMatchObject({ position: "0.22207000", settle: "USDT", fills: 744 });
});

test("another tape is refused for the same directory, and the directory stays as it is", async () => {
  const dir = newDirectory();
  await replay({ tape: COINBASE, dir, limit: 100 });
  await expect(replay({ tape: BITSTAMP, dir })).rejects.toMatchObject({ code: "BAD_TAPE" });
  const result = await replay({ tape: COINBASE, dir, limit: 100, digest: true });
  expect(result.digest).toBe(stateDigest((await replayInMemory(COINBASE, { limit: 100 })).store));
});

test("a tape that is none leaves no directory behind", async () => {
  const dir = newDirectory();
  const tape = join(work, "missing.csv");
  await expect(replay({ tape, dir })).rejects.toMatchObject({
    code: "BAD_TAPE",
    data: { file: tape },
  });
  expect(readdirSync(work)).not.toContain(String(count));
});

describe("the command", () => {
  /** Runs it within this process; what it printed and its exit code. */
  async function command(...args: string[]) {
    const out = vi.spyOn(console, "log").mockImplementation(() => {});
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    try {
      const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
      registerReplay(program);
      process.exitCode = 0;
      await program.parseAsync(["replay", ...args], { from: "user" });
      const exitCode = process.exitCode;
      return { exitCode, out: out.mock.calls.join("\n"), errors: errors.mock.calls.join("\n") };
    } finally {
      process.exitCode = 0;
      out.mockRestore();
      errors.mockRestore();
    }
  }

  test("prints one object with --json", async () => {
    const { out, exitCode } = await command(
      COINBASE,
      "--dir",
      newDirectory(),
      "--json",
      "--in-flight",
      "2",
    );
    const result = JSON.parse(out) as ReplayResult;
    expect(exitCode).toBe(0);
    expect(result).toMatchObject({ events: 500, transactions: 500, resumedAtEvent: 0 });
    expect(result.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining([
        "latencyMicros",
        "transactionsPerSecond",
        "recoveryMillis",
        "logicalBytes",
        "writtenBytes",
        "disk",
      ]),
    );
  });

  test("prints a summary for people, with the digest if asked", async () => {
    const dir = newDirectory();
    await command(COINBASE, "--dir", dir, "--limit", "400");
    const { out, exitCode } = await command(COINBASE, "--dir", dir, "--digest");
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^tape +BTC-USD \(trades-csv\), to its end$/m);
    expect(out).toMatch(/^events +500 in all, 100 in this run, resumed after event 400$/m);
    expect(out).toMatch(/^commits +\d+ waited for: p50 [\d.]+, p99 [\d.]+, p99\.9 [\d.]+, max/m);
    expect(out).toMatch(/^recovery +[\d.]+ ms, \d+ transactions$/m);
    expect(out).toMatch(/^digest +[0-9a-f]{64}$/m);
  });

  test("says what is wrong in one line with a code, and exits with 1", async () => {
    const { out, errors, exitCode } = await command(join(work, "none"), "--dir", newDirectory());
    expect(exitCode).toBe(1);
    expect(out).toBe("");
    expect(errors).toMatch(/^holdfast: BAD_TAPE: .*none: cannot read the tape: ENOENT[^\n]*$/);
    const bad = await command(COINBASE, "--dir", newDirectory(), "--segment-bytes", "1000");
    expect([bad.exitCode, bad.errors]).toEqual([1, expect.stringMatching(/INVALID_ARGUMENT/)]);
  });

  test.each([
    ["--limit", "-1"],
    ["--limit", "1e3"],
    ["--limit", "many"],
    ["--backend", "floppy"],
  ])("refuses %s %s", async (flag, value) => {
    const run = command(COINBASE, "--dir", newDirectory(), flag, value);
    await expect(run).rejects.toMatchObject({ code: "commander.invalidArgument" });
  });
});

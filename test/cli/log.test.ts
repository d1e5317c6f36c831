/** `holdfast log`: every readable transaction of any store, and the gaps by name. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";
import { DAMAGES } from "./damage.js";
import {
  entriesOf,
  flipBit,
  gapsOf,
  hashOf,
  holdfast,
  overwrite,
  parseLog,
  placeOf,
  Stores,
  TRANSACTIONS,
  untilQuiet,
  withWriter,
} from "./stores.js";

const stores = new Stores();

beforeAll(async () => {
  ensureBuilt();
  await stores.begin();
});
afterAll(() => stores.end());

const sequences = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

/** Transactions that `log` says are not kept one by one. */
function toldMissing(stderr: string): number[] {
  const told = stderr.matchAll(/rows are in runs: transactions (\d+)(?: to (\d+))?/g);
  return [...told].flatMap(([, from, to]) => sequences(Number(from), Number(to ?? from)));
}

/** Runs `log` and holds it to changing nothing. */
async function log(directory: string, ...flags: string[]) {
  const before = hashOf(directory);
  const run = await holdfast("log", directory, ...flags);
  expect(hashOf(directory)).toBe(before);
  return run;
}

describe("a whole store", () => {
  test("is printed from its first transaction to its last, with rows as they are", async () => {
    const directory = await stores.copy();
    const { code, stdout, stderr } = await log(directory, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const entries = entriesOf(parseLog(stdout));
    expect(entries.map(({ sequence }) => sequence)).toEqual(sequences(1, TRANSACTIONS));
    expect(entries[0]?.operations.map(({ operation, table }) => [operation, table])).toEqual([
      ["declare", "positions"],
      ["declare", "balances"],
    ]);
    expect(entries[30]).toMatchObject({
      writer: "tester",
      operations: [
        {
          operation: "put",
          table: "positions",
          key: "P9",
          row: { symbol: "BTC", quantity: "29.25000000", side: "long", note: null },
        },
        { operation: "put", table: "balances", key: ["main", "29"] },
      ],
    });
    expect(entries[30]?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  test("in lines for people", async () => {
    const { code, stdout } = await log(await stores.copy(), "--from", "2", "--to", "2");
    expect(code).toBe(0);
    const [head, first, second] = stdout.split("\n");
    expect(head).toMatch(/^2 {2}\d{4}-.*Z {2}tester$/);
    expect(first).toBe(
      '    put positions "P0" {"symbol":"BTC","quantity":"0.25000000","side":"long","note":null}',
    );
    expect(second).toBe('    put balances ["main","0"] {"amount":"0"}');
  });

  test("--from, --to, --limit and --table choose", async () => {
    const directory = await stores.copy();
    const chosen = async (...flags: string[]) => {
      const entries = entriesOf(parseLog((await log(directory, "--json", ...flags)).stdout));
      return entries.map(({ sequence }) => sequence);
    };
    expect(await chosen("--from", "58")).toEqual([58, 59, 60, 61]);
    expect(await chosen("--to", "2")).toEqual([1, 2]);
    expect(await chosen("--from", "10", "--limit", "3")).toEqual([10, 11, 12]);
    expect(await chosen("--limit", "0")).toEqual([]);
    expect(await chosen("--table", "nothing")).toEqual([]);
    const { stdout } = await log(directory, "--json", "--table", "balances", "--from", "2");
    const tables = entriesOf(parseLog(stdout)).flatMap((e) => e.operations.map((o) => o.table));
    expect(new Set(tables)).toEqual(new Set(["balances"]));
  });

  test("wrong figures are refused", async () => {
    const { code, stderr } = await log(await stores.copy(), "--from", "first");
    expect(code).toBe(2);
    expect(stderr).toContain("It must be a whole number.");
  });
});

describe("a damaged store", () => {
  test.each(DAMAGES)("$name: the gap is named, the rest is printed", async (damage) => {
    const directory = await stores.copy();
    const file = join(directory, await damage.apply(directory));
    const { code, stdout, stderr } = await log(directory, "--json");
    expect(code).toBe(1);
    const lines = parseLog(stdout);
    const [first, last] = damage.missing;
    const gaps = gapsOf(lines);
    expect(gaps.length).toBe(1);
    expect(gaps[0]).toMatchObject({ file, sequence: first });
    expect(gaps[0]?.lastSequence).toBe(last);
    expect(gaps[0]?.resumesAt !== undefined).toBe(damage.resumes);
    expect(entriesOf(lines).map(({ sequence }) => sequence)).toEqual([
      ...sequences(1, first - 1),
      ...sequences((last ?? TRANSACTIONS) + 1, TRANSACTIONS),
    ]);
    expect(stderr).toContain(`holdfast: CORRUPT_LOG: ${file} is damaged from offset `);
    expect(stderr.trimEnd().split("\n").length).toBe(1);
  });

  test("two places are two gaps", async () => {
    const directory = await stores.copy();
    for (const sequence of [20, 50]) {
      const { file, offset } = await placeOf(directory, sequence);
      flipBit(join(directory, file), offset + 8);
    }
    const { code, stdout } = await log(directory);
    expect(code).toBe(1);
    const gaps = stdout.split("\n").filter((line) => line.startsWith("-- gap"));
    expect(gaps.map((line) => line.replace(/ \(.*/, ""))).toEqual([
      "-- gap: transactions that cannot be read: 20",
      "-- gap: transactions that cannot be read: 50",
    ]);
  });

  test("without either manifest all of the log is printed", async () => {
    const directory = await stores.copy();
    for (const slot of [0, 1]) rmSync(join(directory, `manifest.${slot}`));
    const { code, stdout } = await log(directory, "--json");
    expect(code).toBe(0);
    expect(entriesOf(parseLog(stdout)).length).toBe(TRANSACTIONS);
  });

  test("with both manifests damaged, too, and gaps are named", async () => {
    const directory = await stores.copy();
    const { file, offset } = await placeOf(directory, 20);
    flipBit(join(directory, file), offset + 8);
    for (const slot of [0, 1]) flipBit(join(directory, `manifest.${slot}`), 200);
    const { code, stdout } = await log(directory, "--json");
    expect(code).toBe(1);
    expect(gapsOf(parseLog(stdout))).toMatchObject([{ sequence: 20, lastSequence: 20 }]);
    expect(entriesOf(parseLog(stdout)).length).toBe(TRANSACTIONS - 1);
  });

  test("an unfinished write at the end is no damage", async () => {
    const directory = await stores.copy();
    const { file, offset } = await placeOf(directory, TRANSACTIONS);
    overwrite(join(directory, file), offset + 2 * 4096, Buffer.from("half a frame"));
    const { code, stdout, stderr } = await log(directory, "--json");
    expect(code).toBe(0);
    expect(entriesOf(parseLog(stdout)).length).toBe(TRANSACTIONS);
    expect(stderr).toMatch(/ends in an unfinished write at offset \d+ \(\d+ bytes\)/);
  });
});

describe("no store", () => {
  test("an empty directory, a stranger's, a file, and nothing at all", async () => {
    const empty = stores.path();
    mkdirSync(empty);
    const foreign = stores.path();
    mkdirSync(foreign);
    writeFileSync(join(foreign, "letter.txt"), "dear");
    for (const directory of [empty, foreign, join(foreign, "letter.txt"), stores.path()]) {
      const { code, stdout, stderr } = await holdfast("log", directory);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toMatch(/^holdfast: (NOT_A_STORE|IO): .*\n$/);
    }
  });
});

describe("a store in use", () => {
  test("is read without its lock", async () => {
    const directory = stores.path();
    await withWriter(directory, "hold", async () => {
      await untilQuiet(directory);
      const { code, stdout } = await log(directory, "--json");
      expect(code).toBe(0);
      expect(entriesOf(parseLog(stdout)).at(-1)?.operations[0]?.key).toBe("first");
    });
  });

  test("is read while it is written, without taking what is under way for damage", async () => {
    const directory = stores.path();
    await withWriter(directory, "write", async () => {
      for (let i = 0; i < 8; i++) {
        const { code, stdout, stderr } = await holdfast("log", directory, "--json");
        expect(stderr).not.toContain("CORRUPT_LOG");
        expect(code).toBe(0);
        const entries = entriesOf(parseLog(stdout));
        // What is in runs may be let go of, also while it is read: nothing is left out unsaid.
        const all = [...entries.map((e) => e.sequence), ...toldMissing(stderr)];
        expect(all.sort((a, b) => a - b)).toEqual(sequences(1, all.length));
      }
    });
  });
});

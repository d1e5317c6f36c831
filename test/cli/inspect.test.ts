/** `holdfast inspect`: what a store consists of, and the right verdict on every state of one. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StoreReport } from "../../src/cli/examine-store.js";
import { ensureBuilt } from "../support/built.js";
import { DAMAGES } from "./damage.js";
import {
  flipBit,
  hashOf,
  holdfast,
  overwrite,
  placeOf,
  Stores,
  segmentPath,
  TRANSACTIONS,
  untilQuiet,
  withWriter,
  writeMore,
} from "./stores.js";

const stores = new Stores();

beforeAll(async () => {
  ensureBuilt();
  await stores.begin();
});
afterAll(() => stores.end());

/** Inspects both for people and for machines, which must agree, and changes nothing. */
async function inspect(directory: string) {
  const before = hashOf(directory);
  const text = await holdfast("inspect", directory);
  const json = await holdfast("inspect", directory, "--json");
  expect(hashOf(directory)).toBe(before);
  const report = JSON.parse(json.stdout) as StoreReport;
  const code = report.verdict === "sound" ? 0 : 1;
  expect([text.code, json.code, text.stderr, json.stderr]).toEqual([code, code, "", ""]);
  const last = text.stdout.trimEnd().split("\n").at(-1);
  expect(last).toMatch(code === 0 ? /^sound {5}/ : /^DAMAGED {3}/);
  return { report, text: text.stdout };
}

describe("a whole store", () => {
  test("tells whose it is and what it consists of", async () => {
    const directory = await stores.copy();
    const { report } = await inspect(directory);
    expect(report).toMatchObject({
      directory,
      verdict: "sound",
      problems: [],
      environment: "test",
      formatVersions: { log: 3, manifest: 4 },
      epoch: 1,
      writer: { id: "tester", pid: process.pid },
      lock: { holder: null, certain: true },
      manifest: { slots: [{ state: "valid" }, { state: "valid" }] },
      transactions: TRANSACTIONS,
      rowsComplete: true,
      end: { verdict: "end", lastSequence: TRANSACTIONS },
      tornFiles: [],
      otherFiles: [],
    });
    expect(report.storeId).toMatch(/^[0-9a-f]{32}$/);
    expect(report.writeMethods.length).toBe(1);
    const [choice] = report.writeMethods;
    expect(choice?.measured.map(({ method }) => method)).toContain(choice?.method);
  });

  test("tables with their fields and rows", async () => {
    const { report, text } = await inspect(await stores.copy());
    expect(report.tables).toEqual([
      {
        id: 1,
        name: "positions",
        version: 1,
        versions: [1],
        tier: "critical",
        key: "string",
        fields: [
          { name: "symbol", type: "string" },
          { name: "quantity", type: "decimal(8)" },
          { name: "side", type: "long | short" },
          { name: "note", type: "string or null" },
        ],
        rows: 20,
      },
      {
        id: 2,
        name: "balances",
        version: 1,
        versions: [1],
        tier: "important",
        key: "(string, int64)",
        fields: [{ name: "amount", type: "int64" }],
        rows: 60,
      },
    ]);
    expect(text).toMatch(/^positions +1 +1 +critical +string +20$/m);
    expect(text).toContain("quantity: decimal(8), side: long | short, note: string or null\n");
  });

  test("segments, one line each", async () => {
    const { report, text } = await inspect(await stores.copy());
    expect(report.segments.map((s) => [s.state, s.firstSequence, s.lastSequence])).toEqual([
      ["sealed", 1, 15],
      ["sealed", 16, 30],
      ["sealed", 31, 45],
      ["sealed", 46, 60],
      ["active", 61, 61],
      ["spare", null, null],
    ]);
    expect(text).toMatch(/^0{15}2\.log +sealed +1 +64\.0 KiB +64\.0 KiB +15 +15 +16 to 30 /m);
  });

  test("what does not belong to it is named", async () => {
    const directory = await stores.copy();
    writeFileSync(join(directory, "letter.txt"), "dear");
    writeFileSync(join(directory, `${"0".repeat(15)}4.1.torn`), "half a frame");
    const { report } = await inspect(directory);
    expect(report).toMatchObject({ verdict: "sound", otherFiles: ["letter.txt"] });
    expect(report.tornFiles).toEqual([{ file: `${"0".repeat(15)}4.1.torn`, bytes: 12 }]);
  });

  test("an unfinished write at the end is a note, and no damage", async () => {
    const directory = await stores.copy();
    const { file, offset } = await placeOf(directory, TRANSACTIONS);
    overwrite(join(directory, file), offset + 2 * 4096, Buffer.from("half a frame"));
    const { report, text } = await inspect(directory);
    expect(report.end).toMatchObject({ verdict: "torn", lastSequence: TRANSACTIONS });
    expect(report.end.tornBytes).toBeGreaterThan(0);
    expect(text).toMatch(/^note +the log ends in an unfinished write/m);
  });

  test("a creation that was cut short is a note, and no damage", async () => {
    const directory = await stores.copy();
    for (let id = 1; id < 6; id++) rmSync(segmentPath(directory, id));
    rmSync(join(directory, "manifest.0"));
    rmSync(join(directory, "manifest.1"));
    writeFileSync(join(directory, "CREATING"), "");
    const { report, text } = await inspect(directory);
    expect(report.verdict).toBe("sound");
    expect(text).toMatch(/^note +its creation was cut short/m);
  });
});

describe("a damaged store", () => {
  test.each(DAMAGES)("$name", async (damage) => {
    const directory = await stores.copy();
    const file = await damage.apply(directory);
    const { report, text } = await inspect(directory);
    expect(report.verdict).toBe("damaged");
    const [first, last] = damage.missing;
    const problem = report.problems.find((one) => one.sequence === first);
    expect(problem).toMatchObject({ file: join(directory, file), sequence: first });
    expect(problem?.lastSequence).toBe(last);
    const lost = (last ?? first - 1) - first + 1;
    expect(report.transactions).toBe(TRANSACTIONS - lost);
    expect(report.rowsComplete).toBe(false);
    expect(text).toContain(`damaged   ${join(directory, file)} at offset `);
  });

  test("a damaged header of a segment", async () => {
    const directory = await stores.copy();
    flipBit(segmentPath(directory, 2), 20);
    const { report } = await inspect(directory);
    const { file, offset, message } = report.problems[0] ?? {};
    expect([file, offset, message]).toEqual([
      segmentPath(directory, 2),
      0,
      "its header: it is damaged",
    ]);
    expect(report.transactions).toBe(TRANSACTIONS);
  });

  test.each([0, 1])("manifest.%i flipped or missing", async (slot) => {
    const directory = await stores.copy();
    const path = join(directory, `manifest.${slot}`);
    flipBit(path, 200);
    const flipped = await inspect(directory);
    expect(flipped.report.problems.map(({ file }) => file)).toEqual([path]);
    expect(flipped.report.manifest.slots[slot]).toMatchObject({ state: "damaged" });
    rmSync(path);
    const missing = await inspect(directory);
    expect(missing.report.manifest.slots[slot]).toMatchObject({ state: "missing" });
    expect(missing.report).toMatchObject({ environment: "test", transactions: TRANSACTIONS });
  });

  test("both manifests damaged, or gone: the segments still tell what they know", async () => {
    const directory = await stores.copy();
    const slots = [0, 1].map((slot) => join(directory, `manifest.${slot}`));
    const { report: whole } = await inspect(directory);
    for (const path of slots) flipBit(path, 200);
    const damaged = await inspect(directory);
    for (const path of slots) rmSync(path);
    const gone = await inspect(directory);
    for (const { report, text } of [damaged, gone]) {
      expect(report.problems.map(({ file }) => file)).toEqual(slots);
      expect(report).toMatchObject({ environment: null, epoch: 1, writer: { id: "tester" } });
      expect(report.storeId).toBe(whole.storeId);
      expect(report.tables).toEqual(whole.tables);
      expect(report.transactions).toBe(TRANSACTIONS);
      expect(text).toMatch(/^environment +unknown/m);
    }
  });

  test("a manifest older than the log", async () => {
    const directory = await stores.copy();
    const slots = [0, 1].map((slot) => join(directory, `manifest.${slot}`));
    const old = slots.map((path) => readFileSync(path));
    await writeMore(directory, 60);
    slots.forEach((path, slot) => {
      writeFileSync(path, old[slot] as Buffer);
    });
    const { report } = await inspect(directory);
    const strays = report.problems.filter(({ message }) => message.includes("older than the log"));
    expect(strays.map(({ file }) => file)).toContain(segmentPath(directory, 7));
  });

  test("a segment of another store is a note, and no damage", async () => {
    const directory = await stores.copy();
    const other = stores.path();
    await withWriter(other, "hold", () => untilQuiet(other));
    writeFileSync(segmentPath(directory, 7), readFileSync(segmentPath(other, 1)));
    const { report } = await inspect(directory);
    expect(report.verdict).toBe("sound");
    expect(report.notes.join()).toContain("not in the manifest");
  });

  test("a marker that contradicts what is there", async () => {
    const directory = await stores.copy();
    rmSync(join(directory, "manifest.0"));
    writeFileSync(join(directory, "CREATING"), "");
    const { report } = await inspect(directory);
    expect(basename(report.problems[0]?.file ?? "")).toBe("CREATING");
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
      const { code, stdout, stderr } = await holdfast("inspect", directory, "--json");
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toMatch(/^holdfast: (NOT_A_STORE|IO): .*\n$/);
    }
    expect(hashOf(foreign)).not.toBe(hashOf(empty));
  });
});

describe("a store in use", () => {
  test("names who has it, and takes nothing from them", async () => {
    const directory = stores.path();
    await withWriter(directory, "hold", async (child) => {
      await untilQuiet(directory);
      const { report, text } = await inspect(directory);
      expect(report.verdict).toBe("sound");
      expect(report.lock).toMatchObject({
        holder: { pid: child.pid, writer: "child" },
        certain: true,
      });
      expect(text).toMatch(new RegExp(`^in use +by process ${child.pid} on `, "m"));
    });
  });

  test("is never taken for damaged while it is written", async () => {
    const directory = stores.path();
    await withWriter(directory, "write", async () => {
      for (let i = 0; i < 8; i++) {
        const { code, stdout } = await holdfast("inspect", directory, "--json");
        const report = JSON.parse(stdout) as StoreReport;
        expect(report.problems).toEqual([]);
        expect(code).toBe(0);
      }
    });
  });
});

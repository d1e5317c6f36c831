/** What `open` refuses before it touches anything. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TABLES_MAX } from "../../src/base/limits.js";
import { defineTable, integer, type OpenOptions, open } from "../../src/index.js";
import { realDisks } from "../support/disks.js";
import { orders } from "./tables.js";

let parent: string;
let directory: string;

beforeEach(async () => {
  parent = await mkdtemp(`${tmpdir()}/holdfast-options-`);
  directory = `${parent}/store`;
});
afterEach(() => rm(parent, { recursive: true }));

const holds = () => true;

/** By what is wrong with them. */
const WRONG: Record<string, unknown> = {
  "no object": null,
  "a number": 5,
  "an unknown option": { enviroment: "prod" },
  "tables that are no list": { tables: orders },
  "tables that are null": { tables: null },
  "a table that is none": { tables: [{}] },
  "a table that is undefined": { tables: [undefined] },
  "a table by its name": { tables: ["orders"] },
  "a table twice": { tables: [orders, orders] },
  "checks that are no list": { checks: { name: "x" } },
  "a check that is a function": { tables: [orders], checks: [holds] },
  "a check without a name": { tables: [orders], checks: [{ tables: [orders], holds }] },
  "a check with an empty name": {
    tables: [orders],
    checks: [{ name: "", tables: [orders], holds }],
  },
  "a check without tables": { tables: [orders], checks: [{ name: "x", holds }] },
  "a check with no table": { tables: [orders], checks: [{ name: "x", tables: [], holds }] },
  "a check that cannot run": { tables: [orders], checks: [{ name: "x", tables: [orders] }] },
  "a check on a table that is not there": { checks: [{ name: "x", tables: [orders], holds }] },
  "an empty environment": { environment: "" },
  "an environment that is too long": { environment: "x".repeat(129) },
  "an environment of another type": { environment: 1 },
  "a writer of another type": { writerId: {} },
  "a writer that is too long": { writerId: "é".repeat(65) },
  "a flag that is none": { strict: "yes" },
  "permission by a number": { allowEnvironmentChange: 1 },
  "an unknown disk": { backend: "floppy" },
  "a disk that is none": { disk: "portable" },
  "a listener that is none": { onWarning: "log" },
  "small segments": { segmentBytes: 4096 },
  "huge segments": { segmentBytes: 2 ** 31 },
  "segments that are not aligned": { segmentBytes: 64 * 1024 + 512 },
  "segments in a text": { segmentBytes: "65536" },
  "no frame in flight": { framesInFlight: 0 },
  "many frames in flight": { framesInFlight: 65 },
  "half a frame in flight": { framesInFlight: 1.5 },
  "a negative delay": { flushDelayMicros: -1 },
  "an endless delay": { cachedDelayMicros: Infinity },
  "a seal at once": { sealDelayMicros: 0 },
  "a lock waited for in vain": { lockWaitMillis: Number.NaN },
  "small frames": { frameBytesMax: 4096 },
  "frames that are not aligned": { frameBytesMax: 10_000 },
  "bounds that are none": { bounds: 5 },
  "an unknown bound": { bounds: { rows: 5 } },
  "one run in a tier": { bounds: { runsPerTier: 1 } },
};

describe("open refuses", () => {
  test.each(Object.entries(WRONG))("%s", async (_, options) => {
    const opening = open(directory, options as OpenOptions);
    await expect(opening).rejects.toMatchObject({
      name: "HoldfastError",
      code: "INVALID_ARGUMENT",
    });
    expect(existsSync(directory)).toBe(false);
  });

  test("a directory that is no path", async () => {
    for (const path of ["", undefined, 5, null]) {
      const opening = open(path as unknown as string);
      await expect(opening).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  test("more tables than a store may have, counting those it has", async () => {
    const make = (i: number) =>
      defineTable({ name: `t${i}`, version: 1, key: integer(), fields: { a: integer() } });
    const many = Array.from({ length: TABLES_MAX + 1 }, (_, i) => make(i));
    const settings = { backend: "portable", segmentBytes: 256 * 1024 } as const;
    const refusal = { code: "INVALID_ARGUMENT" };
    await expect(open(directory, { ...settings, tables: many })).rejects.toMatchObject(refusal);
    const store = await open(directory, { ...settings, tables: many.slice(1) });
    expect(Object.keys(store.stats().tables)).toHaveLength(TABLES_MAX);
    await store.close();
    const one = many.slice(0, 1);
    await expect(open(directory, { ...settings, tables: one })).rejects.toMatchObject(refusal);
    await using again = await open(directory, { ...settings, tables: many.slice(-1) });
    expect(Object.keys(again.stats().tables)).toHaveLength(TABLES_MAX);
    await again.table(many.at(-1) as (typeof one)[0]).put(1, { a: 1 });
  });
});

describe("open takes", () => {
  test("options that are undefined for absent", async () => {
    const options = { backend: "portable", tables: undefined, environment: undefined };
    await using store = await open(directory, options as unknown as OpenOptions);
    expect(store.stats().environment).toBe(process.env.HOLDFAST_ENV || "default");
  });

  test("each back end by its name", async () => {
    for (const [name, disk] of realDisks()) {
      const backend = name.replace("native/", "") as "portable" | "io_uring" | "threads";
      await using store = await open(`${directory}-${backend}`, {
        backend,
        tables: [orders],
        segmentBytes: 65_536,
      });
      await store.table(orders).put(1, { amount: 1 });
      expect(store.stats().disk).toMatchObject({
        kind: disk.info.kind,
        backend: disk.info.backend,
      });
    }
  });
});

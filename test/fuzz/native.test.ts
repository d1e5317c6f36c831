/**
 * What the addon is called with, whoever calls it: numbers of every kind, views of every size, files
 * that shrink under their mapping. It gives a value, a negative errno, or throws for misuse; that it
 * touches no memory besides is for the sanitizers to see: `npm run test:sanitized`.
 */
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Addon, loadAddon, type MappingHandle } from "../../src/disk/native-addon.js";
import { Random } from "../sim/random.js";
import { nativeDisk } from "../support/disks.js";
import { recordFaults } from "../support/fault-matrix.js";
import { seedOfRun } from "../support/seed.js";

const isThere = nativeDisk("threads") !== undefined;
const seconds = Number(process.env.HOLDFAST_FUZZ_SECONDS ?? 3);
const seed = seedOfRun(1);

/** These write to where their arguments say, wait for what never comes, or are for one program. */
const NOT_FOR_ALL = new Set([
  ...["zeroFill", "read", "place", "lock", "unlock", "map", "unmap", "probeRing"],
  ...["openQueue", "slot", "openLog", "closeLog", "submit", "writeNow", "wait", "closeQueue"],
]);

const NUMBERS = [
  ...[0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 65, 255, 256, 511, 512, 4095, 4096, 4097, 65535, 65536],
  ...[2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64, 1e300],
  ...[-1, -8, -(2 ** 31), -(2 ** 53), 0.5, Number.NaN, Number.POSITIVE_INFINITY],
];

/** None of which there could be memory for, and which would only be slow. */
const LENGTHS = NUMBERS.filter((length) => !(length > 2 ** 20 && length < 2 ** 50));

const SIZES = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 255, 511, 4095, 4096, 9000, 40_000];

let folder = "";
let addon: Addon;
const counts = new Map<string, number>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-fuzz-"));
  if (isThere) addon = loadAddon(false);
  console.log(`native: seed ${seed}, ${seconds} s each`);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
  recordFaults("fuzz-native", [
    {
      fault: "31, 32, 66 hostile arguments to the addon",
      how: "random numbers, views and files, also under ASan and UBSan",
      fired: [...counts.values()].reduce((sum, count) => sum + count, 0),
      expected: "a value, an errno, or an error of the caller's",
      observed: [...counts].map(([what, count]) => `${what}: ${count}`).join("; "),
    },
  ]);
});

/** A view into the middle of memory, so that what stands beside it is there to be hit. */
function viewOf(random: Random): Uint8Array {
  const bytes = new Uint8Array(random.pick(SIZES));
  if (bytes.length < 2000) random.fill(bytes);
  const from = random.chance(0.5) ? 0 : random.below(bytes.length + 1);
  return random.chance(0.8) ? bytes : bytes.subarray(from);
}

function planOf(random: Random): Int32Array {
  const plan = new Int32Array(random.below(13));
  for (let i = 0; i < plan.length; i++) {
    plan[i] = random.chance(0.7) ? random.below(80) : random.pick(NUMBERS) | 0;
  }
  return plan;
}

function argumentFor(random: Random, mapping: MappingHandle): unknown {
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      return viewOf(random);
    case 3:
      return planOf(random);
    case 4:
    case 5:
      return random.pick(NUMBERS);
    case 6:
      return mapping;
    case 7:
      return random.pick([undefined, null, "text", {}, [], true, 5n, () => 1, new Float64Array(3)]);
    default:
      return random.below(70);
  }
}

/** Only an error of the language is one: the addon throws for misuse, and for nothing else. */
function misuse(error: unknown): string {
  if (error instanceof TypeError || error instanceof RangeError) return "refused";
  // Node-API makes some of another realm's classes, which the test runner has replaced.
  if (error instanceof Error && /TypeError|RangeError/.test(error.name)) return "refused";
  throw error;
}

function note(name: string, outcome: string): void {
  const key = `${name} ${outcome}`;
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function callMany(work: () => void): number {
  const end = performance.now() + seconds * 1000;
  let calls = 0;
  while (performance.now() < end) for (let i = 0; i < 64; i++, calls++) work();
  return calls;
}

const timeout = seconds * 10_000 + 60_000;

test.skipIf(!isThere)(
  "functions on memory, with arguments of every kind",
  { timeout },
  async () => {
    const random = new Random(seed);
    const path = join(folder, "mapped");
    writeFileSync(path, new Uint8Array(10_000).fill(3));
    const [mapped] = await addon.map([path]);
    const [mapping] = mapped as [MappingHandle, number];
    const all = addon as unknown as Record<string, unknown>;
    // Those that came since this was written, too.
    const names = Object.keys(all).filter((name) => typeof all[name] === "function");
    const called = names.filter((name) => !NOT_FOR_ALL.has(name));
    expect(called).toEqual(expect.arrayContaining(["crc32c", "storeChecksums", "copy"]));
    callMany(() => {
      const name = random.pick(called);
      const given = Array.from({ length: random.below(7) }, () => argumentFor(random, mapping));
      try {
        (all[name] as (...given: unknown[]) => unknown)(...given);
        note(name, "answered");
      } catch (error) {
        note(name, misuse(error));
      }
    });
    addon.unmap(mapping);
    for (const name of called) expect(counts.get(`${name} refused`)).toBeGreaterThan(0);
  },
);

test.skipIf(!isThere)("checksums: every range is one, or is refused", { timeout }, () => {
  const random = new Random(seed + 1);
  callMany(() => {
    const bytes = viewOf(random);
    const [from, to] = [random.below(bytes.length + 3), random.below(bytes.length + 3)];
    const isInside = from <= to && to <= bytes.length;
    try {
      const sum = addon.crc32c(bytes, from, to, seed);
      if (!isInside || sum !== addon.crc32cByTable(bytes, from, to, seed)) {
        throw new Error(`[${from}, ${to}) of ${bytes.length} gives ${sum}`);
      }
      note("checksum", "right");
    } catch (error) {
      if (isInside) throw error;
      note("checksum", misuse(error));
    }
    const plan = planOf(random);
    const count = random.below(6);
    try {
      addon.storeChecksums(bytes, plan, count);
      note("plan", "stored");
    } catch (error) {
      note("plan", misuse(error));
    }
  });
  expect(counts.get("plan stored")).toBeGreaterThan(0);
});

test.skipIf(!isThere)(
  "copies out of a file that shrinks under its mapping",
  { timeout },
  async () => {
    const random = new Random(seed + 2);
    const path = join(folder, "shrinks");
    const length = 40_000;
    writeFileSync(path, new Uint8Array(length).fill(9));
    const [mapped] = await addon.map([path]);
    const [mapping] = mapped as [MappingHandle, number];
    let size = length;
    const target = new Uint8Array(50_000);
    callMany(() => {
      if (random.below(40) === 0) {
        size = random.below(length + 1);
        truncateSync(path, size);
      }
      const [offset, count] = [random.below(length + 2), random.below(5000)];
      const start = random.below(50_002);
      const isInside = offset + count <= length && start + count <= target.length;
      try {
        const result = addon.copy(mapping, offset, count, target, start);
        if (!isInside || (result !== 0 && result !== -5)) throw new Error(`copy gives ${result}`);
        // What lies whole pages behind the end is not there.
        const isGone = count > 0 && offset >= Math.ceil(size / 4096) * 4096;
        if (isGone && result === 0) throw new Error("bytes were read that are not there");
        note("copy", result === 0 ? "whole" : "EIO");
      } catch (error) {
        if (isInside) throw error;
        note("copy", misuse(error));
      }
    });
    addon.unmap(mapping);
    expect(counts.get("copy EIO")).toBeGreaterThan(0);
    expect(counts.get("copy whole")).toBeGreaterThan(0);
  },
);

test.skipIf(!isThere)("reads and zeros of a file at every place", { timeout }, async () => {
  const random = new Random(seed + 3);
  const path = join(folder, "file");
  writeFileSync(path, new Uint8Array(20_000).fill(1));
  const fd = openSync(path, "r+");
  const end = performance.now() + seconds * 1000;
  try {
    while (performance.now() < end) {
      const offset = random.chance(0.8) ? random.below(30_000) : random.pick(NUMBERS);
      const length = random.chance(0.9) ? random.below(30_000) : random.pick(LENGTHS);
      try {
        const bytes = await addon.read(fd, offset, length);
        if (typeof bytes === "number") note("read", bytes < 0 ? "errno" : "odd");
        else if (bytes.length > length) throw new Error(`${bytes.length} bytes of ${length}`);
        else note("read", "answered");
      } catch (error) {
        note("read", misuse(error));
      }
      try {
        const result = await addon.zeroFill(fd, random.below(20_000), random.below(5_000));
        note("zeroFill", result === 0 ? "done" : "errno");
      } catch (error) {
        note("zeroFill", misuse(error));
      }
    }
  } finally {
    closeSync(fd);
  }
  expect(counts.get("read odd")).toBe(undefined);
  expect(counts.get("read answered")).toBeGreaterThan(0);
});

test.skipIf(!isThere)("a queue refuses what it has not given", { timeout }, async () => {
  const random = new Random(seed + 4);
  const path = join(folder, "log");
  writeFileSync(path, new Uint8Array(1 << 20));
  const locked = await addon.lock(join(folder, "LOCK"));
  if (typeof locked === "number") throw new Error(`no lock: ${locked}`);
  const completions = new Int32Array(2 * 8);
  const queue = addon.openQueue(8192, 4, false, locked[0], completions, () => false);
  if (typeof queue === "number") throw new Error(`no queue: ${queue}`);
  const log = await addon.openLog(queue, path, 1);
  expect(log).toBeGreaterThanOrEqual(0);
  callMany(() => {
    const which = random.chance(0.7) ? log : random.pick(NUMBERS);
    const slot = random.chance(0.7) ? random.below(6) : random.pick(NUMBERS);
    const length = random.chance(0.7) ? 512 * random.below(20) : random.pick(NUMBERS);
    const offset = random.chance(0.7) ? 512 * random.below(200) : random.pick(NUMBERS);
    const isValid =
      which === log && Number.isInteger(slot) && slot >= 0 && slot < 4 && length <= 8192;
    try {
      const result = addon.writeNow(queue, which, slot, length, offset);
      if (result === 0 && !isValid) throw new Error(`log ${which}, slot ${slot}, ${length} bytes`);
      note("writeNow", result === 0 ? "written" : "errno");
    } catch (error) {
      note("writeNow", misuse(error));
    }
  });
  const given = addon.slot(queue, 1);
  new Uint8Array(given).fill(1);
  callMany(() => {
    const slot = random.chance(0.7) ? random.below(6) : random.pick(NUMBERS);
    try {
      const { byteLength } = addon.slot(queue, slot);
      if (byteLength !== 8192 || slot === 1) throw new Error(`slot ${slot}: ${byteLength} bytes`);
      note("slot", "given");
    } catch (error) {
      note("slot", misuse(error));
    }
  });
  addon.closeLog(queue, log);
  addon.closeQueue(queue);
  // Nobody can write there any more.
  expect(given.byteLength).toBe(0);
  expect(() => addon.slot(queue, 2)).toThrow();
  addon.unlock(locked[0]);
  expect(counts.get("slot given")).toBe(3);
  expect(counts.get("writeNow written")).toBeGreaterThan(0);
});

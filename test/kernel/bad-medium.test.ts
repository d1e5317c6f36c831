/**
 * A medium that does not give what is on it, and one that takes nothing more: real EIO and SIGBUS by
 * cutting short the file under a loop device, real write errors by punching a hole into it where no
 * room is left to fill that.
 */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  bytes,
  defineTable,
  type HoldfastError,
  integer,
  type OpenOptions,
  open,
} from "../../src/index.js";
import { diskOf, KILL_BACKENDS } from "../crash/disks.js";
import { ensureBuilt } from "../support/built.js";
import { type FaultRow, recordFaults } from "../support/fault-matrix.js";
import { LoopImage } from "../support/loop-image.js";
import { withinLimit } from "./within.js";

const BLOCK_BYTES = 4096;
const ROWS = 400;
const blobs = defineTable({
  name: "blobs",
  version: 1,
  key: integer(),
  fields: { content: bytes() },
});
const OPTIONS: OpenOptions = {
  tables: [blobs],
  segmentBytes: 1024 * 1024,
  recoveryBudgetMillis: 60_000,
  finalSnapshotMillis: 0,
  bounds: { rowBytes: 0, blockBytes: 0 },
  onWarning: () => {},
};

let image: LoopImage | undefined;
const rows: FaultRow[] = [];
beforeAll(ensureBuilt);
afterEach(() => {
  image?.remove();
  image = undefined;
});
afterAll(() => {
  if (rows.length === 0) return;
  for (const { fault, how, fired, observed } of rows) {
    console.log(`${fault} (${how}): ${fired} times; ${observed}`);
  }
  recordFaults("bad-medium", rows);
});

function report(fault: string, how: string, fired: number, expected: string): void {
  rows.push({ fault, how, fired, expected, observed: "so it was" });
}

const contentOf = (key: number): Buffer => Buffer.alloc(900, `${key};`.repeat(7 + (key % 5)));

interface Extent {
  /** In blocks: where it is in the file, and in the image. */
  readonly logical: number;
  readonly physical: number;
  readonly blocks: number;
}

function extentsOf(path: string): Extent[] {
  const text = execFileSync("filefrag", ["-v", path], { encoding: "utf8" });
  const found = [...text.matchAll(/^ *\d+: +(\d+)\.\. *(\d+): +(\d+)\.\./gm)].map((match) => {
    const [, first, last, physical] = match.map(Number) as [number, number, number, number];
    return { logical: first, physical, blocks: last - first + 1 };
  });
  expect(found.length, text).toBeGreaterThan(0);
  return found;
}

/** Where the first of the blocks of a file is in its image, in bytes. */
function placeOf(path: string): number {
  return Math.min(...extentsOf(path).map(({ physical }) => physical)) * BLOCK_BYTES;
}

/** Gives back the room under a file, from that byte of it on. */
function punch(path: string, fromByte: number, on: LoopImage): void {
  const from = fromByte / BLOCK_BYTES;
  for (const { logical, physical, blocks } of extentsOf(path)) {
    const skipped = Math.max(0, from - logical);
    if (skipped >= blocks) continue;
    const offset = String((physical + skipped) * BLOCK_BYTES);
    const length = String((blocks - skipped) * BLOCK_BYTES);
    const hole = ["--punch-hole", "--offset", offset, "--length", length];
    execFileSync("fallocate", [...hole, on.path]);
  }
}

/** Gives a file blocks of its own behind all that there is in the image. */
function moveToTheEnd(path: string, on: LoopImage): void {
  writeFileSync(join(on.directory, "pad"), Buffer.alloc(20 * 1024 * 1024, 1));
  execFileSync("sync", ["-f", on.directory]);
  copyFileSync(path, `${path}.copy`);
  renameSync(`${path}.copy`, path);
  execFileSync("sync", ["-f", on.directory]);
}

function largest(directory: string, end: string): string {
  const paths = readdirSync(directory)
    .filter((name) => name.endsWith(end))
    .map((name) => join(directory, name));
  return paths.sort((a, b) => statSync(b).size - statSync(a).size)[0] as string;
}

/** Whether the kernel gives EIO for what is no longer there, as some make zeros of it. */
function givesEio(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    readSync(fd, Buffer.alloc(512), 0, 512, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EIO";
  } finally {
    closeSync(fd);
  }
}

describe.each(KILL_BACKENDS)("on %s", (backend) => {
  const options = { ...OPTIONS, backend };

  /** Cuts the image off where that file begins, and forgets what was read of it. */
  function takeAway(path: string, on: LoopImage): boolean {
    execFileSync("sync", ["-f", on.directory]);
    truncateSync(on.path, placeOf(path));
    on.dropCaches();
    const gone = givesEio(path);
    if (!gone)
      console.warn("SKIPPED: real EIO: this kernel reads zeros behind the end of an image");
    return gone;
  }

  test("EIO while the log is read back: refused, with the place, and nothing is changed", async () => {
    image = diskOf(backend) && LoopImage.make(`real EIO on ${backend}`, { megabytes: 64 });
    if (image === undefined) return;
    const directory = join(image.directory, "store");
    const store = await open(directory, options);
    for (let key = 0; key < ROWS; key++)
      void store.table(blobs).put(key, { content: contentOf(key) });
    await store.durable();
    await store.close();
    const segment = join(directory, "0000000000000001.log");
    moveToTheEnd(segment, image);
    const whole = readFileSync(image.path);
    if (!takeAway(segment, image)) return;
    const error = await withinLimit(open(directory, options), "open").catch((e: unknown) => e);
    expect(error).toMatchObject({ data: { file: segment, offset: expect.any(Number) } });
    expect(["IO", "CORRUPT_LOG"]).toContain((error as HoldfastError).code);
    // The medium gives it again: nothing was lost by trying.
    await image.unmount();
    writeFileSync(image.path, whole);
    image.dropCaches();
    image.mount();
    await using again = await open(directory, options);
    expect(again.table(blobs).count()).toBe(ROWS);
    report("40 EIO on read, recovery", `image cut short, ${backend}`, 1, "refused with the place");
  });

  test("EIO and SIGBUS while a run is read: that read fails, everything else goes on", async () => {
    image = diskOf(backend) && LoopImage.make(`real SIGBUS on ${backend}`, { megabytes: 64 });
    if (image === undefined) return;
    const directory = join(image.directory, "store");
    const before = await open(directory, options);
    for (let key = 0; key < ROWS; key++) {
      void before.table(blobs).put(key, { content: Buffer.concat([contentOf(key), noise(key)]) });
    }
    await before.flush();
    await before.close();
    const run = largest(directory, ".run");
    moveToTheEnd(run, image);
    await using store = await open(directory, options);
    const table = store.table(blobs);
    await table.put(-1, { content: contentOf(1) });
    if (!takeAway(run, image)) return;
    let failures = 0;
    for (let key = 0; key < ROWS; key++) {
      try {
        const { content } = table.get(key) as { content: Uint8Array };
        expect(contentOf(key).equals(content.subarray(0, 900)), `row ${key}`).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ data: { file: run } });
        expect(["IO", "CORRUPT_RUN"]).toContain((error as HoldfastError).code);
        failures++;
      }
    }
    expect(failures).toBeGreaterThan(0);
    expect(contentOf(1).equals(table.get(-1)?.content as Uint8Array)).toBe(true);
    await table.put(-2, { content: contentOf(2) });
    expect(store.stats().state).toBe("open");
    const how = `image cut short under a run, ${backend}`;
    report("33 media error under mmap", how, failures, "that read fails, the process lives");
    report("41 EIO on read, serving", how, failures, "that read fails, not poisoned");
  });

  test("EIO on a write to the log: nothing is acknowledged any more, and nothing is lost", async () => {
    image =
      diskOf(backend) &&
      LoopImage.make(`a write error on ${backend}`, {
        megabytes: 64,
        thinMegabytes: 40,
        // A loop device that can take only the first pages of a write calls it a success: so no
        // frame may lie across the edge of the hole.
        sectorBytes: BLOCK_BYTES,
      });
    if (image === undefined) return;
    const directory = join(image.directory, "store");
    const store = await open(directory, options);
    const table = store.table(blobs);
    let acknowledged = 0;
    for (let key = 0; key < 20; key++) {
      await table.put(key, { content: contentOf(key) });
      acknowledged++;
    }
    // The room of the rest of the segment is taken away, and that of all the world besides.
    const segment = join(directory, "0000000000000001.log");
    execFileSync("sync", ["-f", image.directory]);
    punch(segment, 512 * 1024, image);
    image.fillUnder();
    let failure: HoldfastError | undefined;
    for (let key = 20; key < 3000 && failure === undefined; key++) {
      await table.put(key, { content: contentOf(key) }).then(
        () => {
          acknowledged++;
        },
        (error: HoldfastError) => {
          failure = error;
        },
      );
    }
    expect(failure).toMatchObject({ code: "OUTCOME_UNKNOWN", data: { file: segment } });
    expect(store.stats().state).toBe("poisoned");
    for (let again = 0; again < 5; again++) {
      await expect(table.put(5000, { content: contentOf(1) })).rejects.toMatchObject({
        code: "POISONED",
      });
    }
    expect(table.has(0)).toBe(true);
    await expect(withinLimit(store.close(), "close")).rejects.toMatchObject({ code: "POISONED" });
    image.emptyUnder();
    await image.unmount();
    image.mount();
    await using after = await open(directory, options);
    const found = after.table(blobs).count() as number;
    expect(found).toBeGreaterThanOrEqual(acknowledged);
    expect([...after.table(blobs).keys()]).toEqual(Array.from({ length: found }, (_, key) => key));
    const cause = (failure?.cause as NodeJS.ErrnoException | undefined)?.code;
    const how = `hole punched under the log, no room to fill it: ${cause}, ${backend}`;
    for (const fault of ["35 failed durable write", "36 fails once", "38 EIO on a log write"]) {
      report(fault, how, 1, "OUTCOME_UNKNOWN, then POISONED; acknowledged kept");
    }
  });
});

/** Nothing that could be compressed, so that a run is long. */
function noise(seed: number): Buffer {
  let state = seed + 1;
  return Buffer.from(
    Array.from({ length: 3000 }, () => {
      state = Math.imul(state, 1664525) + 1013904223;
      return state >>> 24;
    }),
  );
}

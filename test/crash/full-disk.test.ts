/**
 * The disk becomes full while the background makes runs, merges them and archives the log, at one
 * point of that after another, on a real file system: the background stops and says so, writes go on
 * while the log has room, and everything goes on when there is room again.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { bytes, defineTable, integer, open, type Store } from "../../src/index.js";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import type { ActivityFigures } from "../../src/snapshot/host.js";
import { ensureBuilt } from "../support/built.js";
import { diskOf, KILL_BACKENDS, type KillBackend } from "./disks.js";
import { SmallDisk } from "./small-disk.js";

const blobs = defineTable({
  name: "blobs",
  version: 1,
  key: integer(),
  fields: { content: bytes() },
});
const MEGABYTES = 48;
const SEGMENT_BYTES = 1024 * 1024;
const ROW_BYTES = 4000;
/** Rows between two flushes: a run of some 240 KB. */
const ROWS = 60;
/** Left free, from nothing to more than a flush and a merge need. */
const LEFT_BYTES = [0, 4096, 20_000, 60_000, 120_000, 200_000, 260_000, 400_000, 800_000];

let disk: SmallDisk | undefined;
let store: Store | undefined;
beforeAll(ensureBuilt);
beforeEach(() => {
  disk = SmallDisk.make(MEGABYTES);
});
afterEach(async () => {
  await store?.close().catch(() => {});
  disk?.remove();
});

/** The background on its own thread, which works only when it is asked to. */
function openStore(backend: KillBackend, directory: string, warnings: string[]): Promise<Store> {
  return open(directory, {
    backend,
    tables: [blobs],
    segmentBytes: SEGMENT_BYTES,
    recoveryBudgetMillis: 60_000,
    history: "all",
    bounds: { runsPerTier: 2, fileBytes: 256 * 1024 },
    onWarning: ({ code }) => void warnings.push(code),
  });
}

class Contents {
  readonly #rows = new Map<number, Buffer>();
  #next = 0;

  /** Every third write is of a key that is there. */
  async write(store: Store, count: number): Promise<void> {
    const puts: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      const key = i % 3 === 0 ? Math.floor(this.#next / 2) : this.#next++;
      const content = randomBytes(ROW_BYTES);
      this.#rows.set(key, content);
      puts.push(store.table(blobs).put(key, { content }));
    }
    await Promise.all(puts);
  }

  check(store: Store): void {
    const found = [...store.table(blobs).entries()];
    expect(found.length).toBe(this.#rows.size);
    for (const [key, { content }] of found) {
      expect(this.#rows.get(key)?.equals(content), `row ${key}`).toBe(true);
    }
  }
}

/** Until the background has nothing to do, and the next segment of the log is there. */
async function untilReady(store: Store, reader: Disk): Promise<void> {
  await expect
    .poll(
      async () => {
        const { background, directory } = store.stats();
        const { newest } = await readManifestSlots(reader, directory);
        const { flushes, merges, archives } = background;
        const working = flushes.running || merges.running || archives.running;
        return !working && newest?.segments.some(({ state }) => state === "spare");
      },
      { timeout: 20_000 },
    )
    .toBe(true);
}

describe.each(KILL_BACKENDS)("a full disk under the background on %s", (backend) => {
  test("stops it, and nothing else, until there is room", async () => {
    const reader = diskOf(backend);
    if (disk === undefined || reader === undefined) {
      return console.warn(`SKIPPED: a full disk on ${backend}`);
    }
    const warnings: string[] = [];
    const directory = join(disk.directory, backend);
    store = await openStore(backend, directory, warnings);
    const contents = new Contents();
    const outcomes = { refused: 0, made: 0 };
    for (const leaveBytes of LEFT_BYTES) {
      await contents.write(store, ROWS);
      await untilReady(store, reader);
      disk.fill(leaveBytes);
      const refusal = await store.flush().then(
        () => undefined,
        (error: unknown) => error,
      );
      if (refusal === undefined) outcomes.made++;
      else {
        outcomes.refused++;
        expect(refusal).toMatchObject({ code: "DISK_FULL" });
        const { flushes } = store.stats().background;
        expect(flushes).toMatchObject({ halted: false, error: { code: "DISK_FULL" } });
        expect(warnings).toContain("BACKGROUND");
      }
      // The segment in use is there in full, and so is the next one.
      await contents.write(store, 5);
      contents.check(store);
      disk.empty();
      await store.flush();
      expect(store.stats().background.flushes).toMatchObject({ halted: false, error: undefined });
      contents.check(store);
    }
    expect(outcomes.refused).toBeGreaterThan(0);
    expect(outcomes.made).toBeGreaterThan(0);
    // Merging and archiving that had no room go on by themselves, after a while.
    for (const kind of ["merges", "archives"] as const) {
      const figures = (): ActivityFigures | undefined => store?.stats().background[kind];
      await expect.poll(() => figures()?.error, { timeout: 20_000 }).toBeUndefined();
      expect(figures()?.done).toBeGreaterThan(0);
    }
    await store.close();
    store = await openStore(backend, directory, warnings);
    contents.check(store);
    expect(store.recovery.transactionsReplayed).toBe(0);
    await store.close();
  });
});

/**
 * A store whose replay began with a segment that nobody had written could not be opened again where
 * blocks have another size: with another back end, or after a move to another device.
 */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { portableDisk } from "../../src/disk/portable.js";
import { defineTable, integer, open } from "../../src/index.js";

const rows = defineTable({
  name: "rows",
  version: 1,
  key: integer(),
  fields: { value: integer() },
});

function diskWithBlocks(physicalBlockBytes: number): Disk {
  const disk = portableDisk();
  return new Proxy(disk, {
    get(target, name) {
      if (name === "describe") {
        return async (path: string) => ({ ...(await disk.describe(path)), physicalBlockBytes });
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const options = (blockBytes: number) => ({
  tables: [rows],
  environment: "test",
  segmentBytes: 64 * 1024,
  sealDelayMicros: 60_000_000,
  disk: diskWithBlocks(blockBytes),
  onWarning: () => {},
});

test.each([
  [512, 4096],
  [4096, 512],
])("with blocks of %d bytes, then of %d", async (before, after) => {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-"));
  const killed = `${directory}-killed`;
  try {
    const first = await open(directory, options(before));
    await first.table(rows).put(1, { value: 1 });
    await first.close();
    // All of it is in runs, and nothing is written behind them before this one is killed.
    const second = await open(directory, options(before));
    await second.snapshot("kept");
    await cp(directory, killed, { recursive: true });
    await rm(join(killed, "LOCK"));
    await second.close();
    for (const value of [2, 3]) {
      const store = await open(killed, options(after));
      expect(store.table(rows).count()).toBe(value - 1);
      await store.table(rows).put(value, { value });
      await store.close();
    }
    const kept = await open(killed, { ...options(after), at: "kept" });
    expect(kept.table(rows).count()).toBe(1);
    await kept.close();
  } finally {
    for (const path of [directory, killed]) await rm(path, { recursive: true, force: true });
  }
});

/** Opening cut short at every one of its changes to the disk, from every kind of beginning. */
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk, DiskFile } from "../../src/disk/disk.js";
import { portableDisk } from "../../src/disk/portable.js";
import { defineTable, integer, open, type Store } from "../../src/index.js";

const counts = defineTable({
  name: "counts",
  version: 1,
  tier: "critical",
  key: integer(),
  fields: { value: integer() },
});
const OPTIONS = { tables: [counts], segmentBytes: 64 * 1024, onWarning: () => {} };
const ROWS = 20;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(`${tmpdir()}/holdfast-cut-short-`);
});
afterEach(() => rm(root, { recursive: true }));

/** A disk on which, from the n-th change on, none is made any more. */
function failingFrom(n: number): { disk: Disk; changes: () => number } {
  const disk = portableDisk();
  let changes = 0;
  const change = <A extends unknown[], R>(run: (...args: A) => Promise<R>) => {
    return (...args: A): Promise<R> => {
      if (++changes < n) return run(...args);
      return Promise.reject(Object.assign(new Error("cut short"), { code: "EIO" }));
    };
  };
  const file = (inner: DiskFile): DiskFile => ({
    path: inner.path,
    isNamed: () => inner.isNamed(),
    async writeVerified(offset, bytes) {
      await this.write(offset, bytes);
      await this.sync();
      return Buffer.compare(await this.read(offset, bytes.length), bytes) === 0;
    },
    size: () => inner.size(),
    read: (offset, length) => inner.read(offset, length),
    write: change((offset, bytes) => inner.write(offset, bytes)),
    zeroFill: change((offset, length) => inner.zeroFill(offset, length)),
    truncate: change((length) => inner.truncate(length)),
    sync: change(() => inner.sync()),
    close: () => inner.close(),
  });
  const over: Partial<Disk> = {
    open: async (path, options) => file(await disk.open(path, options)),
    remove: change((path) => disk.remove(path)),
    syncDirectory: change((path) => disk.syncDirectory(path)),
  };
  const proxy = new Proxy(disk, {
    get(target, name) {
      const value: unknown = Reflect.get(name in over ? over : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { disk: proxy, changes: () => changes };
}

async function filled(directory: string): Promise<Store> {
  const store = await open(directory, { ...OPTIONS, backend: "portable" });
  for (let key = 0; key < ROWS; key++) await store.table(counts).put(key, { value: key });
  return store;
}

/** What the store was left like; resolves with the rows it has. */
const BEGINNINGS: Record<string, (directory: string) => Promise<number>> = {
  "nothing at all": async () => 0,
  "a store that was closed": async (directory) => {
    await (await filled(directory)).close();
    return ROWS;
  },
  "one that was opened and closed without a write": async (directory) => {
    await (await filled(directory)).close();
    await (await open(directory, { ...OPTIONS, backend: "portable" })).close();
    return ROWS;
  },
  "one that was not closed": async (directory) => {
    const store = await filled(`${directory}-running`);
    await cp(`${directory}-running`, directory, { recursive: true });
    await rm(`${directory}/LOCK`);
    await store.close();
    return ROWS;
  },
  "one that was opened, not written and not closed": async (directory) => {
    await (await filled(`${directory}-running`)).close();
    const store = await open(`${directory}-running`, { ...OPTIONS, backend: "portable" });
    await cp(`${directory}-running`, directory, { recursive: true });
    await rm(`${directory}/LOCK`);
    await store.close();
    return ROWS;
  },
};

describe.each(Object.entries(BEGINNINGS))("opening %s", (_, begin) => {
  test("can be cut short anywhere, twice, and then be done", async () => {
    const begun = `${root}/begun`;
    const rows = await begin(begun);
    let cuts = 0;
    for (let n = 1; ; n++) {
      const directory = `${root}/cut-${n}`;
      if (existsSync(begun)) await cp(begun, directory, { recursive: true });
      const results: boolean[] = [];
      for (const at of [n, n]) {
        const { disk } = failingFrom(at);
        const cut = await open(directory, { ...OPTIONS, disk }).catch(() => undefined);
        results.push(cut === undefined);
        await cut?.close().catch(() => {});
      }
      const store = await open(directory, { ...OPTIONS, backend: "portable" });
      expect([...store.table(counts).values()].map(({ value }) => value)).toEqual(
        Array.from({ length: rows }, (_, key) => key),
      );
      await store.table(counts).put(ROWS, { value: ROWS });
      await store.close();
      await rm(directory, { recursive: true });
      if (!results.includes(true)) break;
      cuts++;
    }
    expect(cuts).toBeGreaterThan(8);
  });
});

test("the file of a process that was killed while it looked at the file system means nothing", async () => {
  const directory = `${root}/store`;
  const probe = `${directory}/.probe-7760-3d66b702f9da8734.tmp`;
  await mkdir(directory);
  await writeFile(probe, "");
  await (await filled(directory)).close();
  const store = await open(directory, { ...OPTIONS, backend: "portable" });
  expect(store.recovery).toMatchObject({ created: false, removedFiles: [] });
  expect(store.table(counts).count()).toBe(ROWS);
  await store.close();
  await writeFile(`${root}/.probe-of-somebody-else.tmp`, "");
  await expect(open(root, { backend: "portable" })).rejects.toMatchObject({ code: "NOT_A_STORE" });
});

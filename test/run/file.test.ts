/** One file: what was written is found, by key and in order, on every disk. */

import { describe, expect, test } from "vitest";
import { KEY_BYTES_MAX, ROW_BYTES_MAX } from "../../src/base/limits.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { RunFileWriter } from "../../src/run/file-writer.js";
import { parseRunFileName, runFileName } from "../../src/run/format.js";
import { newRowPlace, type RunFile } from "../../src/run/run-file.js";
import { verifyRunFile } from "../../src/run/verify.js";
import fc from "../support/properties.js";
import {
  anyItem,
  anyItems,
  fullKey,
  type Item,
  item,
  noise,
  numberKey,
  onSimulated,
  openFile,
  type Place,
  places,
  STORE_ID,
  shown,
  shownItem,
  writeFile,
} from "./fixtures.js";

function lookUp(place: Place, file: RunFile, key: Buffer): string | undefined {
  const found = newRowPlace();
  const hash = place.disk.checksum.crc32c(key, 0, key.length);
  if (!file.find(key, key.length, hash, found)) return undefined;
  const { block, start, end, schemaVersion } = found;
  const at = { key, keyStart: 0, keyEnd: key.length, row: block, rowStart: start, rowEnd: end };
  return shown({ ...at, schemaVersion });
}

/** Everything that can be asked of a file, against what was put in. */
async function expectHolds(place: Place, items: readonly Item[], cache?: BlockCache) {
  const described = await writeFile(place, 7, items);
  const file = await openFile(place, described, cache);
  const expected = items.map(shownItem);
  expect(items.map(({ key }) => lookUp(place, file, key))).toEqual(expected);
  const cursor = file.cursor();
  const forwards: string[] = [];
  for (let on = cursor.first(); on; on = cursor.next()) forwards.push(shown(cursor));
  expect(forwards).toEqual(expected);
  const backwards: string[] = [];
  for (let on = cursor.last(); on; on = cursor.previous()) backwards.push(shown(cursor));
  expect(backwards).toEqual(expected.toReversed());
  const problems: unknown[] = [];
  const { disk, directory } = place;
  const verdict = await place.run(
    verifyRunFile(disk, directory, STORE_ID, described, (problem) => problems.push(problem)),
  );
  expect(problems).toEqual([]);
  const rows = items.filter(({ row }) => row !== undefined).length;
  expect(verdict).toMatchObject({ problems: 0, rows, tombstones: items.length - rows });
  expect(described).toMatchObject({ id: 7, rows, tombstones: items.length - rows });
  expect(Buffer.from(described.firstKey)).toEqual(items[0]?.key);
  expect(Buffer.from(described.lastKey)).toEqual(items.at(-1)?.key);
  return { described, file };
}

for (const [name, make] of places()) {
  describe(name, () => {
    test("thousands of rows over many blocks", async () => {
      const place = await make();
      const items = Array.from({ length: 5000 }, (_, i) =>
        item(numberKey(1 + (i >> 11), i * 3), i % 9 === 0 ? undefined : `row ${i} `.repeat(i % 20)),
      );
      const { file } = await expectHolds(place, items);
      const properties = file.properties();
      expect(properties).toMatchObject({
        createdMicros: 1_000_000,
        firstSequence: 1,
        lastSequence: 9,
        filterLines: Math.ceil(5000 / 48),
      });
      expect(properties.tables.map(({ id, name, schemas }) => [id, name, schemas])).toEqual([
        [1, "table 1", [{ id: 1 }]],
        [2, "table 2", [{ id: 2 }]],
        [3, "table 3", [{ id: 3 }]],
      ]);
      expect(properties.tables.map((table) => table.rows + table.tombstones)).toEqual([
        2048, 2048, 904,
      ]);
      for (let i = 0; i < 5000; i++) {
        expect(lookUp(place, file, numberKey(1 + (i >> 11), i * 3 + 1))).toBe(undefined);
      }
      await file.release();
      await place.dispose();
    });

    test("an index of many blocks", async () => {
      const place = await make();
      const key = (i: number): Buffer => fullKey(2, `${String(i).padStart(6, "0")}`.repeat(170));
      const items = Array.from({ length: 1500 }, (_, i) => item(key(i), `row ${i}`));
      await (await expectHolds(place, items)).file.release();
      await place.dispose();
    });

    test("one row, and an empty one", async () => {
      const place = await make();
      await (await expectHolds(place, [item(fullKey(1, "a"), "")])).file.release();
      await place.run(place.disk.remove(`${place.directory}/${runFileName(7)}`));
      await (await expectHolds(place, [item(fullKey(1, ""), undefined)])).file.release();
      await place.dispose();
    });

    test("the largest rows and longest keys, with and without compression", async () => {
      const place = await make();
      const long = (last: string): Buffer => fullKey(9, `${"k".repeat(KEY_BYTES_MAX - 1)}${last}`);
      const items = [
        item(fullKey(9, "a"), noise(ROW_BYTES_MAX)),
        item(fullKey(9, "b"), Buffer.alloc(ROW_BYTES_MAX, 7)),
        item(long("a"), noise(ROW_BYTES_MAX, 2)),
        item(long("b"), undefined, 65535),
        item(long("c"), "small", 65535),
      ];
      const cache = new BlockCache(64 << 20);
      await (await expectHolds(place, items, cache)).file.release();
      expect(cache.bytes).toBe(0);
      await place.dispose();
    });

    test("an id is used once, and a file that was abandoned is gone", async () => {
      const place = await make();
      const { disk, directory } = place;
      const options = { disk, directory, storeId: STORE_ID, fileId: 7 };
      const writer = await place.run(RunFileWriter.create(options));
      await expect(place.run(RunFileWriter.create(options))).rejects.toMatchObject({
        code: "IO",
        data: { file: `${directory}/${runFileName(7)}` },
      });
      const row = noise(200_000);
      writer.add(numberKey(1, 1), 0, 10, 1, row, 0, row.length);
      writer.add(numberKey(1, 2), 0, 10, 1, row, 0, row.length);
      expect(writer.pendingBytes).toBeGreaterThan(200_000);
      expect(writer.bytes).toBeGreaterThan(400_000);
      expect(await place.run(writer.write())).toBeGreaterThan(200_000);
      expect(writer.pendingBytes).toBe(0);
      await place.run(writer.abandon());
      await place.run(writer.abandon());
      expect(await place.run(disk.list(directory))).toEqual([]);
      await place.dispose();
    });
  });
}

test("any rows, against a list of them", async () => {
  await fc.assert(
    fc.asyncProperty(anyItems, async (items) => {
      const place = await onSimulated();
      await (await expectHolds(place, items)).file.release();
    }),
    { numRuns: 150 },
  );
});

test("a cursor goes to any key, and on in both directions", async () => {
  await fc.assert(
    fc.asyncProperty(anyItems, fc.array(anyItem, { maxLength: 20 }), async (items, others) => {
      const place = await onSimulated();
      const file = await openFile(place, await writeFile(place, 7, items));
      const cursor = file.cursor();
      const expected = items.map(shownItem);
      for (const { key } of [...items, ...others]) {
        const above = items.findIndex((other) => Buffer.compare(other.key, key) >= 0);
        expect(cursor.seek(key, 0, key.length)).toBe(above >= 0);
        if (above >= 0) {
          expect(shown(cursor)).toBe(expected[above]);
          expect(cursor.next() ? shown(cursor) : undefined).toBe(expected[above + 1]);
        }
        const below = items.findLastIndex((other) => Buffer.compare(other.key, key) <= 0);
        expect(cursor.seekBack(key, 0, key.length)).toBe(below >= 0);
        if (below >= 0) {
          expect(shown(cursor)).toBe(expected[below]);
          expect(cursor.previous() ? shown(cursor) : undefined).toBe(expected[below - 1]);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test("keys that do not ascend are a mistake of the caller", async () => {
  const place = await onSimulated();
  const { disk, directory } = place;
  const options = { disk, directory, storeId: STORE_ID, fileId: 7 };
  const writer = await place.run(RunFileWriter.create(options));
  const add = (key: Buffer) => writer.add(key, 0, key.length, 1, key, 0, 0);
  add(fullKey(1, "b"));
  expect(() => add(fullKey(1, "b"))).toThrow("ascending");
  expect(() => add(fullKey(1, "a"))).toThrow("ascending");
  expect(() => add(Buffer.from([9]))).toThrow("a table's id");
});

test("names of files", () => {
  expect(runFileName(5)).toBe("0000000000000005.run");
  expect(parseRunFileName("0000000000000005.run")).toBe(5);
  for (const name of ["0000000000000000.run", "5.run", "0000000000000005.log", "x.run"]) {
    expect(parseRunFileName(name)).toBe(undefined);
  }
});

/** The parts that a file is made of, each by itself. */

import { expect, test } from "vitest";
import { RUN_FILE_BYTES_MAX } from "../../src/base/limits.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import { BlockCache, type CachedBlock, type FileBlocks } from "../../src/run/block-cache.js";
import { compareBytes, Entries } from "../../src/run/entries.js";
import { checkEnds } from "../../src/run/file-ends.js";
import { FilterBuilder, filterLineOf, filterMayHold } from "../../src/run/filter.js";
import {
  BLOCK_RAW_BYTES_MAX,
  FILTER_BLOCK_LINES,
  FILTER_LINE_BYTES,
  filterBlockBytes,
  filterBlockOffset,
  filterBytes,
} from "../../src/run/format.js";
import { IndexBuilder } from "../../src/run/index-builder.js";
import { decodeProperties } from "../../src/run/properties.js";
import fc from "../support/properties.js";
import { numberKey } from "./fixtures.js";

const hashOf = (key: Buffer): number => portableChecksum.crc32c(key, 0, key.length);

function mayHold(blocks: readonly Uint8Array[], lines: number, hash: number): boolean {
  const line = filterLineOf(hash, lines);
  const block = blocks[Math.floor(line / FILTER_BLOCK_LINES)] as Uint8Array;
  return filterMayHold(block, line % FILTER_BLOCK_LINES, hash);
}

test("a filter denies no key that was added, and nearly all others", () => {
  for (const count of [1, 47, 48, 49, 5000, 48 * 256, 48 * 256 + 1, 40_000]) {
    const builder = new FilterBuilder();
    for (let i = 0; i < count; i++) builder.add(hashOf(numberKey(1, 2 * i)));
    const { lines } = builder;
    expect(lines).toBe(Math.ceil(count / 48));
    const blocks = builder.build();
    expect(blocks.map((block) => block.length)).toEqual(
      blocks.map((_, n) => filterBlockBytes(n, lines) - 24),
    );
    expect(filterBytes(lines)).toBe(blocks.reduce((sum, block) => sum + 24 + block.length, 0));
    expect(
      filterBlockOffset(blocks.length - 1, 100) + filterBlockBytes(blocks.length - 1, lines),
    ).toBe(100 + filterBytes(lines));
    let passed = 0;
    for (let i = 0; i < count; i++) {
      expect(mayHold(blocks, lines, hashOf(numberKey(1, 2 * i)))).toBe(true);
      if (mayHold(blocks, lines, hashOf(numberKey(1, 2 * i + 1)))) passed++;
    }
    if (count >= 5000) expect(passed / count).toBeLessThan(0.015);
  }
});

test("the lines of a filter are used evenly, and its hash is written down", () => {
  const builder = new FilterBuilder();
  builder.add(0xdeadbeef);
  const [block] = builder.build();
  const bits: number[] = [];
  for (let bit = 0; bit < 8 * FILTER_LINE_BYTES; bit++) {
    if ((block![bit >> 3]! & (1 << (bit & 7))) !== 0) bits.push(bit);
  }
  // As docs/format.md says, with integers that do not overflow.
  let g = (0xdeadbeefn * 0x9e3779b1n) % 2n ** 32n;
  const expected = new Set<number>();
  for (let i = 0; i < 6; i++) {
    expected.add(Number(g >> 23n));
    g = (g * 0x85ebca6bn + 0xc2b2ae35n) % 2n ** 32n;
  }
  expect(bits).toEqual([...expected].sort((a, b) => a - b));
  expect(filterLineOf(0xffff_ffff, 1000)).toBe(999);
  expect(filterLineOf(0, 1000)).toBe(0);
  expect(filterLineOf(0x8000_0000, 1000)).toBe(500);
});

test("bytes are compared as Buffer does, at any place and length", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc
      .tuple(fc.integer({ min: 40, max: 60 }), fc.uint8Array({ maxLength: 4 }))
      .map(([n, end]) => Buffer.concat([Buffer.alloc(n, 1), end])),
  );
  fc.assert(
    fc.property(bytes, bytes, fc.nat(3), fc.nat(3), (a, b, i, j) => {
      const x = Buffer.concat([Buffer.alloc(i), a, Buffer.alloc(2, 9)]);
      const y = Buffer.concat([Buffer.alloc(j), b, Buffer.alloc(1, 5)]);
      const order = compareBytes(x, i, i + a.length, y, j, j + b.length);
      expect(Math.sign(order)).toBe(Buffer.compare(a, b));
    }),
    { numRuns: 2000 },
  );
});

test("any bytes are a list of entries, or are not", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(3), (bytes, count) => {
      const raw = Buffer.from(bytes);
      if (raw.length >= 4) raw.writeUInt32LE(count, raw.length - 4);
      const entries = Entries.of(raw, 0);
      for (let i = 0; i < (entries?.count ?? 0); i++) {
        const list = entries as Entries;
        expect(list.keyEnd(i)).toBeGreaterThan(list.keyStart(i));
        expect(list.valueEnd(i)).toBeLessThanOrEqual(raw.length);
      }
    }),
    { numRuns: 2000 },
  );
  expect(Entries.of(Buffer.alloc(4), 0)).toBe(undefined);
  expect(Entries.of(Buffer.alloc(3), 0)).toBe(undefined);
  const many = Buffer.alloc(40);
  many.writeUInt32LE(0xffff_ffff, 36);
  expect(Entries.of(many, 0)).toBe(undefined);
});

test("an index fits its blocks, with the longest keys and very many blocks", () => {
  for (const blocks of [1, 500, 20_000]) {
    const builder = new IndexBuilder();
    const key = Buffer.alloc(1026, 0x6b);
    for (let i = 0; i < blocks; i++) {
      key.writeUInt32BE(i, 1022);
      builder.add(key, key.length, 100 * i, 100);
    }
    const index: Entries[] = [];
    let root: Entries | undefined;
    builder.build(
      (raw) => {
        expect(raw.length).toBeLessThanOrEqual(BLOCK_RAW_BYTES_MAX);
        index.push(Entries.of(Buffer.from(raw), 0) as Entries);
        return { offset: index.length - 1, length: raw.length };
      },
      (raw) => {
        expect(raw.length).toBeLessThanOrEqual(BLOCK_RAW_BYTES_MAX);
        root = Entries.of(Buffer.from(raw), 0);
      },
    );
    expect(root?.count).toBe(index.length);
    let i = 0;
    index.forEach((entries, n) => {
      expect(root?.bytes.readUInt32LE(root.keyEnd(n))).toBe(n);
      for (let e = 0; e < entries.count; e++) {
        expect(entries.bytes.readUInt32LE(entries.keyEnd(e))).toBe(100 * i++);
      }
      const start = entries.keyStart(entries.count - 1);
      expect(root?.compareKey(n, entries.bytes, start, start + 1026)).toBe(0);
    });
    expect(i).toBe(blocks);
  }
});

test("any bytes are properties, or are not", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(decodeProperties(bytes)).toBe(undefined);
    }),
  );
  // Deeper than a stack is.
  expect(decodeProperties(Buffer.alloc(1_000_000, 0x91))).toBe(undefined);
});

/** Puts a block of that length into a cache. */
function put(cache: BlockCache, file: FileBlocks, offset: number, bytes = 2000, ofRows = true) {
  const block = cache.take(bytes);
  block.length = bytes;
  block.bytes.fill(offset & 0xff, 0, bytes);
  cache.put(block, file, offset, ofRows);
}

test("a cache stays within its budget, and keeps what is used again and again", () => {
  const cache = new BlockCache(200_000);
  const file = cache.addFile();
  const other = cache.addFile();
  put(cache, other, 5);
  for (let i = 0; i < 10; i++) put(cache, file, i);
  for (let i = 10; i < 2000; i++) {
    for (let hot = 0; hot < 10; hot++) {
      const found = cache.get(file, hot);
      expect(found?.bytes[0]).toBe(hot);
      expect(found?.bytes[1999]).toBe(hot);
    }
    expect(cache.get(file, i)).toBe(undefined);
    put(cache, file, i, 500 + ((i * 37) % 9000));
    expect(cache.bytes).toBeLessThanOrEqual(200_000);
  }
  expect(cache.hits).toBe(1990 * 10);
  expect(cache.misses).toBe(1990);
  expect(cache.count).toBeGreaterThan(25);
  expect(cache.get(other, 5)).toBe(undefined);
  // What would push out most of the rest is not kept.
  put(cache, file, 9999, 60_000);
  expect(cache.get(file, 9999)).toBe(undefined);
  put(cache, other, 7);
  cache.drop(file);
  expect(cache.count).toBe(1);
  expect(cache.get(other, 7)).toBeDefined();
  cache.drop(other);
  expect(cache.bytes).toBe(0);
  put(cache, file, 1);
  expect(cache.get(file, 1)).toBeDefined();
});

test("a full cache uses the memory of blocks that leave for those that come", () => {
  const cache = new BlockCache(100_000);
  const file = cache.addFile();
  const seen = new Set<Buffer>();
  for (let i = 0; i < 1000; i++) {
    put(cache, file, i, 8000 + (i % 192));
    seen.add((file.byOffset.get(i) as CachedBlock).bytes);
  }
  expect(seen.size).toBe(Math.floor(100_000 / (8192 + 512)));
});

test("blocks leave a cache in the order in which they came, used ones a round later", () => {
  const cache = new BlockCache(4 * (2048 + 512));
  const file = cache.addFile();
  const add = (offset: number) => put(cache, file, offset);
  const there = () => [...file.byOffset.keys()];
  for (const offset of [1, 2, 3, 4]) add(offset);
  cache.get(file, 1);
  cache.get(file, 3);
  add(5);
  expect(there()).toEqual([1, 3, 4, 5]);
  add(6);
  expect(there()).toEqual([1, 3, 5, 6]);
  add(7);
  // 1 and 3 have had their second chance, and stand before and behind 5.
  expect(there()).toEqual([3, 5, 6, 7]);
  add(8);
  expect(there()).toEqual([3, 6, 7, 8]);
});

test("rows leave a cache before what leads to them, down to a quarter of it", () => {
  const cache = new BlockCache(16 * (2048 + 512));
  const file = cache.addFile();
  for (let i = 0; i < 6; i++) put(cache, file, i, 2000, false);
  for (let i = 100; i < 200; i++) put(cache, file, i);
  for (let i = 0; i < 6; i++) expect(cache.get(file, i)).toBeDefined();
  for (let i = 200; i < 300; i++) put(cache, file, i, 2000, false);
  expect([...file.byOffset.keys()].filter((offset) => offset >= 100 && offset < 200)).toEqual([
    196, 197, 198, 199,
  ]);
});

test("a cache with no budget holds nothing", () => {
  const cache = new BlockCache(0);
  const file = cache.addFile();
  put(cache, file, 0, 10);
  expect(cache.get(file, 0)).toBe(undefined);
  expect(cache.bytes).toBe(0);
});

test("a file longer than any may be is refused before it is read", () => {
  const bytes = RUN_FILE_BYTES_MAX + 1;
  const file = { id: 7, bytes, rows: 1, tombstones: 0, checksum: 0 };
  const keys = { firstKey: numberKey(1, 1), lastKey: numberKey(1, 1) };
  const place = { storeId: new Uint8Array(16), fileId: 7 };
  const copy = (): never => {
    throw new Error("it was read");
  };
  const check = () =>
    checkEnds("a.run", bytes, copy, place, { ...file, ...keys }, portableChecksum);
  expect(check).toThrow("it is too long");
});

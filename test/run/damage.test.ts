/** Damaged files: the right answer or CORRUPT_RUN with the place, and nothing else ever. */
import { compressSync } from "lz4-napi";
import { beforeAll, describe, expect, test } from "vitest";
import { HoldfastError, isHoldfastError } from "../../src/base/errors.js";
import type { Disk } from "../../src/disk/disk.js";
import type { ManifestFile } from "../../src/manifest/format.js";
import { decodeBlock, encodeBlock } from "../../src/run/block.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { EntriesBuilder } from "../../src/run/entries.js";
import {
  BLOCK_AT,
  BLOCK_HEADER_BYTES,
  BLOCK_KIND,
  type BlockKind,
  RUN_AT,
  runFileName,
} from "../../src/run/format.js";
import { newRowPlace, RunFile } from "../../src/run/run-file.js";
import type { RunProblem } from "../../src/run/run-problem.js";
import { verifyRunFile } from "../../src/run/verify.js";
import { walkBlocks } from "../../src/run/walk.js";
import {
  fullKey,
  type Item,
  item,
  noise,
  numberKey,
  onSimulated,
  readWhole,
  STORE_ID,
  shown,
  shownItem,
  writeFile,
} from "./fixtures.js";
import { memoryDisk } from "./memory-disk.js";

const DIRECTORY = "/memory";
const PATH = `${DIRECTORY}/${runFileName(7)}`;

interface Sample {
  readonly items: readonly Item[];
  readonly bytes: Uint8Array;
  readonly file: ManifestFile;
  readonly expected: readonly string[];
}

async function sampleOf(items: readonly Item[]): Promise<Sample> {
  const place = await onSimulated();
  const file = await writeFile(place, 7, items);
  const bytes = await readWhole(place, `${place.directory}/${runFileName(7)}`);
  return { items, bytes, file, expected: items.map(shownItem) };
}

/** Several blocks, which LZ4 makes small; and one that it does not. */
let small: Sample;
let stored: Sample;
/** A block for each row, and nothing that LZ4 makes smaller. */
let several: Sample;

beforeAll(async () => {
  const row = (i: number): string | undefined => (i % 8 === 3 ? undefined : `${i} `.repeat(150));
  small = await sampleOf(
    Array.from({ length: 40 }, (_, i) => item(numberKey(1 + (i >> 4), 5 * i), row(i))),
  );
  stored = await sampleOf([
    item(numberKey(1, 1), noise(2000)),
    item(numberKey(1, 3), noise(50, 9)),
  ]);
  const keys = Array.from({ length: 6 }, (_, i) => fullKey(1, noise(30, i + 1)));
  keys.sort(Buffer.compare);
  several = await sampleOf(keys.map((key, i) => item(key, noise(6000, i + 1))));
});

/** Asks a file everything; throws for a wrong answer, counts what it refuses. */
async function interrogate(disk: Disk, sample: Sample): Promise<number> {
  const { checksum } = disk;
  let refused = 0;
  const allow = (error: unknown): void => {
    if (!isHoldfastError(error, "CORRUPT_RUN") && !isHoldfastError(error, "IO")) throw error;
    if (error.data.file !== PATH || !Number.isSafeInteger(error.data.offset)) throw error;
    refused++;
  };
  const cache = new BlockCache(1 << 20);
  let file: RunFile;
  try {
    const options = { disk, directory: DIRECTORY, storeId: STORE_ID, file: sample.file, cache };
    file = await RunFile.open(options);
  } catch (error) {
    allow(error);
    return refused;
  }
  const found = newRowPlace();
  for (const [i, { key }] of sample.items.entries()) {
    try {
      const there = file.find(key, key.length, checksum.crc32c(key, 0, key.length), found);
      if (!there) throw new Error(`key ${i} is not found`);
      const { block: row, start: rowStart, end: rowEnd, schemaVersion } = found;
      const at = { key, keyStart: 0, keyEnd: key.length, row, rowStart, rowEnd, schemaVersion };
      if (shown(at) !== sample.expected[i]) throw new Error(`key ${i} is wrong: ${shown(at)}`);
    } catch (error) {
      allow(error);
    }
    const absent = Buffer.from(key);
    absent[9]!++;
    try {
      const hash = checksum.crc32c(absent, 0, absent.length);
      if (file.find(absent, absent.length, hash, found)) throw new Error("an absent key is found");
    } catch (error) {
      allow(error);
    }
  }
  const cursor = file.cursor();
  const scan = (start: () => boolean, go: () => boolean, expected: readonly string[]): void => {
    let i = 0;
    try {
      for (let on = start(); on; on = go()) {
        if (shown(cursor) !== expected[i]) throw new Error(`row ${i} of a scan is wrong`);
        i++;
      }
      if (i !== expected.length) throw new Error("a scan ends too early");
    } catch (error) {
      allow(error);
    }
  };
  scan(
    () => cursor.first(),
    () => cursor.next(),
    sample.expected,
  );
  scan(
    () => cursor.last(),
    () => cursor.previous(),
    sample.expected.toReversed(),
  );
  try {
    if (file.properties().rows !== sample.file.rows) throw new Error("the properties are wrong");
  } catch (error) {
    allow(error);
  }
  await file.release();
  return refused;
}

async function examine(disk: Disk, file: ManifestFile) {
  const problems: RunProblem[] = [];
  const report = (problem: RunProblem) => void problems.push(problem);
  const verdict = await verifyRunFile(disk, DIRECTORY, STORE_ID, file, report);
  expect(verdict.problems).toBe(problems.length);
  return { problems, verdict };
}

/** Problems are told, and rows outside the ranges they name were all read. */
async function expectFound(disk: Disk, { file, items }: Sample, at: number): Promise<void> {
  const { problems, verdict } = await examine(disk, file);
  const told = problems.some((problem) => problem.file === PATH && problem.offset <= at);
  if (!told) throw new Error(`verify tells nothing of the damage at ${at}`);
  const concerned = ({ key }: Item): boolean =>
    problems.some(
      ({ firstKey, lastKey }) =>
        firstKey !== undefined &&
        lastKey !== undefined &&
        Buffer.compare(key, firstKey) >= 0 &&
        Buffer.compare(key, lastKey) <= 0,
    );
  const safe = items.filter((one) => !concerned(one)).length;
  expect(verdict.rows + verdict.tombstones).toBeGreaterThanOrEqual(safe);
}

const MUTATIONS: readonly ((byte: number) => number)[] = [
  (byte) => byte ^ 0x01,
  (byte) => byte ^ 0x80,
  () => 0x00,
  () => 0xff,
];

async function sweep(sample: Sample): Promise<void> {
  for (let at = 0; at < sample.bytes.length; at++) {
    for (const mutate of MUTATIONS) {
      const bytes = sample.bytes.slice();
      const byte = bytes[at] as number;
      bytes[at] = mutate(byte);
      if (bytes[at] === byte) continue;
      const disk = memoryDisk(bytes);
      if ((await interrogate(disk, sample)) === 0) throw new Error(`nobody noticed byte ${at}`);
      await expectFound(disk, sample, at);
    }
  }
}

test("the samples are whole, and have blocks of all kinds", async () => {
  for (const sample of [small, stored, several]) {
    const disk = memoryDisk(sample.bytes);
    expect(await interrogate(disk, sample)).toBe(0);
    expect((await examine(disk, sample.file)).problems).toEqual([]);
  }
  expect((await examine(memoryDisk(small.bytes), small.file)).verdict.blocks).toBeGreaterThan(5);
  expect(small.bytes.length).toBeLessThan(4000);
});

describe("every byte, changed in several ways", () => {
  test("of a file whose blocks are compressed", () => sweep(small));
  test("of a file whose blocks are not", () => sweep(stored));
});

test("verify finds the next block behind a damaged one, and says which keys are concerned", async () => {
  const keys = several.items.map(({ key }) => Uint8Array.from(key));
  for (const lost of [0, 1, 4, 5]) {
    const bytes = several.bytes.slice();
    const at = Buffer.from(bytes).indexOf(keys[lost] as Uint8Array);
    bytes[at]! ^= 1;
    const { problems, verdict } = await examine(memoryDisk(bytes), several.file);
    expect(verdict).toMatchObject({ problems: 1, rows: 5 });
    const last = lost === 5 ? 5 : lost + 1;
    const [firstKey, lastKey] = [keys[Math.max(lost - 1, 0)], keys[last]];
    expect(problems).toMatchObject([{ firstKey, lastKey }]);
  }
  // Damage outside the data concerns no rows.
  const bytes = several.bytes.slice();
  bytes[bytes.length - 70]! ^= 1;
  const { problems, verdict } = await examine(memoryDisk(bytes), several.file);
  expect(verdict).toMatchObject({ problems: 1, rows: 6 });
  expect(problems[0]?.firstKey).toBe(undefined);
});

test("a file cut short at every length", async () => {
  for (let length = 0; length < small.bytes.length; length++) {
    const disk = memoryDisk(small.bytes.slice(0, length));
    const options = { disk, directory: DIRECTORY, storeId: STORE_ID, file: small.file };
    const opening = RunFile.open({ ...options, cache: new BlockCache(0) });
    await expect(opening).rejects.toMatchObject({
      code: "CORRUPT_RUN",
      data: { file: PATH, offset: length },
    });
    await expectFound(disk, small, length);
  }
});

test("a file that has become longer", async () => {
  const disk = memoryDisk(Buffer.concat([small.bytes, Buffer.alloc(10)]));
  expect(await interrogate(disk, small)).toBe(1);
  expect((await examine(disk, small.file)).problems).toHaveLength(1);
});

test("blocks of an earlier attempt at the same file are not taken for good", async () => {
  const place = await onSimulated(2);
  const file = await writeFile(place, 7, small.items);
  const other = await readWhole(place, `${place.directory}/${runFileName(7)}`);
  expect(file.bytes).toBe(small.file.bytes);
  expect(file.checksum).not.toBe(small.file.checksum);
  const mixed = small.bytes.slice();
  mixed.set(other.subarray(64, 500), 64);
  expect(await interrogate(memoryDisk(mixed), small)).toBeGreaterThan(0);
  // The whole of it neither.
  expect(await interrogate(memoryDisk(other), small)).toBe(1);
});

test("places that cannot be read: IO names them, and the rest goes on", async () => {
  for (let from = 0; from < small.bytes.length; from += 64) {
    const bad = { from, to: from + 1, times: Number.POSITIVE_INFINITY };
    const disk = memoryDisk(small.bytes, { bad });
    expect(await interrogate(disk, small)).toBeGreaterThan(0);
    await expectFound(disk, small, from);
  }
});

test("what fails once is read again", async () => {
  for (let from = 0; from < small.bytes.length; from += 64) {
    const bad = { from, to: from + 1, times: 1 };
    expect(await interrogate(memoryDisk(small.bytes, { bad }), small)).toBe(0);
    expect(bad.times).toBe(0);
  }
});

test("a flip between the medium and here heals by itself", async () => {
  for (let at = 0; at < small.bytes.length; at += 7) {
    const bytes = small.bytes.slice();
    bytes[at]! ^= 0x10;
    let copies = 0;
    // Every copy that meets the flip is the last one that does.
    const meet = (): void => {
      if (copies++ > 0) bytes[at] = small.bytes[at] as number;
    };
    expect(await interrogate(memoryDisk(bytes, { onCopy: meet }), small)).toBe(0);
  }
});

describe("a block with a good checksum over a bad content", () => {
  const { checksum } = memoryDisk(new Uint8Array(0));
  const place = { kind: BLOCK_KIND.data, fileId: 7, offset: 64, file: PATH };

  /** Puts the checksum right after the block was changed. */
  function sealed(block: Uint8Array): Uint8Array {
    const sum = checksum.crc32c(block, BLOCK_AT.blockBytes, block.length);
    Buffer.from(block.buffer, block.byteOffset).writeUInt32LE(sum, BLOCK_AT.checksum);
    return block;
  }

  function blockWith(content: Uint8Array, rawBytes: number): Buffer {
    const block = Buffer.alloc(BLOCK_HEADER_BYTES + content.length);
    block.writeUInt32LE(block.length, BLOCK_AT.blockBytes);
    block.writeUInt32LE(rawBytes, BLOCK_AT.rawBytes);
    block[BLOCK_AT.kind] = BLOCK_KIND.data;
    block[BLOCK_AT.compression] = 1;
    block.writeUInt32LE(7, BLOCK_AT.fileId);
    block.writeUInt32LE(64, BLOCK_AT.offset);
    block.set(content, BLOCK_HEADER_BYTES);
    return sealed(block) as Buffer;
  }

  test("whatever LZ4 is made of", () => {
    const raw = Buffer.from("all work and no play ".repeat(40));
    const packed = compressSync(raw);
    let refused = 0;
    const decode = (content: Uint8Array, rawBytes: number): void => {
      try {
        const found = decodeBlock(blockWith(content, rawBytes), place, checksum);
        expect(found.length).toBe(rawBytes);
      } catch (error) {
        if (!isHoldfastError(error, "CORRUPT_RUN")) throw error;
        expect(error.data).toMatchObject({ file: PATH, offset: 64 });
        refused++;
      }
    };
    decode(packed, raw.length);
    expect(refused).toBe(0);
    for (let at = 0; at < packed.length; at++) {
      for (let byte = 0; byte < 256; byte += 5) {
        const content = Buffer.from(packed);
        content[at] = byte;
        decode(content, raw.length);
      }
      decode(packed.subarray(0, at), raw.length);
    }
    for (let seed = 1; seed < 2000; seed++) {
      const content = noise(4 + (seed % 200), seed);
      content.writeUInt32LE(1000);
      decode(content, 1000);
    }
    expect(refused).toBeGreaterThan(1000);
  });

  test("lengths that would take much memory are refused before anything is decompressed", () => {
    for (const rawBytes of [1118209, 0x7fff_ffff, 0xffff_ffff]) {
      const content = Buffer.alloc(100);
      content.writeUInt32LE(rawBytes);
      const decode = () => decodeBlock(blockWith(content, rawBytes), place, checksum);
      expect(decode).toThrow("too large");
    }
    const content = Buffer.alloc(100);
    content.writeUInt32LE(0xffff_ffff);
    expect(() => decodeBlock(blockWith(content, 1000), place, checksum)).toThrow("another length");
  });

  test("another kind, file, offset or way of compression", () => {
    const raw = Buffer.from("content");
    const compress = false;
    const block = encodeBlock({ kind: 1, fileId: 7, offset: 64, raw, compress }, checksum);
    expect(decodeBlock(block, place, checksum).toString()).toBe("content");
    for (const other of [
      { ...place, kind: BLOCK_KIND.index },
      { ...place, fileId: 8 },
      { ...place, offset: 65 },
      { ...place, seed: 1 },
    ]) {
      expect(() => decodeBlock(block, other, checksum)).toThrow(HoldfastError);
    }
    block[BLOCK_AT.compression] = 2;
    expect(() => decodeBlock(sealed(block), place, checksum)).toThrow("unknown way");
  });

  test("ids beyond 32 bits", () => {
    const fileId = 2 ** 40 + 5;
    const raw = new Uint8Array(3);
    const block = encodeBlock({ kind: 6, fileId, offset: 9, raw, compress: true }, checksum);
    const expected = { kind: BLOCK_KIND.archive, fileId, offset: 9, file: PATH };
    expect(decodeBlock(block, expected, checksum)).toHaveLength(3);
  });
});

describe("a list of keys that is none, under a good checksum", () => {
  /** The first data block's content, changed; the file around it is put right again. */
  async function withFirstBlock(change: (raw: Buffer) => Uint8Array): Promise<Uint8Array> {
    const { checksum } = memoryDisk(new Uint8Array(0));
    const bytes = Buffer.from(stored.bytes);
    const seed = bytes.readUInt32LE(RUN_AT.checksum);
    const length = bytes.readUInt32LE(64 + BLOCK_AT.blockBytes);
    const place = { kind: BLOCK_KIND.data, fileId: 7, offset: 64, seed, file: PATH };
    const raw = change(decodeBlock(bytes.subarray(64, 64 + length), place, checksum));
    const block = encodeBlock({ ...place, raw, compress: false }, checksum);
    expect(block.length).toBe(length);
    bytes.set(block, 64);
    return bytes;
  }

  test("every byte of its content", async () => {
    const positions = 2 * 4 + 4;
    const noticed: number[] = [];
    const whole = await withFirstBlock((raw) => raw);
    expect(whole).toEqual(Buffer.from(stored.bytes));
    let rawBytes = 0;
    await withFirstBlock((raw) => {
      rawBytes = raw.length;
      return raw;
    });
    for (let at = 0; at < rawBytes; at++) {
      const bytes = await withFirstBlock((raw) => {
        raw[at]! ^= 0x40;
        return raw;
      });
      const sample = { ...stored, items: [], expected: [] };
      // Keys and rows are then different ones, which only a checksum could have told.
      const disk = memoryDisk(bytes);
      const file = await RunFile.open({
        disk,
        directory: DIRECTORY,
        storeId: STORE_ID,
        file: sample.file,
        cache: new BlockCache(0),
      });
      try {
        const cursor = file.cursor();
        for (let on = cursor.first(); on; on = cursor.next()) {
          if (cursor.keyEnd > cursor.key.length || cursor.rowEnd > cursor.row.length) {
            throw new Error(`byte ${at} leads outside the block`);
          }
        }
      } catch (error) {
        if (!isHoldfastError(error, "CORRUPT_RUN")) throw error;
        expect(error.data).toEqual({ file: PATH, offset: 64 });
        noticed.push(at);
      }
    }
    // All of the positions and lengths are; of the schema version, nothing can be.
    expect(noticed).toEqual(
      expect.arrayContaining(Array.from({ length: positions }, (_, i) => rawBytes - positions + i)),
    );
    expect(noticed).toEqual(expect.arrayContaining([0, 1, 4, 5, 6, 7]));
  });

  test("an empty list, and keys out of order, which verify tells", async () => {
    const builder = new EntriesBuilder(1000);
    const bytes = await withFirstBlock((raw) => {
      const rows = [...stored.items].reverse();
      for (const { key, row } of rows) {
        builder.add(key, 0, key.length, 1, row as Buffer, 0, (row as Buffer).length);
      }
      const swapped = Buffer.from(builder.take());
      expect(swapped.length).toBe(raw.length);
      return swapped;
    });
    const { problems } = await examine(memoryDisk(bytes), stored.file);
    expect(problems.map(({ what }) => what)).toEqual(
      expect.arrayContaining(["the keys do not ascend"]),
    );
  });
});

describe("parts that disagree, each under a good checksum", () => {
  /** The sample whose one block of that kind has another content of the same length. */
  async function withContent(
    kind: BlockKind,
    change: (raw: Buffer) => void,
    sample = stored,
  ): Promise<Uint8Array> {
    const { checksum } = memoryDisk(new Uint8Array(0));
    const bytes = Buffer.from(sample.bytes);
    const seed = bytes.readUInt32LE(RUN_AT.checksum);
    const end = bytes.length - 64;
    const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
    const walking = { file: PATH, fileId: 7, seed, end, checksum, read };
    for await (const block of walkBlocks(walking)) {
      if (!block.ok || block.kind !== kind) continue;
      const compress = bytes[block.offset + BLOCK_AT.compression] === 1;
      change(block.raw);
      const place = { kind, fileId: 7, offset: block.offset, seed };
      const changed = encodeBlock({ ...place, raw: block.raw, compress }, checksum);
      expect(changed.length).toBe(block.length);
      bytes.set(changed, block.offset);
      return bytes;
    }
    throw new Error(`no block of kind ${kind}`);
  }

  async function toldOf(bytes: Uint8Array, sample = stored): Promise<string> {
    const { problems } = await examine(memoryDisk(bytes), sample.file);
    return problems.map(({ what }) => what).join("; ");
  }

  test("an index with another last key: never a wrong answer, and verify tells", async () => {
    for (const kind of [BLOCK_KIND.index, BLOCK_KIND.root]) {
      for (const change of [-1, 1]) {
        const bytes = await withContent(kind, (raw) => {
          raw[17]! += change;
        });
        expect(await toldOf(bytes)).toContain("another length or last key");
        if (kind === BLOCK_KIND.index) {
          // One that is too high leads no key that is there astray.
          const refused = await interrogate(memoryDisk(bytes), stored);
          expect(refused > 0).toBe(change < 0);
        }
      }
    }
  });

  test("an index that names another place", async () => {
    for (const kind of [BLOCK_KIND.index, BLOCK_KIND.root]) {
      for (const at of [18, 19, 21, 22, 24, 25]) {
        const bytes = await withContent(kind, (raw) => {
          raw[at]! ^= 1;
        });
        expect(await interrogate(memoryDisk(bytes), stored)).toBeGreaterThan(0);
        expect(await toldOf(bytes)).toMatch(/names a block at/);
      }
    }
  });

  test("an index whose entries changed places", async () => {
    const bytes = await withContent(
      BLOCK_KIND.index,
      (raw) => {
        const entryBytes = raw.readUInt32LE(raw.length - 4 - 5 * 4);
        const second = Buffer.from(raw.subarray(entryBytes, 2 * entryBytes));
        raw.copyWithin(entryBytes, 0, entryBytes);
        raw.set(second, 0);
      },
      several,
    );
    expect(await toldOf(bytes, several)).toContain("out of its order");
  });

  test("a filter that denies keys", async () => {
    const bytes = await withContent(BLOCK_KIND.filter, (raw) => void raw.fill(0));
    expect(await toldOf(bytes)).toContain("denies 2 keys");
  });

  test("properties with other numbers", async () => {
    const bytes = await withContent(BLOCK_KIND.properties, (raw) => {
      const at = raw.indexOf("dataBlocks") + 10;
      expect(raw[at]).toBe(1);
      raw[at] = 2;
    });
    expect(await toldOf(bytes)).toContain("data blocks: 2 by the properties, 1 in the file");
  });

  test("a manifest with other numbers", async () => {
    const file = { ...stored.file, rows: 1, firstKey: numberKey(1, 2) };
    const { problems } = await examine(memoryDisk(stored.bytes), file);
    expect(problems.map(({ what }) => what.slice(0, 10))).toEqual(["rows: 1 by", "first key:"]);
  });
});

test("another format version is no damage", async () => {
  const { checksum } = memoryDisk(new Uint8Array(0));
  const bytes = Buffer.from(small.bytes);
  bytes.writeUInt32LE(2, RUN_AT.formatVersion);
  bytes.writeUInt32LE(checksum.crc32c(bytes, RUN_AT.formatVersion, 64), RUN_AT.checksum);
  const disk = memoryDisk(bytes);
  const options = { disk, directory: DIRECTORY, storeId: STORE_ID, file: small.file };
  await expect(RunFile.open({ ...options, cache: new BlockCache(0) })).rejects.toMatchObject({
    code: "FORMAT_VERSION",
    data: { file: PATH },
  });
});

test("verify of a file that is not there", async () => {
  const { disk, directory, run } = await onSimulated();
  const problems: RunProblem[] = [];
  const report = (problem: RunProblem) => void problems.push(problem);
  const verdict = await run(verifyRunFile(disk, directory, STORE_ID, small.file, report));
  expect(verdict).toEqual({ problems: 1, rows: 0, tombstones: 0, blocks: 0 });
  const { firstKey, lastKey } = small.file;
  expect(problems).toMatchObject([{ offset: 0, what: "the file is not there", firstKey, lastKey }]);
});

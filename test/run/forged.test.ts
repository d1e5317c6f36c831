/** Run files whose parts contradict one another, each under a good checksum: read and verified. */
import { encode } from "@msgpack/msgpack";
import { describe, expect, test } from "vitest";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { Disk } from "../../src/disk/disk.js";
import { systemError } from "../../src/disk/system-error.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { EntriesBuilder } from "../../src/run/entries.js";
import {
  BLOCK_AT,
  BLOCK_HEADER_BYTES,
  BLOCK_KIND,
  FOOTER_AT,
  RUN_AT,
  RUN_FOOTER_BYTES,
} from "../../src/run/format.js";
import { newRowPlace, RunFile } from "../../src/run/run-file.js";
import { noise, numberKey, STORE_ID } from "./fixtures.js";
import { entryOf, type Forged, type Forgery, forge, placeOf } from "./forged.js";
import { memoryDisk } from "./memory-disk.js";
import { DIRECTORY, examine, PATH } from "./samples.js";

/** What `verify` tells of it. */
async function toldOf({ bytes, file }: Forged): Promise<string[]> {
  const { problems } = await examine(memoryDisk(bytes), file);
  return problems.map(({ what }) => what);
}

function opened({ bytes, file }: Forged, storeId = STORE_ID): Promise<RunFile> {
  const cache = new BlockCache(1 << 20);
  return RunFile.open({ disk: memoryDisk(bytes), directory: DIRECTORY, storeId, file, cache });
}

function find(file: RunFile, key: Uint8Array): boolean {
  const hash = portableChecksum.crc32c(key, 0, key.length);
  return file.find(key, key.length, hash, newRowPlace());
}

/** Puts the footer's checksum right; the manifest means this one. */
function resealed(forged: Forged): Forged {
  const { bytes } = forged;
  const footer = bytes.subarray(bytes.length - RUN_FOOTER_BYTES);
  const seed = bytes.readUInt32LE(RUN_AT.checksum);
  const checksum = portableChecksum.crc32c(footer, FOOTER_AT.formatVersion, footer.length, seed);
  footer.writeUInt32LE(checksum, FOOTER_AT.checksum);
  return { ...forged, file: { ...forged.file, checksum } };
}

test("one that nothing is wrong with", async () => {
  const forged = forge();
  expect(await toldOf(forged)).toEqual([]);
  const file = await opened(forged);
  for (const key of forged.keys) expect(find(file, key)).toBe(true);
  expect(find(file, numberKey(1, 2))).toBe(false);
  expect(file.properties().rows).toBe(2);
});

test("a cursor that stands on nothing stays there", async () => {
  const cursor = (await opened(forge())).cursor();
  expect(cursor.next()).toBe(false);
  expect(cursor.previous()).toBe(false);
  expect(cursor.first()).toBe(true);
});

test("without any filter every key is looked for, also behind the last one", async () => {
  const forged = forge({ filterLines: 0, filter: [] });
  expect(await toldOf(forged)).toEqual([]);
  const file = await opened(forged);
  for (const key of forged.keys) expect(find(file, key)).toBe(true);
  expect(find(file, numberKey(1, 2))).toBe(false);
  expect(find(file, numberKey(1, 4))).toBe(false);
});

describe("properties", () => {
  test.each([
    ["a number", encode(5)],
    ["a list of no tables", encode({ ...{}, tables: [null] })],
  ])("that are %s", async (_name, properties) => {
    const forged = forge({ properties });
    expect(await toldOf(forged)).toEqual(["the block holds no properties"]);
    const file = await opened(forged);
    expect(() => file.properties()).toThrow("the block holds no properties");
  });

  test("with a table that is none", async () => {
    const forged = forge({ claims: { tables: [null] } });
    expect(await toldOf(forged)).toEqual(["the block holds no properties"]);
  });

  test("with other lines of the filter than the footer has", async () => {
    const told = await toldOf(forge({ claims: { filterLines: 5 } }));
    expect(told).toEqual(["properties and footer differ in the filter's lines"]);
  });
});

describe("a footer", () => {
  test("that is wrong about root and properties", async () => {
    const forged = forge({
      layout: (layout) => ({
        ...layout,
        rootBytes: layout.rootBytes + 10,
        propertiesOffset: layout.propertiesOffset + 10,
        propertiesBytes: layout.propertiesBytes - 10,
      }),
    });
    const told = ["the footer is wrong about the root", "the footer is wrong about the properties"];
    expect(await toldOf(forged)).toEqual(told);
  });

  test("that names places that cannot be", async () => {
    const forged = forge({ layout: (layout) => ({ ...layout, propertiesBytes: 5 }) });
    const why = "the footer names places that cannot be";
    expect(await toldOf(forged)).toEqual([why]);
    await expect(opened(forged)).rejects.toMatchObject({
      code: "CORRUPT_RUN",
      message: expect.stringContaining(why),
    });
  });

  test("of a later format", async () => {
    const forged = forge();
    forged.bytes.writeUInt32LE(9, forged.bytes.length - RUN_FOOTER_BYTES + FOOTER_AT.formatVersion);
    const later = resealed(forged);
    expect(await toldOf(later)).toEqual(["the footer is of format version 9"]);
    await expect(opened(later)).rejects.toMatchObject({ code: "FORMAT_VERSION" });
  });

  test("of another file", async () => {
    const forged = forge();
    forged.bytes.writeUInt32LE(8, forged.bytes.length - RUN_FOOTER_BYTES + FOOTER_AT.fileId);
    const other = resealed(forged);
    expect(await toldOf(other)).toEqual(["the footer is that of another file"]);
    await expect(opened(other)).rejects.toMatchObject({ code: "CORRUPT_RUN" });
  });

  test("that is not the one the manifest means", async () => {
    const forged = forge();
    const file = { ...forged.file, checksum: forged.file.checksum ^ 1 };
    const why = "the footer is not the one the manifest means";
    expect(await toldOf({ ...forged, file })).toEqual([why]);
    await expect(opened({ ...forged, file })).rejects.toMatchObject({ code: "CORRUPT_RUN" });
  });
});

test("a header of another store's file", async () => {
  await expect(opened(forge(), new Uint8Array(16))).rejects.toMatchObject({
    code: "CORRUPT_RUN",
    message: expect.stringContaining("the header is that of another file"),
  });
});

test("a filter whose block is of another length", async () => {
  const forged = forge({ filterLines: 1, filter: [new Uint8Array(128)] });
  const told = ["a block of the filter is not there, or of another length"];
  expect(await toldOf(forged)).toEqual(told);
  const file = await opened(forged);
  expect(() => find(file, numberKey(1, 1))).toThrow(
    expect.objectContaining({ code: "CORRUPT_RUN" }),
  );
});

describe("blocks", () => {
  const NO_LIST = Buffer.from("not a list of anything");

  test("of rows that are no list: what they held is lost, the rest is read", async () => {
    const forged = forge({ data: (key, row, i) => (i === 0 ? NO_LIST : entryOf(key, row)) });
    const why = "the block is not a list of keys and values";
    expect(await toldOf(forged)).toEqual([expect.stringContaining(why)]);
    const file = await opened(forged);
    for (let again = 0; again < 2; again++) {
      expect(() => find(file, forged.keys[0] as Uint8Array)).toThrow(why);
      expect(find(file, forged.keys[1] as Uint8Array)).toBe(true);
    }
  });

  test("whose first entry has no room for its own header", async () => {
    const raw = Buffer.alloc(12);
    raw.writeUInt32LE(1, 8);
    const forged = forge({ data: (key, row, i) => (i === 0 ? raw : entryOf(key, row)) });
    expect(await toldOf(forged)).toEqual([expect.stringContaining("the block is not a list")]);
  });

  test("with a key that names no table", async () => {
    const forged = forge({ keys: [Buffer.from([0]), numberKey(1, 3)] });
    expect(await toldOf(forged)).toContain("a key has no table");
  });

  test("that are no index", async () => {
    const why = expect.stringContaining("the block is not a list of keys and values");
    expect(await toldOf(forge({ index: () => NO_LIST }))).toContainEqual(why);
    expect(await toldOf(forge({ root: () => NO_LIST }))).toContainEqual(why);
  });

  test("of an index whose entries are no places", async () => {
    const index: Forgery["index"] = (keys, data) => {
      const builder = new EntriesBuilder(64);
      data.forEach((place, i) => {
        const key = keys[i] as Uint8Array;
        builder.add(key, 0, key.length, 0, placeOf(place), 0, i === 0 ? 7 : 8);
      });
      return Uint8Array.from(builder.take());
    };
    const forged = forge({ index });
    expect(await toldOf(forged)).toContain("an entry is not the place of a block");
    const file = await opened(forged);
    const why = "names a place that cannot be";
    expect(() => find(file, forged.keys[0] as Uint8Array)).toThrow(why);
    expect(find(file, forged.keys[1] as Uint8Array)).toBe(true);
  });

  test("out of their order", async () => {
    const raw = entryOf(numberKey(1, 5), Buffer.from("row"));
    const told = await toldOf(forge({ strangers: [{ kind: BLOCK_KIND.data, raw }] }));
    expect(told).toContain("the block is out of its order");
  });
});

test("behind damage the next block is found by more than its place", async () => {
  // The first row looks like the beginning of two blocks: of another file, and of none.
  const lure = (at: number, fileId: number): Buffer => {
    const header = Buffer.alloc(BLOCK_HEADER_BYTES);
    header.writeUInt32LE(BLOCK_HEADER_BYTES, BLOCK_AT.blockBytes);
    header[BLOCK_AT.kind] = BLOCK_KIND.data;
    header.writeUInt32LE(fileId, BLOCK_AT.fileId);
    header.writeUInt32LE(at, BLOCK_AT.offset);
    return header;
  };
  const rowAt = 64 + BLOCK_HEADER_BYTES + 8 + 10;
  const row = Buffer.concat([lure(rowAt, 8), lure(rowAt + BLOCK_HEADER_BYTES, 7)]);
  const forged = forge({ rows: [row, Buffer.from("row 1")] });
  expect(forged.bytes.indexOf(row)).toBe(rowAt);
  forged.bytes[64 + BLOCK_AT.checksum]! ^= 1;
  const { problems, verdict } = await examine(memoryDisk(forged.bytes), forged.file);
  const [first, second] = forged.data;
  expect(problems).toMatchObject([
    { offset: first?.offset, what: `the block fails its checksum (${first?.length} bytes)` },
  ]);
  expect(second?.offset).toBe((first?.offset ?? 0) + (first?.length ?? 0));
  expect(verdict.rows).toBe(1);
});

test("a page that the device refuses is told, and what stands around it is read", async () => {
  const rows = Array.from({ length: 4 }, (_, i) => noise(6000, i + 1));
  const forged = forge({ keys: [1, 2, 3, 4].map((i) => numberKey(1, i)), rows });
  const bad = { from: 9000, to: 9001, times: Number.POSITIVE_INFINITY };
  const { problems, verdict } = await examine(memoryDisk(forged.bytes, { bad }), forged.file);
  expect(problems.map(({ offset, what }) => `${offset}: ${what}`)).toEqual([
    "8192: the device refuses to read this: EIO",
    expect.stringContaining("the block fails its checksum"),
  ]);
  expect(verdict.rows).toBe(2);
});

test("a mistake of the program is thrown, and not told as damage", async () => {
  const forged = forge({ rows: [Buffer.alloc(500), Buffer.alloc(500)], compress: true });
  const mistake = new TypeError("no such thing");
  const compressor = {
    decompress: () => {
      throw mistake;
    },
  };
  const disk = { ...memoryDisk(forged.bytes), compressor } as unknown as Disk;
  await expect(examine(disk, forged.file)).rejects.toBe(mistake);
});

test("a file that the system does not let anybody open is not told as missing", async () => {
  const { bytes, file } = forge();
  const open = () => Promise.reject(systemError("EACCES", "open", PATH));
  const disk = { ...memoryDisk(bytes), open } as unknown as Disk;
  await expect(examine(disk, file)).rejects.toMatchObject({ code: "IO", data: { file: PATH } });
});

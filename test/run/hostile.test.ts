/** What no checksum can tell: contents that are wrong, each under a good one. */
import { compressSync } from "lz4-napi";
import { beforeAll, describe, expect, test } from "vitest";
import { HoldfastError, isHoldfastError } from "../../src/base/errors.js";
import { portableCompressor } from "../../src/disk/compressor.js";
import { claimedBlockBytes, decodeBlock, encodeBlock } from "../../src/run/block.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { EntriesBuilder } from "../../src/run/entries.js";
import {
  BLOCK_AT,
  BLOCK_HEADER_BYTES,
  BLOCK_KIND,
  type BlockKind,
  RUN_AT,
} from "../../src/run/format.js";
import { RunFile } from "../../src/run/run-file.js";
import { walkBlocks } from "../../src/run/walk.js";
import { noise, numberKey, STORE_ID } from "./fixtures.js";
import { memoryDisk } from "./memory-disk.js";

import { DIRECTORY, examine, interrogate, makeSamples, PATH, several, stored } from "./samples.js";

beforeAll(makeSamples);

describe("a block with a good checksum over a bad content", () => {
  const tools = memoryDisk(new Uint8Array(0));
  const place = { kind: BLOCK_KIND.data, fileId: 7, offset: 64, file: PATH };

  /** Puts the checksum right after the block was changed. */
  function sealed(block: Uint8Array): Uint8Array {
    const sum = tools.checksum.crc32c(block, BLOCK_AT.blockBytes, block.length);
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
        const found = decodeBlock(blockWith(content, rawBytes), place, tools);
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
      const decode = () => decodeBlock(blockWith(content, rawBytes), place, tools);
      expect(decode).toThrow("too large");
    }
    const content = Buffer.alloc(100);
    content.writeUInt32LE(0xffff_ffff);
    expect(() => decodeBlock(blockWith(content, 1000), place, tools)).toThrow("another length");
  });

  test("another kind, file, offset or way of compression", () => {
    const raw = Buffer.from("content");
    const compress = false;
    const block = encodeBlock({ kind: 1, fileId: 7, offset: 64, raw, compress }, tools);
    expect(decodeBlock(block, place, tools).toString()).toBe("content");
    for (const other of [
      { ...place, kind: BLOCK_KIND.index },
      { ...place, fileId: 8 },
      { ...place, offset: 65 },
      { ...place, seed: 1 },
    ]) {
      expect(() => decodeBlock(block, other, tools)).toThrow(HoldfastError);
    }
    block[BLOCK_AT.compression] = 2;
    expect(() => decodeBlock(sealed(block), place, tools)).toThrow("unknown way");
  });

  test("cut off, or of another length than it says", () => {
    const raw = Buffer.from("content");
    const make = () => encodeBlock({ ...place, raw, compress: false }, tools);
    expect(() => decodeBlock(make().subarray(0, 23), place, tools)).toThrow("is cut off");
    const other = Buffer.from(make());
    other.writeUInt32LE(other.length + 1, BLOCK_AT.blockBytes);
    expect(() => decodeBlock(sealed(other), place, tools)).toThrow("is of another length");
    const content = Buffer.from(make());
    content.writeUInt32LE(raw.length - 1, BLOCK_AT.rawBytes);
    const why = "is of another length than its content";
    expect(() => decodeBlock(sealed(content), place, tools)).toThrow(why);
  });

  test("no length is taken from a header that is not all there", () => {
    const block = encodeBlock({ ...place, raw: new Uint8Array(9), compress: false }, tools);
    expect(claimedBlockBytes(block, 0, BLOCK_KIND.data)).toBe(block.length);
    expect(claimedBlockBytes(block, -1, BLOCK_KIND.data)).toBeUndefined();
    expect(claimedBlockBytes(block, block.length - 23, BLOCK_KIND.data)).toBeUndefined();
  });

  test("ids beyond 32 bits", () => {
    const fileId = 2 ** 40 + 5;
    const raw = new Uint8Array(3);
    const block = encodeBlock({ kind: 6, fileId, offset: 9, raw, compress: true }, tools);
    const expected = { kind: BLOCK_KIND.archive, fileId, offset: 9, file: PATH };
    expect(decodeBlock(block, expected, tools)).toHaveLength(3);
  });
});

describe("a list of keys that is none, under a good checksum", () => {
  /** The first data block's content, changed; the file around it is put right again. */
  async function withFirstBlock(change: (raw: Buffer) => Uint8Array): Promise<Uint8Array> {
    const tools = memoryDisk(new Uint8Array(0));
    const bytes = Buffer.from(stored.bytes);
    const seed = bytes.readUInt32LE(RUN_AT.checksum);
    const length = bytes.readUInt32LE(64 + BLOCK_AT.blockBytes);
    const place = { kind: BLOCK_KIND.data, fileId: 7, offset: 64, seed, file: PATH };
    const raw = change(decodeBlock(bytes.subarray(64, 64 + length), place, tools));
    const block = encodeBlock({ ...place, raw, compress: false }, tools);
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
    const tools = memoryDisk(new Uint8Array(0));
    const bytes = Buffer.from(sample.bytes);
    const seed = bytes.readUInt32LE(RUN_AT.checksum);
    const end = bytes.length - 64;
    const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
    const walking = { file: PATH, fileId: 7, seed, end, tools, read };
    for await (const block of walkBlocks(walking)) {
      if (!block.ok || block.kind !== kind) continue;
      const compress = bytes[block.offset + BLOCK_AT.compression] === 1;
      change(block.raw);
      const place = { kind, fileId: 7, offset: block.offset, seed };
      // The sample comes from the simulated disk: with its compressor the length stays as it is.
      const maker = { checksum: tools.checksum, compressor: portableCompressor };
      const changed = encodeBlock({ ...place, raw: block.raw, compress }, maker);
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
          if (change > 0) continue;
          const options = { directory: DIRECTORY, storeId: STORE_ID, file: stored.file };
          const disk = memoryDisk(bytes);
          const cache = new BlockCache(0);
          const cursor = (await RunFile.open({ ...options, disk, cache })).cursor();
          const seek = () => cursor.seek(numberKey(1, 3), 0, 10);
          expect(seek).toThrow("ends before the key its index names");
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

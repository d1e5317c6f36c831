/** What runs are made of: ends, blocks, LZ4, lists of entries, properties, and whole files. */

import { isHoldfastError } from "../../src/base/errors.js";
import { BLOCK_RAW_BYTES_MAX, PROPERTIES_BYTES_MAX } from "../../src/base/limits.js";
import { decodeBlock, encodeBlock } from "../../src/run/block.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { Entries, EntriesBuilder } from "../../src/run/entries.js";
import { decodeRunHeader, encodeRunHeader } from "../../src/run/file-header.js";
import { decodeRunFooter } from "../../src/run/footer.js";
import {
  BLOCK_AT,
  BLOCK_HEADER_BYTES,
  BLOCK_KIND,
  COMPRESSION,
  ENTRY_AT,
  FOOTER_AT,
  RUN_AT,
  RUN_FOOTER_BYTES,
  RUN_HEADER_BYTES,
} from "../../src/run/format.js";
import { decodeProperties, encodeProperties } from "../../src/run/properties.js";
import { newRowPlace, RunFile } from "../../src/run/run-file.js";
import { fastChecksum, fastTools } from "../corruption/image-disk.js";
import { noise, numberKey, STORE_ID } from "../run/fixtures.js";
import { memoryDisk } from "../run/memory-disk.js";
import { DIRECTORY, examine, makeSamples, PATH, small } from "../run/samples.js";
import type { Planned } from "./suite.js";

const PLACE = { storeId: STORE_ID, fileId: 7 };

export async function runPlans(): Promise<Planned[]> {
  await makeSamples();
  return [
    headerPlan(),
    footerPlan(),
    entriesPlan(),
    blockPlan(),
    lz4Plan(),
    propertiesPlan(),
    filePlan(),
  ];
}

function putChecksum(input: Buffer, at: number, from: number, to: number, seed: number): void {
  input.writeUInt32LE(fastChecksum.crc32c(input, from, to, seed), at);
}

function headerPlan(): Planned {
  const { bytes } = encodeRunHeader(PLACE, noise(8, 3), fastChecksum);
  const run = (input: Buffer): string => {
    const result = decodeRunHeader(input, PLACE, fastChecksum);
    return result.ok ? "good" : `${result.why} ${result.detail.replace(/\d+/g, "0")}`;
  };
  const seal = (input: Buffer): void => {
    if (input.length < RUN_HEADER_BYTES) return;
    putChecksum(input, RUN_AT.checksum, RUN_AT.formatVersion, RUN_HEADER_BYTES, 0);
  };
  const places = Object.values(RUN_AT);
  const target = { name: "run-header", seeds: [bytes], places, seal, run, allocationMax: 4096 };
  return { target, inputs: 500_000, outcomesMin: 5 };
}

function footerPlan(): Planned {
  const offset = small.bytes.length - RUN_FOOTER_BYTES;
  const seed = Buffer.from(small.bytes).readUInt32LE(RUN_AT.checksum);
  const seeds = [small.bytes.slice(offset)];
  const run = (input: Buffer): string => {
    const result = decodeRunFooter(input, PLACE, offset, seed, fastChecksum);
    if (!result.ok) return `${result.why} ${result.detail.replace(/\d+/g, "0")}`;
    const { rootOffset, rootBytes, propertiesOffset, propertiesBytes } = result.layout;
    if (Math.max(rootOffset + rootBytes, propertiesOffset + propertiesBytes) > offset) {
      throw new Error("a part lies behind the end");
    }
    return "good";
  };
  const seal = (input: Buffer): void => {
    if (input.length < RUN_FOOTER_BYTES) return;
    putChecksum(input, FOOTER_AT.checksum, FOOTER_AT.formatVersion, RUN_FOOTER_BYTES, seed);
  };
  const places = Object.values(FOOTER_AT);
  const target = { name: "run-footer", seeds, places, seal, run, allocationMax: 4096 };
  return { target, inputs: 500_000, outcomesMin: 6 };
}

function listOf(count: number, rowBytes: number): Buffer {
  const builder = new EntriesBuilder(1000);
  for (let i = 0; i < count; i++) {
    const key = numberKey(1, i);
    const row =
      i % 3 === 0 ? Buffer.from("all work and no play ".repeat(4)) : noise(rowBytes, i + 1);
    builder.add(key, 0, key.length, 1, row, 0, i % 5 === 4 ? -1 : row.length);
  }
  return Buffer.from(builder.take());
}

/** Everything that readers of a list ask of it. */
function useEntries(raw: Buffer): string {
  const entries = Entries.of(raw, 64);
  if (entries === undefined) return "no list";
  for (let i = 0; i < entries.count; i++) {
    const [from, to, end] = [entries.keyStart(i), entries.keyEnd(i), entries.valueEnd(i)];
    const isInside = from >= 0 && to > from && to <= raw.length && end <= raw.length;
    if (!isInside || (end >= 0 && end < to)) throw new Error(`entry ${i} leads outside`);
    if (i < 3) entries.lowerBound(raw, from, to);
  }
  return "good";
}

function entriesPlan(): Planned {
  const seeds = [listOf(1, 10), listOf(5, 30), listOf(20, 3)];
  const places = [
    ...Object.values(ENTRY_AT),
    ...seeds.flatMap(({ length }) => [length - 4, length - 8]),
  ];
  const target = { name: "entries", seeds, places, run: useEntries, allocationMax: 4096 };
  return { target, inputs: 700_000, outcomesMin: 2 };
}

const BLOCK_PLACE = { kind: BLOCK_KIND.data, fileId: 7, offset: 64, seed: 99 } as const;

function sealBlock(input: Buffer): void {
  if (input.length < BLOCK_HEADER_BYTES) return;
  putChecksum(input, BLOCK_AT.checksum, BLOCK_AT.blockBytes, input.length, BLOCK_PLACE.seed);
}

function readBlock(input: Buffer): string {
  const raw = decodeBlock(input, { ...BLOCK_PLACE, file: PATH }, fastTools);
  if (raw.length > BLOCK_RAW_BYTES_MAX) throw new Error("a block larger than there may be");
  return useEntries(raw);
}

function blockPlan(): Planned {
  const seeds = [true, false].flatMap((compress) =>
    [listOf(3, 20), listOf(30, 8)].map((raw) =>
      Buffer.from(encodeBlock({ ...BLOCK_PLACE, raw, compress }, fastTools)),
    ),
  );
  const places = [...Object.values(BLOCK_AT), BLOCK_HEADER_BYTES];
  const target = {
    name: "block",
    seeds,
    places,
    seal: sealBlock,
    run: readBlock,
    codes: ["CORRUPT_RUN"],
    allocationMax: BLOCK_RAW_BYTES_MAX,
  };
  return { target, inputs: 350_000, outcomesMin: 8 };
}

/** Only what stands behind the header of a block is hostile: every input is decompressed. */
function lz4Plan(): Planned {
  const raws = [listOf(30, 8), Buffer.alloc(5000, "abc"), Buffer.from("0123456789".repeat(30))];
  const seeds = raws.map((raw) =>
    Buffer.from(encodeBlock({ ...BLOCK_PLACE, raw, compress: true }, fastTools)),
  );
  const seal = (input: Buffer): void => {
    if (input.length < BLOCK_HEADER_BYTES + 5) return;
    input.writeUInt32LE(input.length, BLOCK_AT.blockBytes);
    input[BLOCK_AT.kind] = BLOCK_PLACE.kind;
    input[BLOCK_AT.compression] = COMPRESSION.lz4;
    input.writeUInt32LE(BLOCK_PLACE.fileId, BLOCK_AT.fileId);
    input.writeUInt32LE(BLOCK_PLACE.offset, BLOCK_AT.offset);
    input.writeUInt32LE(input.readUInt32LE(BLOCK_HEADER_BYTES), BLOCK_AT.rawBytes);
    sealBlock(input);
  };
  const run = (input: Buffer): string => {
    const raw = decodeBlock(input, { ...BLOCK_PLACE, file: PATH }, fastTools);
    if (raw.length !== input.readUInt32LE(BLOCK_AT.rawBytes)) throw new Error("another length");
    return "good";
  };
  const target = {
    name: "lz",
    seeds,
    places: [BLOCK_HEADER_BYTES, BLOCK_HEADER_BYTES + 4, BLOCK_HEADER_BYTES + 5],
    seal,
    run,
    codes: ["CORRUPT_RUN"],
    allocationMax: BLOCK_RAW_BYTES_MAX,
  };
  return { target, inputs: 500_000, outcomesMin: 4 };
}

function propertiesPlan(): Planned {
  const seeds = [
    Buffer.from(
      encodeProperties({
        createdMicros: 1_700_000_000_000_000,
        firstSequence: 1,
        lastSequence: 9,
        rows: 3,
        tombstones: 1,
        firstKey: numberKey(1, 1),
        lastKey: numberKey(1, 9),
        dataBlocks: 1,
        filterLines: 1,
        tables: [{ id: 1, name: "t", rows: 3, tombstones: 1, schemas: [{ a: 1 }] }],
      }),
    ),
  ];
  const run = (input: Buffer): string => {
    const properties = decodeProperties(input);
    if (properties === undefined) return "none";
    const { rows, tables } = properties;
    if (!Number.isSafeInteger(rows) || !Array.isArray(tables)) throw new Error("they are none");
    return "good";
  };
  const target = { name: "properties", seeds, run, allocationMax: PROPERTIES_BYTES_MAX };
  return { target, inputs: 250_000, outcomesMin: 2 };
}

/** All checksums of a file, from the header's to the footer's. */
function sealFile(input: Buffer): void {
  if (input.length < RUN_HEADER_BYTES + RUN_FOOTER_BYTES) return;
  putChecksum(input, RUN_AT.checksum, RUN_AT.formatVersion, RUN_HEADER_BYTES, 0);
  const seed = input.readUInt32LE(RUN_AT.checksum);
  const end = input.length - RUN_FOOTER_BYTES;
  for (let at = RUN_HEADER_BYTES; at + BLOCK_HEADER_BYTES <= end; ) {
    const next = at + input.readUInt32LE(at + BLOCK_AT.blockBytes);
    if (next > end || next < at + BLOCK_HEADER_BYTES) break;
    putChecksum(input, at + BLOCK_AT.checksum, at + BLOCK_AT.blockBytes, next, seed);
    at = next;
  }
  const footer = input.subarray(end);
  putChecksum(footer, FOOTER_AT.checksum, FOOTER_AT.formatVersion, RUN_FOOTER_BYTES, seed);
}

/** The manifest says of it what it says of itself: nothing is left that could tell. */
function filePlan(): Planned {
  const run = async (input: Buffer): Promise<string> => {
    const at = Math.max(0, input.length - RUN_FOOTER_BYTES) + FOOTER_AT.checksum;
    const checksum = at + 4 <= input.length ? input.readUInt32LE(at) : 0;
    const file = { ...small.file, bytes: input.length, checksum };
    const disk = memoryDisk(input);
    // Once in a while, for it reads all there is in every way.
    if (input[0] === 0 || checksum % 16 === 0) await examine(disk, file);
    const cache = new BlockCache(0);
    const options = { disk, directory: DIRECTORY, storeId: STORE_ID, file, cache };
    const opened = await RunFile.open(options);
    const parts = [readForwards, readBackwards, findOne, (one: RunFile) => void one.properties()];
    const refused = parts.map((read) => refusalOf(() => read(opened)));
    await opened.release();
    return refused.every((what) => what === "") ? "good" : refused.join("|").slice(0, 120);
  };
  const layout = Object.values(FOOTER_AT).map((at) => small.bytes.length - RUN_FOOTER_BYTES + at);
  const target = {
    name: "run-file",
    seeds: [small.bytes],
    places: [...layout, ...Object.values(BLOCK_AT).map((at) => RUN_HEADER_BYTES + at)],
    seal: sealFile,
    run,
    codes: ["CORRUPT_RUN", "FORMAT_VERSION"],
    allocationMax: PROPERTIES_BYTES_MAX,
  };
  return { target, inputs: 60_000, outcomesMin: 10 };
}

function readForwards(file: RunFile): void {
  const cursor = file.cursor(false);
  for (let on = cursor.first(); on; on = cursor.next()) checkInside(cursor);
}

function readBackwards(file: RunFile): void {
  const cursor = file.cursor(false);
  for (let on = cursor.last(); on; on = cursor.previous()) checkInside(cursor);
}

function checkInside({ key, keyEnd, row, rowEnd }: ReturnType<RunFile["cursor"]>): void {
  if (keyEnd > key.length || rowEnd > row.length) throw new Error("a row leads outside its block");
}

function findOne(file: RunFile): void {
  const key = numberKey(1, 5);
  const hash = fastChecksum.crc32c(key, 0, key.length);
  const place = newRowPlace();
  if (file.find(key, key.length, hash, place) && place.end > place.block.length) {
    throw new Error("a row leads outside its block");
  }
}

function refusalOf(read: () => void): string {
  try {
    read();
    return "";
  } catch (error) {
    if (!isHoldfastError(error, "CORRUPT_RUN")) throw error;
    return error.message.replace(/.*: /, "").replace(/\d+/g, "0");
  }
}

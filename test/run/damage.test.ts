import { beforeAll, describe, expect, test } from "vitest";
import { BlockCache } from "../../src/run/block-cache.js";
import { RUN_AT, runFileName } from "../../src/run/format.js";
import { RunFile } from "../../src/run/run-file.js";
import type { RunProblem } from "../../src/run/run-problem.js";
import { verifyRunFile } from "../../src/run/verify.js";
import { onSimulated, readWhole, STORE_ID, writeFile } from "./fixtures.js";
import { memoryDisk } from "./memory-disk.js";

import {
  DIRECTORY,
  examine,
  expectFound,
  interrogate,
  makeSamples,
  PATH,
  type Sample,
  several,
  small,
  stored,
} from "./samples.js";

beforeAll(makeSamples);

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

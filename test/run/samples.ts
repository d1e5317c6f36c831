import { expect } from "vitest";
import { isHoldfastError } from "../../src/base/errors.js";
import type { Disk } from "../../src/disk/disk.js";
import type { ManifestFile } from "../../src/manifest/format.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { runFileName } from "../../src/run/format.js";
import { newRowPlace, RunFile } from "../../src/run/run-file.js";
import type { RunProblem } from "../../src/run/run-problem.js";
import { verifyRunFile } from "../../src/run/verify.js";
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

export const DIRECTORY = "/memory";
export const PATH = `${DIRECTORY}/${runFileName(7)}`;

export interface Sample {
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
export let small: Sample;
export let stored: Sample;
/** A block for each row, and nothing that LZ4 makes smaller. */
export let several: Sample;

/** Makes them; once per file of tests. */
export async function makeSamples(): Promise<void> {
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
}

/** Asks a file everything; throws for a wrong answer, counts what it refuses. */
export async function interrogate(disk: Disk, sample: Sample): Promise<number> {
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

export async function examine(disk: Disk, file: ManifestFile) {
  const problems: RunProblem[] = [];
  const report = (problem: RunProblem) => void problems.push(problem);
  const verdict = await verifyRunFile(disk, DIRECTORY, STORE_ID, file, report);
  expect(verdict.problems).toBe(problems.length);
  return { problems, verdict };
}

/** Problems are told, and rows outside the ranges they name were all read. */
export async function expectFound(disk: Disk, { file, items }: Sample, at: number): Promise<void> {
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

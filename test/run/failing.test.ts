/** Writing a file when the disk fails: a typed error, nothing left behind, nothing half believed. */
import { describe, expect, test } from "vitest";
import { isHoldfastError } from "../../src/base/errors.js";
import type { Disk } from "../../src/disk/disk.js";
import type { ManifestFile } from "../../src/manifest/format.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { RunFileWriter } from "../../src/run/file-writer.js";
import { newRowPlace, RunFile } from "../../src/run/run-file.js";
import { verifyRunFile } from "../../src/run/verify.js";
import type { Operation } from "../sim/faults.js";
import { faultsOf } from "../support/fault-matrix.js";
import { noise, numberKey, onSimulated, type Place, STORE_ID } from "./fixtures.js";

async function writeSome(disk: Disk, directory: string): Promise<ManifestFile> {
  const options = { disk, directory, storeId: STORE_ID, fileId: 7 };
  const writer = await RunFileWriter.create(options);
  try {
    for (let i = 0; i < 100; i++) {
      const key = numberKey(1, i);
      writer.add(key, 0, key.length, 1, noise(500, i + 1), 0, 500);
      if (writer.pendingBytes > 16_000) await writer.write();
    }
    const range = { firstSequence: 1, lastSequence: 2, createdMicros: 3 };
    return await writer.finish({ ...range, tables: [{ id: 1, name: "t", schemas: [] }] });
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

async function expectWhole(place: Place, file: ManifestFile): Promise<void> {
  const { disk, directory } = place;
  const problems: unknown[] = [];
  const report = (problem: unknown) => void problems.push(problem);
  await place.run(verifyRunFile(disk, directory, STORE_ID, file, report));
  expect(problems).toEqual([]);
}

describe("the n-th operation fails", () => {
  const operations: readonly Operation[] = ["open", "write", "sync", "close", "read"];
  for (const [error, code] of [
    ["EIO", "IO"],
    ["ENOSPC", "DISK_FULL"],
  ] as const) {
    test(`${error}: ${code}, and the file is gone`, async () => {
      for (const operation of operations) {
        let n = 0;
        let failed = true;
        while (failed) {
          n++;
          const place = await onSimulated(n);
          const { disk, directory, machine } = place;
          const fault = machine?.addFault({ operation, error, at: n });
          try {
            const file = await place.run(writeSome(disk, directory));
            machine?.removeFaults();
            await expectWhole(place, file);
          } catch (reason) {
            if (!isHoldfastError(reason)) throw reason;
            expect(reason.code).toBe(code);
            expect(reason.data.file).toBe(`${directory}/0000000000000007.run`);
            machine?.removeFaults();
            expect(await place.run(disk.list(directory))).toEqual([]);
          }
          failed = (fault?.fired ?? 0) > 0;
        }
        expect(n).toBeGreaterThan(1);
      }
    });
  }
});

const countFault = faultsOf("run-files");

test("a file that does not read back as it was written is not accepted", async () => {
  const whole = await onSimulated();
  const { bytes } = await whole.run(writeSome(whole.disk, whole.directory));
  const places = Array.from({ length: Math.ceil(bytes / 331) }, (_, i) => 331 * i);
  for (const at of [...places, bytes - 64, bytes - 30, bytes - 1]) {
    const { disk, directory, run } = await onSimulated();
    const writing = writeSome(rotting(disk, at), directory);
    await expect(run(writing)).rejects.toMatchObject({ code: "CORRUPT_RUN" });
    expect(await run(disk.list(directory))).toEqual([]);
    countFault("34 medium has not what the cache has", "reads past it", "read back, not published");
  }
});

/** What is read past the page cache is wrong at one place. */
function rotting(disk: Disk, at: number): Disk {
  const copy: Disk = Object.create(disk);
  copy.open = async (path, options) => {
    const file = await disk.open(path, options);
    if (options?.direct !== true) return file;
    const handle: typeof file = Object.create(file);
    handle.read = async (offset, length) => {
      const bytes = await file.read(offset, length);
      if (at >= offset && at < offset + bytes.length) bytes[at - offset]! ^= 4;
      return bytes;
    };
    handle.close = () => file.close();
    return handle;
  };
  return copy;
}

test("a power cut right after the writer is done leaves the whole file", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const place = await onSimulated(seed);
    const { disk, directory, machine } = place;
    const file = await place.run(writeSome(disk, directory));
    await place.run(disk.syncDirectory(directory));
    machine?.crash("power");
    const again = { ...place, disk: machine!.boot() };
    await expectWhole(again, file);
  }
});

test("the device refuses a place: IO, with the place, for what needs it only", async () => {
  const place = await onSimulated();
  const { disk, directory, machine } = place;
  const file = await place.run(writeSome(disk, directory));
  const cache = new BlockCache(1 << 20);
  const opened = await place.run(RunFile.open({ disk, directory, storeId: STORE_ID, file, cache }));
  const path = `${directory}/0000000000000007.run`;
  machine?.addFault({ operation: "copy", error: "EIO", times: Number.POSITIVE_INFINITY });
  const key = numberKey(1, 50);
  const hash = disk.checksum.crc32c(key, 0, key.length);
  const find = () => opened.find(key, key.length, hash, newRowPlace());
  expect(find).toThrow(expect.objectContaining({ code: "IO" }));
  try {
    find();
  } catch (error) {
    expect(error).toMatchObject({ data: { file: path, offset: expect.any(Number) } });
  }
  machine?.removeFaults();
  expect(find()).toBe(true);
  await opened.release();
});

test("with nothing to write nothing is written", async () => {
  const { disk, directory, run, machine } = await onSimulated();
  const options = { disk, directory, storeId: STORE_ID, fileId: 7 };
  const writer = await run(RunFileWriter.create(options));
  await run(writer.write());
  const fault = machine?.addFault({ operation: "write", error: "EIO" });
  expect(await run(writer.write())).toBe(0);
  expect(fault?.seen).toBe(0);
});

test("a mistake of the program while a file is abandoned is thrown", async () => {
  const { disk, directory, run, machine } = await onSimulated();
  const options = { disk, directory, storeId: STORE_ID, fileId: 7 };
  const writer = await run(RunFileWriter.create(options));
  machine?.addFault({ operation: "close", error: "MISTAKE" });
  await expect(run(writer.abandon())).rejects.toMatchObject({ code: "MISTAKE" });
});

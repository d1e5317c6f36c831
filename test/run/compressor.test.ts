/** A compressor that goes wrong is found out before anything depends on what it made. */
import { expect, test, vi } from "vitest";
import { portableCompressor } from "../../src/disk/compressor.js";
import type { Compressor } from "../../src/disk/disk.js";
import { RunFileWriter } from "../../src/run/file-writer.js";
import { fullKey, onSimulated, STORE_ID } from "./fixtures.js";

/** It flips a bit of what it was given. */
const WRONG: Compressor = {
  ...portableCompressor,
  compress(source, from, to, target, targetStart, room) {
    const other = Uint8Array.from(source.subarray(from, to));
    other[20]! ^= 1;
    return portableCompressor.compress(other, 0, other.length, target, targetStart, room);
  },
};

test("a block that decompresses to other rows", async () => {
  const { disk, directory, run } = await onSimulated();
  vi.spyOn(disk, "compressor", "get").mockReturnValue(WRONG);
  const options = { disk, directory, storeId: STORE_ID, fileId: 7 };
  const writer = await run(RunFileWriter.create(options));
  const key = fullKey(1, "a");
  writer.add(key, 0, key.length, 1, Buffer.alloc(1000, 7), 0, 1000);
  const tables = [{ id: 1, name: "t", schemas: [] }];
  const finishing = writer.finish({ firstSequence: 1, lastSequence: 2, createdMicros: 3, tables });
  await expect(run(finishing)).rejects.toMatchObject({
    code: "CORRUPT_RUN",
    data: { offset: 64 },
    message: expect.stringContaining("does not read back"),
  });
});

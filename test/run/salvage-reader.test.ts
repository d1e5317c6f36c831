/** What a file refuses is zeros, and told; a mistake of the program is neither. */
import { expect, test } from "vitest";
import type { DiskFile } from "../../src/disk/disk.js";
import { SalvageReader } from "../../src/run/salvage-reader.js";

const PAGE_BYTES = 4096;

/** A file of ones that refuses what `refuse` gives an error for. */
function fileOf(pages: number, refuse: (offset: number, end: number) => Error | undefined) {
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const end = Math.min(offset + length, pages * PAGE_BYTES);
    const error = refuse(offset, end);
    if (error !== undefined) throw error;
    return new Uint8Array(end - offset).fill(1);
  };
  return { read } as unknown as DiskFile;
}

test("one page that the device refuses is zeros, and told with its place", async () => {
  const eio = Object.assign(new Error("EIO: no"), { code: "EIO" });
  const file = fileOf(4, (offset, end) => (offset < 8192 && end > PAGE_BYTES ? eio : undefined));
  const told: unknown[] = [];
  const reader = new SalvageReader(file, (offset, code) => told.push([offset, code]));
  const bytes = await reader.read(0, 4 * PAGE_BYTES);
  expect(told).toEqual([[PAGE_BYTES, "EIO"]]);
  expect([0, 1, 2, 3].map((page) => bytes[page * PAGE_BYTES])).toEqual([1, 0, 1, 1]);
});

test("what is no error of the system is thrown", async () => {
  const mistake = new TypeError("a mistake");
  const told: unknown[] = [];
  const reader = new SalvageReader(
    fileOf(1, () => mistake),
    (offset) => told.push(offset),
  );
  await expect(reader.read(0, 100)).rejects.toBe(mistake);
  expect(told).toEqual([]);
});

/** Files of a store copied or read through, where there is less of them than was said. */
import { expect, test } from "vitest";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { Disk, DiskFile } from "../../src/disk/disk.js";
import { checksumFiles, copyFiles } from "../../src/snapshot/copy-files.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY } from "./log.js";
import { contextOn } from "./rows.js";

async function scene() {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  for (const path of [DIRECTORY, "/to"]) await machine.run(disk.createDirectory(path));
  return { machine, disk };
}

test("no files are no work, and no directory is made durable for them", async () => {
  const { machine, disk } = await scene();
  let synced = 0;
  const watched: Disk = Object.create(disk, {
    syncDirectory: { value: () => Promise.reject(new Error(`sync ${++synced}`)) },
  });
  const job = { kind: "copy", directory: DIRECTORY, to: "/to", files: [] } as const;
  const result = await machine.run(copyFiles(job, contextOn(watched)));
  expect(result.files).toEqual([]);
  expect(synced).toBe(0);
});

test("a file that gets shorter while it is read is as long as what was read of it", async () => {
  const { machine, disk } = await scene();
  const content = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
  const file = await machine.run(disk.open(`${DIRECTORY}/a`, { write: true, create: true }));
  await machine.run(file.write(0, content));
  await machine.run(file.close());
  const longer = async (path: string, options?: Parameters<Disk["open"]>[1]): Promise<DiskFile> => {
    const opened = await disk.open(path, options);
    return Object.create(opened, {
      size: { value: async () => 8192 },
      read: { value: (...args: Parameters<DiskFile["read"]>) => opened.read(...args) },
      close: { value: () => opened.close() },
    });
  };
  const watched: Disk = Object.create(disk, { open: { value: longer } });
  const job = { kind: "checksum", directory: DIRECTORY, files: ["a"] } as const;
  const { files } = await machine.run(checksumFiles(job, contextOn(watched)));
  const checksum = portableChecksum.crc32c(content, 0, content.length);
  expect(files).toEqual([{ name: "a", bytes: 5000, checksum }]);
});

/** An archive in which a frame is missing is refused, though every frame that is there is whole. */
import { expect, test } from "vitest";
import type { ManifestSegment } from "../../src/manifest/format.js";
import { archive } from "../../src/snapshot/archive.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, LogMaker, put, STORE_ID } from "./log.js";
import { contextOn } from "./rows.js";

async function archived() {
  const machine = new SimulatedMachine({ seed: 3 });
  const disk = machine.boot();
  await machine.run(disk.createDirectory(DIRECTORY));
  const log = new LogMaker(disk, 1024 * 1024);
  for (let i = 0; i < 6; i++) await machine.run(log.append([put(`${i}`, "x")]));
  await machine.run(log.rotate());
  const segment = log.segments[0] as ManifestSegment;
  const job = { kind: "archive", directory: DIRECTORY, storeId: STORE_ID, segment } as const;
  const { archive: entry } = await machine.run(archive(job, contextOn(disk)));
  const read = (changes: object, previousChecksum?: number): Promise<unknown> =>
    machine.run(
      readArchive({
        disk,
        directory: DIRECTORY,
        storeId: STORE_ID,
        archive: { ...entry, ...changes },
        visit: () => {},
        ...(previousChecksum === undefined ? {} : { previousChecksum }),
      }),
    );
  return { entry, read };
}

const GAP = { code: "CORRUPT_LOG", message: expect.stringContaining("does not continue") };

test("its first transaction has to be the one that the manifest names", async () => {
  const { entry, read } = await archived();
  expect(entry.firstSequence).toBe(1);
  await expect(read({})).resolves.toMatchObject({ records: 6 });
  await expect(read({ firstSequence: 2 })).rejects.toMatchObject(GAP);
});

test("its first frame has to continue the archive before it", async () => {
  const { read } = await archived();
  await expect(read({}, 0)).resolves.toMatchObject({ records: 6 });
  await expect(read({}, 1)).rejects.toMatchObject(GAP);
});

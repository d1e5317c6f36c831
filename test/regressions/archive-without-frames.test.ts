/**
 * The oldest archive was of a segment without frames, as crashed openings leave them. What the frame
 * before it was is known from nothing; it was taken to be none, so that the next archive did not seem
 * to go on from there: `verify` called it damaged, and no run was made anew from it.
 */
import { expect, test } from "vitest";
import type { ManifestArchive } from "../../src/manifest/format.js";
import { archive } from "../../src/snapshot/archive.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, LogMaker, put, STORE_ID } from "../snapshot/log.js";
import { contextOn } from "../snapshot/rows.js";

test("an archive without frames tells nothing of the link of the next one", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  await machine.run(disk.createDirectory(DIRECTORY));
  const log = new LogMaker(disk);
  await machine.run(log.append("declare"));
  await machine.run(log.rotate());
  await machine.run(log.rotate());
  await machine.run(log.append([put("a", "1")]));
  await machine.run(log.rotate());
  const made: ManifestArchive[] = [];
  for (const segment of log.segments.slice(1, 3)) {
    const job = { kind: "archive", directory: DIRECTORY, storeId: STORE_ID, segment } as const;
    made.push((await machine.run(archive(job, contextOn(disk)))).archive);
  }
  const read = (one: number, previousChecksum?: number) =>
    machine.run(
      readArchive({
        disk,
        directory: DIRECTORY,
        storeId: STORE_ID,
        archive: made[one] as ManifestArchive,
        previousChecksum,
        visit: () => {},
      }),
    );
  const empty = await read(0);
  expect(empty).toMatchObject({ frames: 0, frameChecksum: undefined });
  expect(await read(1, empty.frameChecksum)).toMatchObject({ frames: 1, records: 1 });
  // What is known goes through it.
  expect((await read(0, 77)).frameChecksum).toBe(77);
  await expect(read(1, 77)).rejects.toMatchObject({ code: "CORRUPT_LOG" });
});

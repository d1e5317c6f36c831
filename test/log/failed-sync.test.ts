/**
 * After a sync that failed the kernel may count pages as clean that never got there, and the next one
 * succeeds: so none is asked for twice, by anybody.
 */
import { expect, test } from "vitest";
import { createSegment, writeSegmentHeader } from "../../src/log/segments.js";
import { SlotFile } from "../../src/manifest/slot-file.js";
import { setAside } from "../../src/recovery/files.js";
import { item, numberKey, writeFile } from "../run/fixtures.js";
import { SimulatedMachine } from "../sim/disk.js";

const DIRECTORY = "/data/store";

const header = {
  storeId: new Uint8Array(16).fill(3),
  segmentId: 1,
  epoch: 1,
  alignment: 4096,
  segmentBytes: 65_536,
  createdMicros: 1,
  writerId: "tester",
};

type Disk = ReturnType<SimulatedMachine["boot"]>;

const USERS: Record<string, (disk: Disk) => Promise<unknown>> = {
  "a new segment": (disk) => createSegment(disk, DIRECTORY, header),
  "the header of a segment": (disk) => writeSegmentHeader(disk, DIRECTORY, header),
  "the room of a manifest": async (disk) => {
    const slot = await SlotFile.open(disk, `${DIRECTORY}/manifest.0`);
    await slot.write(new Uint8Array(4096).fill(1));
  },
  "a torn end that is set aside": (disk) =>
    setAside(disk, DIRECTORY, `${DIRECTORY}/old`, { from: 0, to: 4096 }, "old.torn"),
  "a file of a run": async (disk) => {
    const run = <T>(work: Promise<T>): Promise<T> => work;
    const place = { disk, directory: DIRECTORY, run, dispose: async () => {} };
    await writeFile(place, 7, [item(numberKey(1, 1), Buffer.from("row"))]);
  },
};

test.each(Object.entries(USERS))("%s: one failed sync is the last", async (_, use) => {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  await machine.run(disk.createDirectory(DIRECTORY));
  for (const name of ["old", "0000000000000001.log"]) {
    machine.tree.createFile(`${DIRECTORY}/${name}`).replace(new Uint8Array(65_536).fill(5));
  }
  const fault = machine.addFault({ operation: "sync", error: "EIO" });
  await expect(machine.run(use(disk))).rejects.toThrow(/EIO|failed/);
  expect({ syncs: fault.seen, failed: fault.fired }).toEqual({ syncs: 1, failed: 1 });
});

/** The log of a store as that of another: what forks and backups of whole stores do not come to. */
import { expect, test } from "vitest";
import { fromHex } from "../../src/base/bytes.js";
import { copyLog } from "../../src/snapshot/copy-log.js";
import { SimulatedMachine } from "../sim/disk.js";
import { ALIGNMENT, DIRECTORY, STORE_ID } from "./log.js";
import { contextOn } from "./rows.js";

test("where runs hold everything and no segment is left there is nothing to copy, and the link is kept", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  for (const directory of [DIRECTORY, "/to"]) await machine.run(disk.createDirectory(directory));
  const copied = await machine.run(
    copyLog(
      contextOn(disk),
      {
        directory: DIRECTORY,
        storeId: STORE_ID,
        segments: [],
        replayFrom: { segmentId: 7, offset: ALIGNMENT, sequence: 41, frameChecksum: 99 },
        through: 40,
        end: { segmentId: 0, bytes: Number.MAX_SAFE_INTEGER },
      },
      { directory: "/to", storeId: fromHex(STORE_ID) as Uint8Array },
    ),
  );
  expect(copied).toEqual({ segments: [], replayFrom: undefined, link: 99, lastMicros: 0 });
  expect(machine.files().filter((path) => path.startsWith("/to/"))).toEqual([]);
});

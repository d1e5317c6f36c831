/** A restore whose disk failed early rejected with the bare error of the system. */
import { expect, test } from "vitest";
import { isHoldfastError } from "../../src/index.js";
import type { Manifest } from "../../src/manifest/format.js";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import { restoreSnapshot } from "../../src/store/restore.js";
import { closedStore, DIRECTORY, openOn } from "../support/simulated-store.js";

test.each([
  ["EIO", "IO"],
  ["ENOSPC", "DISK_FULL"],
])("a directory that cannot be made: %s is %s", async (error, code) => {
  const machine = await closedStore(3);
  const store = await openOn(machine);
  await machine.run(store.snapshot("kept"));
  await machine.run(store.close());
  const disk = machine.boot();
  const { newest } = await machine.run(readManifestSlots(disk, DIRECTORY));
  const to = "/data/restored";
  const options = { disk, directory: DIRECTORY, to, name: "kept", writerId: "tester" };
  machine.addFault({ operation: "createDirectory", error });
  const restoring = restoreSnapshot({ ...options, manifest: newest as Manifest });
  const failure: unknown = await machine.run(restoring.catch((reason: unknown) => reason));
  expect(isHoldfastError(failure) && failure.code).toBe(code);
});

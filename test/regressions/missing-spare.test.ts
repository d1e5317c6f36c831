/**
 * After a clean close nothing behind the end of the log was looked at any more: that the next segment
 * was gone, or cut short, showed only when it was to be written, as a failure of the disk.
 */
import { expect, test } from "vitest";
import type { SimulatedMachine } from "../sim/disk.js";
import { closedStore, DIRECTORY, openOn, refusal } from "../support/simulated-store.js";

/** The segment with the greatest id: prepared, and never used. */
function lastSegment(machine: SimulatedMachine): string {
  const segments = machine.files().filter((path) => path.endsWith(".log"));
  return segments.sort().at(-1) as string;
}

test("a spare that is gone is missed, also in a store that was closed", async () => {
  const machine = await closedStore(20);
  const file = lastSegment(machine);
  expect(file.startsWith(DIRECTORY)).toBe(true);
  machine.tree.remove(file);
  expect(await refusal(openOn(machine))).toEqual({ code: "MISSING_FILE", file });
});

test("so is the end of one that was cut short", async () => {
  const machine = await closedStore(20);
  const file = lastSegment(machine);
  machine.mutate(file, (bytes) => bytes.subarray(0, 8192));
  expect(await refusal(openOn(machine))).toEqual({ code: "CORRUPT_LOG", file });
});

/**
 * Both slots of the manifest were put back to those of an earlier clean close, as a backup of these two
 * files alone does. What was written since stood in the segment that was a spare then, nothing was
 * looked for behind a closed log, and all of it was silently gone.
 */
import { expect, test } from "vitest";
import { SimulatedMachine } from "../sim/disk.js";
import { filesOf, fill, keysOf, openOn, refusal, SLOTS, upTo } from "../support/simulated-store.js";

const options = { finalSnapshotMillis: 0 };

/** A closed store of ten rows, all of them in the log, and its manifest. */
async function closedStore() {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await openOn(machine, options);
  await fill(machine, store, 0, 10);
  await machine.run(store.close());
  machine.crash("kill");
  return { machine, older: SLOTS.map((path) => machine.read(path)) };
}

function putBack(machine: SimulatedMachine, older: readonly Uint8Array[]): void {
  for (const [slot, path] of SLOTS.entries()) machine.mutate(path, () => older[slot]?.slice());
}

test.each(["closed", "killed"] as const)(
  "a later opening that wrote, and was %s, is told by its epoch",
  async (end) => {
    const { machine, older } = await closedStore();
    const store = await openOn(machine, options);
    await fill(machine, store, 10, 12);
    if (end === "closed") await machine.run(store.close());
    machine.crash("kill");
    // A copy: nothing that was in flight may land in it.
    const copy = machine.fork(1);
    putBack(copy, older);
    const before = filesOf(copy);
    const file = expect.stringMatching(/\.log$/);
    expect(await refusal(openOn(copy, options))).toEqual({ code: "CORRUPT_MANIFEST", file });
    const touched = Object.entries(filesOf(copy)).filter(([path, text]) => before[path] !== text);
    expect(touched.map(([path]) => path)).toEqual([]);
  },
);

test("one that wrote nothing has only prepared its segment, and nothing is missing", async () => {
  const { machine, older } = await closedStore();
  await openOn(machine, options);
  machine.crash("kill");
  putBack(machine, older);
  const store = await openOn(machine, options);
  expect(keysOf(store)).toEqual(upTo(10));
  await fill(machine, store, 10, 12);
  machine.crash("power");
  expect(keysOf(await openOn(machine, options))).toEqual(upTo(12));
});

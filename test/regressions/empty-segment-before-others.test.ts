/**
 * The first frame of an opening was larger than its segment, so that the log went on in the next one,
 * made to measure. After a crash the empty one counted as a spare and was written next: the log was no
 * longer in the order of the segments, and was taken for damaged from then on.
 */
import { expect, test } from "vitest";
import { SimulatedMachine } from "../sim/disk.js";
import { items, keysOf, openOn } from "../support/simulated-store.js";

const options = { frameBytesMax: 1024 * 1024, finalSnapshotMillis: 0 };

test.each(["power", "kill"] as const)(
  "an empty segment before a written one is not used again (%s)",
  async (kind) => {
    const machine = new SimulatedMachine({ seed: 3 });
    const put = (store: Awaited<ReturnType<typeof openOn>>, key: number, bytes: number) =>
      machine.run(store.table(items).put(key, { value: key, text: "x".repeat(bytes) }));
    let store = await openOn(machine, options);
    await put(store, 0, 10);
    machine.crash(kind);
    store = await openOn(machine, options);
    await put(store, 1, 200_000);
    machine.crash(kind);
    for (let key = 2; key < 6; key++) {
      store = await openOn(machine, options);
      await put(store, key, 10);
      machine.crash(kind);
    }
    store = await openOn(machine, options);
    expect(keysOf(store)).toEqual([0, 1, 2, 3, 4, 5]);
    await machine.run(store.close());
  },
);

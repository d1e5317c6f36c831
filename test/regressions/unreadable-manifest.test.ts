/**
 * A manifest slot that the system refused to read, for want of descriptors or permission, counted as
 * damaged. Where that was the newer one the older one was used, and the newer one written anew from
 * it. Where both were refused, the store was called damaged.
 */
import { expect, test } from "vitest";
import { closedStore, keysOf, openOn, refusal, SLOTS, upTo } from "../support/simulated-store.js";

test.each(["EMFILE", "EACCES"])("a manifest that gives %s refuses the opening", async (error) => {
  for (const slot of SLOTS) {
    const machine = await closedStore(20);
    const before = SLOTS.map((path) => machine.read(path).slice());
    // Both attempts to read it.
    machine.addFault({ operation: "open", path: slot, error, times: Number.POSITIVE_INFINITY });
    expect(await refusal(openOn(machine))).toMatchObject({ code: "IO" });
    expect(SLOTS.map((path) => machine.read(path))).toEqual(before);
  }
});

test("where the medium gives neither slot it is IO; where it gives one, that is used", async () => {
  const machine = await closedStore(20);
  const fault = { operation: "read", error: "EIO", times: Number.POSITIVE_INFINITY } as const;
  machine.addFault({ ...fault, path: SLOTS[0] });
  machine.addFault({ ...fault, path: SLOTS[1] });
  expect(await refusal(openOn(machine))).toMatchObject({ code: "IO", file: SLOTS[0] });
  const other = await closedStore(20);
  other.addFault({ operation: "read", path: SLOTS[0], error: "EIO", times: 2 });
  const store = await openOn(other);
  expect(keysOf(store)).toEqual(upTo(20));
  await other.run(store.close());
});

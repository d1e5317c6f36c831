/**
 * A device that reports writes as durable and loses or misplaces them. That is outside of what the
 * store can promise; but a sealed log shows it, and it must never come back as a wrong state.
 */
import { HoldfastError, type Store } from "../../src/index.js";
import type { EngineRun } from "./engine.js";
import { readState } from "./reading.js";
import { orders, TABLE_NAMES } from "./tables.js";

const CODES = ["CORRUPT_LOG", "CORRUPT_MANIFEST"];

/** Writes on a copy of what a run has left, one write of which goes astray. */
export async function lie(run: EngineRun): Promise<void> {
  const { random } = run;
  const machine = run.machine.fork(random.below(1e9));
  const disk = machine.boot();
  const store = await machine.run(run.openOn(disk));
  const write = random.chance(0.5) ? "lost" : "misdirected";
  const fault = machine.addFault({ operation: "queueWrite", write, at: 1 + random.below(12) });
  const work = async (): Promise<void> => {
    for (let i = 0; i < 30; i++) {
      const stamp = ++run.stamps;
      await store.table(orders).put(random.below(40), { stamp, text: "", note: null });
    }
    await store.close();
  };
  await machine.run(Promise.resolve().then(work));
  run.check(fault.fired === 1, "the write did not go astray");
  run.count(`device: ${write} write`);
  const expected = readExpected(store, run);
  machine.removeFaults();
  machine.crash("power");
  let opened: Store;
  try {
    opened = await machine.run(run.openOn(machine.boot()));
  } catch (error) {
    const known = error instanceof HoldfastError && CODES.includes(error.code);
    run.check(known, `a ${write} write: ${String(error)}`);
    run.count(`${write} write refused`);
    return;
  }
  // A seal that went astray is missed by nobody, and a write may go astray to its own place.
  run.check(opened.recovery.lastSequence === expected, `a ${write} write lost transactions`);
  const found = readState(opened, run.definitions, TABLE_NAMES);
  run.check(found.orders.size > 0, "the rows are gone");
  run.count(`${write} write without harm`);
}

function readExpected(store: Store, run: EngineRun): number {
  run.check(store.lastSequence === store.durableSequence, "closing makes everything durable");
  return store.lastSequence;
}

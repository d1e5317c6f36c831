/** One scenario, with one operation of the machine that fails: what came of it, and of the store. */
import { HoldfastError, type OpenOptions } from "../../src/index.js";
import { type FaultOptions, OPERATIONS, type SimulatedMachine } from "../sim/disk.js";
import type { State } from "../sim/model.js";
import { DEFINITIONS } from "../sim/tables.js";
import { judge, missingSnapshot, openStore, SMALL, stateOf } from "../support/program.js";
import { type Beginning, copyOf } from "./beginnings.js";
import type { Scenario } from "./scenario.js";

/** - "waited": for room, or for a background that cannot go on; for ever, as it seems. */
export type Outcome = "survived" | "refused" | "waited";

export interface Attempt {
  readonly outcome: Outcome;
  readonly code: string | undefined;
  /** Operations of the machine, and how many of them were writes. */
  readonly operations: number;
  readonly writes: number;
}

export interface Failing {
  readonly effect: { readonly error: "EIO" | "ENOSPC" } | { readonly write: "short" };
  /** At the n-th operation, or for a short write the n-th write; from then on if for ever. */
  readonly at: number;
  readonly forEver: boolean;
}

/** Simulated time after which nothing is waited for any more: longer than all that is bounded. */
const PATIENCE_MILLIS = 30_000;

const NOTHING = Promise.resolve();

const WRITES = ["write", "queueWrite"] as const;

/** Rejects if anything is silent, lost, or not as documented. */
export async function attempt(
  scenario: Scenario,
  from: Beginning,
  failing: Failing | undefined,
): Promise<Attempt> {
  const options: OpenOptions = { ...SMALL, ...scenario.options };
  const { machine, program } = copyOf(from, options);
  const writes = machine.addFault({ operation: WRITES, write: "short", at: Infinity });
  const fault = failing === undefined ? undefined : machine.addFault(faultOf(failing));
  let outcome: Outcome = "survived";
  let code: string | undefined;
  try {
    const work = Promise.resolve().then(() => scenario.run(program));
    const { scheduler } = machine.boot();
    const patience = new Promise<"waited">((resolve) => {
      scheduler.after(PATIENCE_MILLIS, () => resolve("waited"), true);
    });
    const first = await machine.run(Promise.race([work, patience]));
    if (first === "waited") outcome = "waited";
    work.catch(() => {});
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    outcome = "refused";
    code = error.code;
  }
  program.noteFlush();
  const { operations } = machine;
  if (fault !== undefined && fault.fired === 0) throw new Error("the fault did not fire");
  machine.removeFaults();
  machine.crash((failing?.at ?? 0) % 2 === 0 ? "power" : "kill");
  // A store that was being created may have got as far as its tables.
  if (program.model.committed === 0) program.model.mayHaveDeclared = true;
  const store = await machine.run(openStore(machine.boot(), options));
  const { lastSequence } = store.recovery;
  const declared = store.lastSequence > lastSequence;
  const read = (): State => stateOf(store);
  const state = scenario.damaged ? await machine.run(whenRepaired(machine, read)) : read();
  const wrong =
    judge(program.model, lastSequence, state, declared) ??
    missingSnapshot(program.snapshots, store.snapshots());
  if (wrong !== undefined) throw new Error(`opened again: ${wrong}`);
  if (outcome === "survived") await machine.run(scenario.made?.(machine, store) ?? NOTHING);
  await machine.run(
    store.table(DEFINITIONS.plain.orders).put(1 as never, { stamp: 1, text: "", note: null }),
  );
  machine.crash("kill");
  return { outcome, code, operations, writes: writes.seen };
}

/** What was damaged at the beginning is made anew, sooner or later. */
async function whenRepaired(machine: SimulatedMachine, read: () => State): Promise<State> {
  const { scheduler } = machine.boot();
  for (let left = 2000; ; left--) {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code !== "CORRUPT_RUN" || left === 0) {
        throw error;
      }
    }
    await new Promise<void>((resolve) => void scheduler.after(5, resolve, true));
  }
}

function faultOf({ effect, at, forEver }: Failing): FaultOptions {
  const times = forEver ? Number.POSITIVE_INFINITY : 1;
  const operation = "write" in effect ? WRITES : OPERATIONS;
  return { ...effect, operation, at, times };
}

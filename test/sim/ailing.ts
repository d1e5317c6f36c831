/**
 * A device that ails: on a copy of what a run has left one operation after the other is refused, of
 * each kind that a run of its own meets too seldom. What was acknowledged stays, and what was not
 * harmed goes on.
 */
import { HoldfastError, type Store } from "../../src/index.js";
import { judge, openStore, Program, SMALL, stateOf } from "../support/program.js";
import type { EngineRun } from "./engine.js";
import type { FaultOptions } from "./faults.js";
import { newestManifest } from "./frames.js";
import type { SimulatedMachine } from "./machine.js";
import { compareStates, Model } from "./model.js";
import { DIRECTORY } from "./tables.js";

/** Every read goes to the runs. */
const OPTIONS = { bounds: { ...SMALL.bounds, rowBytes: 0, blockBytes: 0 } };

/** After so long at the latest the background tries again. */
const RETRY_MILLIS = 3000;

/** What a flush may be refused for, and what is told then. */
const FLUSHES: readonly (readonly [string, FaultOptions, string])[] = [
  ["EMFILE", { operation: "open", path: ".run", error: "EMFILE" }, "IO"],
  ["ENOSPC on a run", { operation: "write", path: ".run", error: "ENOSPC" }, "DISK_FULL"],
  ["EIO on sync", { operation: "sync", path: ".run", error: "EIO" }, "IO"],
];

/** What no log survives: each ends its store, and nothing is tried again. */
const LOGS: readonly (readonly [string, FaultOptions])[] = [
  ["EIO on the log", { operation: "queueWrite", error: "EIO" }],
  ["ENOSPC on the log", { operation: "queueWrite", error: "ENOSPC" }],
  [
    "EROFS",
    {
      operation: ["queueWrite", "write", "sync", "zeroFill", "truncate", "rename", "remove"],
      error: "EROFS",
      times: Number.POSITIVE_INFINITY,
    },
  ],
];

export async function ail(run: EngineRun): Promise<void> {
  const machine = run.machine.fork(run.seed);
  const model = Model.startingAt(run.model.committed, run.model.memory);
  const program = new Program(machine, OPTIONS, model, run.stamps + 1_000_000);
  const { snapshots } = await newestManifest(machine, machine.boot(), DIRECTORY);
  program.snapshots = new Map(
    snapshots.map(({ name, sequence }) => [name, { stage: "there", sequence }]),
  );
  const all = async (): Promise<void> => {
    await program.open();
    await program.put("orders", 1);
    await program.flush();
    await reads(run, program);
    for (const flush of FLUSHES) await flushes(run, program, flush);
    await poisons(run, program, LOGS[(run.seed >>> 1) % LOGS.length]!);
  };
  await machine.run(Promise.resolve().then(all));
  machine.removeFaults();
  machine.crash(run.random.chance(0.5) ? "power" : "kill");
  await opens(run, program);
}

/** One place in the stead of another is read again, and nobody is told; what is refused is. */
async function reads(run: EngineRun, program: Program): Promise<void> {
  const { machine, store, model } = program;
  const wrong = (): string | undefined => compareStates(model.memory, stateOf(store));
  const misdirected = machine.addFault({ operation: "copy", path: ".run", read: "misdirected" });
  const first = wrong();
  run.check(first === undefined, `a misdirected read: ${first}`);
  count(run, "misdirected read", misdirected.fired);
  machine.removeFaults();
  const refused = machine.addFault({ operation: "copy", path: ".run", error: "EIO", times: 2 });
  try {
    stateOf(store);
  } catch (error) {
    expectCode(run, "a read", error, ["IO"]);
  }
  count(run, "EIO on a read", refused.fired);
  machine.removeFaults();
  const again = wrong();
  run.check(again === undefined, `after a read that was refused: ${again}`);
}

async function flushes(
  run: EngineRun,
  program: Program,
  [name, options, code]: (typeof FLUSHES)[number],
): Promise<void> {
  const { machine } = program;
  await program.put("orders", 2);
  const fault = machine.addFault(options);
  const refused = await program.flush().then(
    () => false,
    (error: unknown) => {
      expectCode(run, name, error, [code]);
      return true;
    },
  );
  // It may have met a merge instead.
  run.check(!refused || fault.fired > 0, `${name}: a flush was refused without reason`);
  count(run, name, fault.fired);
  machine.removeFaults();
  await program.put("orders", 3);
  await program.sleep(RETRY_MILLIS);
  await program.flush();
}

async function poisons(
  run: EngineRun,
  program: Program,
  [name, options]: (typeof LOGS)[number],
): Promise<void> {
  const { machine, store } = program;
  const fault = machine.addFault(options);
  for (const codes of [["OUTCOME_UNKNOWN"], ["POISONED"]]) {
    const error = await program.put("orders", 4).catch((reason: unknown) => reason);
    expectCode(run, name, error, codes);
  }
  stateOf(store);
  await store.close().catch((error: unknown) => expectCode(run, `${name}, close`, error, CLOSE));
  count(run, name, fault.fired);
}

const CLOSE = ["OUTCOME_UNKNOWN", "POISONED", "IO", "DISK_FULL"];

/** The device refuses the log at first: nothing is touched. Then it does not, and all is there. */
async function opens(run: EngineRun, { machine, model, options }: Program): Promise<void> {
  const path = ".log";
  const times = Number.POSITIVE_INFINITY;
  const fault = machine.addFault({ operation: "read", path, error: "EIO", times });
  const open = (): Promise<Store> => machine.run(openStore(machine.boot(), options));
  const before = lengths(machine);
  const refused = await open().then(
    () => false,
    (error: unknown) => {
      expectCode(run, "EIO while opening", error, ["IO", "CORRUPT_LOG"]);
      return true;
    },
  );
  count(run, "EIO while opening", fault.fired);
  machine.removeFaults();
  if (refused) run.check(lengths(machine) === before, "an opening was refused and cut off a file");
  machine.crash("kill");
  const store = await open();
  const { lastSequence } = store.recovery;
  const wrong = judge(model, lastSequence, stateOf(store), store.lastSequence > lastSequence);
  run.check(wrong === undefined, `after a device that ailed: ${wrong}`);
}

function lengths(machine: SimulatedMachine): string {
  const files = machine.files().filter((path) => !path.endsWith("LOCK"));
  return files.map((path) => `${path} ${machine.read(path).length}`).join();
}

function expectCode(run: EngineRun, what: string, error: unknown, codes: readonly string[]): void {
  const isKnown = error instanceof HoldfastError && codes.includes(error.code);
  run.check(isKnown, `${what}: ${codes.join(" or ")} was expected, and not ${String(error)}`);
}

function count(run: EngineRun, name: string, fired: number): void {
  if (fired > 0) run.count(`ailing: ${name}`);
}

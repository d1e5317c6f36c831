/**
 * A fork that is cut short, at every operation and in both ways, leaves no store in its place or a
 * whole one, and its parent as it was; the same fork made again is whole.
 */
import { expect, test } from "vitest";
import { open } from "../../src/index.js";
import { forkStore, pointOf } from "../../src/store/fork.js";
import type { CrashKind, SimulatedMachine } from "../sim/disk.js";
import { compareStates, type State } from "../sim/model.js";
import { DEFINITIONS, DIRECTORY, TABLE_NAMES } from "../sim/tables.js";
import { SMALL, stateOf } from "../support/program.js";
import { type BeginningName, beginning, copyOf } from "../sweep/beginnings.js";

const FORKED = "/data/forked";
const tables = TABLE_NAMES.map((name) => DEFINITIONS.plain[name]);

function fork(machine: SimulatedMachine) {
  const disk = machine.boot();
  const place = { disk, directory: DIRECTORY, to: FORKED, writerId: "fork" };
  return forkStore(place, () => pointOf(disk, DIRECTORY, undefined));
}

async function stateIn(machine: SimulatedMachine, directory: string): Promise<State> {
  const store = await machine.run(open(directory, { ...SMALL, disk: machine.boot(), tables }));
  const state = stateOf(store);
  await machine.run(store.close());
  return state;
}

/** Content of all files of the parent, the lock apart. */
function parentOf(machine: SimulatedMachine): string[] {
  return machine.files().filter((path) => path.startsWith(DIRECTORY) && !path.endsWith("LOCK"));
}

const cases: [BeginningName, CrashKind][] = [
  ["several runs", "power"],
  ["several runs", "kill"],
  ["archives", "power"],
  ["killed", "kill"],
];

test.each(cases)("%s, cut short by %s, at every operation", async (name, kind) => {
  const options = { history: "all" } as const;
  const from = await beginning(name, options);
  const whole = copyOf(from, { ...SMALL, ...options }).machine;
  const before = whole.operations;
  await whole.run(fork(whole));
  const operations = whole.operations - before;
  const expected = await stateIn(whole, FORKED);
  expect(compareStates(await stateIn(whole, DIRECTORY), expected)).toBeUndefined();
  expect(operations).toBeGreaterThan(20);
  for (let at = 1; at <= operations; at++) {
    const { machine } = copyOf(from, { ...SMALL, ...options });
    const names = parentOf(machine);
    machine.crashAfter(at, kind);
    await machine.run(fork(machine)).catch(() => {});
    machine.crashAfter(Number.POSITIVE_INFINITY);
    expect(parentOf(machine), `operation ${at}`).toEqual(names);
    // With both manifests it is a whole store, by the rule of recovery, and is not made again.
    await machine.run(fork(machine)).catch((error: unknown) => {
      expect(error).toMatchObject({ message: expect.stringContaining("is not empty") });
    });
    const found = await stateIn(machine, FORKED);
    expect(compareStates(expected, found), `operation ${at}`).toBeUndefined();
    const parent = await stateIn(machine, DIRECTORY);
    expect(compareStates(expected, parent), `the parent, operation ${at}`).toBeUndefined();
  }
});

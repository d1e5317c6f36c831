/** What the stores of `run-stores.ts` hold after each transaction, and what a salvage must give. */
import { expect } from "vitest";
import type { SalvageReport } from "../../src/cli/salvage-report.js";
import { salvageStore } from "../../src/cli/salvage-store.js";
import { verifyStore } from "../../src/cli/verify-store.js";
import { copyOf, makeDirectory } from "./frames.js";
import { names, openRuns, orders, read, type State, steps } from "./run-stores.js";
import { hashOf } from "./stores.js";

/** A closed store, and what it held after each transaction: `states[n]`. */
export interface History {
  readonly directory: string;
  readonly states: readonly State[];
}

/** The rows of one step, as `steps` of run-stores.ts makes them. */
function apply(state: Map<string, string>, i: number): void {
  const before = i % 3 === 1 ? state.get(`${orders.name} ${i % 90}`) : undefined;
  const put = `order ${i} ${"x".repeat(400 + (i % 7) * 300)}`;
  const text = before === undefined ? put : JSON.parse(before).text;
  state.set(`${orders.name} ${i % 90}`, JSON.stringify({ price: i, text }));
  if (i % 4 === 0)
    state.set(`${names.name} name-${i % 50}`, JSON.stringify({ full: `name of ${i}` }));
  if (i % 5 === 0) state.delete(`${orders.name} ${(i * 7) % 90}`);
  if (i % 9 === 0) state.delete(`${names.name} name-${(i * 3) % 50}`);
}

/** What declares the tables comes first, then one transaction a step. */
export async function makeHistory(options: Parameters<typeof openRuns>[1] = {}): Promise<History> {
  const directory = await makeDirectory();
  const store = await openRuns(directory, options);
  const states: State[] = [];
  const state = new Map<string, string>();
  while (states.length <= store.lastSequence) states.push({});
  for (let i = 0; i < STEPS; i++) {
    await steps(store, i, i + 1);
    apply(state, i);
    while (states.length < store.lastSequence) states.push(states.at(-1) as State);
    states.push(Object.fromEntries(state));
    if (i % 45 === 44 && i < STEPS - 20) await store.flush();
  }
  await store.close();
  expect(await read(await copyOf(directory))).toEqual(states.at(-1));
  return { directory, states };
}

export const STEPS = 260;

/** Salvages, and holds against the history whatever came of it. */
export async function salvaged(
  history: History,
  directory: string,
  options: { readonly environment?: string; readonly allowOlder?: boolean } = {},
): Promise<{ readonly to: string; readonly report: SalvageReport; readonly state: State }> {
  const to = `${await makeDirectory()}/saved`;
  const before = hashOf(directory);
  const report = await salvageStore({ directory, to, writerId: "tester", ...options });
  expect(hashOf(directory), "the damaged store was not touched").toBe(before);
  const { verdict, findings } = await verifyStore(to);
  expect({ verdict, findings }).toEqual({ verdict: "sound", findings: [] });
  const state = await read(to, report.environment);
  expect(Object.keys(state).length).toBe(report.rows);
  if (options.allowOlder !== true) expectProven(history, report, state);
  return { to, report, state };
}

/** Each row is that of the state at that sequence, and each that is missing was told to be. */
export function expectProven({ states }: History, report: SalvageReport, state: State): void {
  const expected = states[report.sequence] as State;
  for (const [key, row] of Object.entries(state)) {
    expect(row, `${key} at ${report.sequence}: an older row, or one that was deleted`).toBe(
      expected[key],
    );
  }
  const missing = Object.keys(expected).filter((key) => state[key] === undefined);
  for (const key of missing) {
    const told = report.lost.some((loss) => loss.kind.startsWith("row") && isWithin(key, loss));
    expect(told, `${key} is missing, and nothing says so`).toBe(true);
  }
  const last = states.length - 1;
  if (report.sequence < last) {
    const told = report.lost.find(({ kind }) => kind === "transactions");
    // Without a manifest nobody knows of segments at the end that are gone as a whole.
    if (told === undefined && report.lost.some(({ kind }) => kind === "manifest")) return;
    expect(told?.sequences?.first, "transactions are missing, and nothing says so").toBe(
      report.sequence + 1,
    );
  }
  expect(report.complete).toBe(report.lost.length === 0);
}

const TABLE_ORDER = [orders.name, names.name];

function isWithin(key: string, { from, to }: SalvageReport["lost"][number]): boolean {
  if (from === null || to === null) return true;
  const [table, id] = [key.slice(0, key.indexOf(" ")), key.slice(key.indexOf(" ") + 1)];
  const place = (one: string, value: unknown) =>
    `${TABLE_ORDER.indexOf(one)} ${one === orders.name ? String(value).padStart(9, "0") : value}`;
  const at = place(table, id);
  return at >= place(from.table, from.key) && at <= place(to.table, to.key);
}

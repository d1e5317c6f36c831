/** A small store on a simulated machine, for tests of what is on its disk. */
import {
  defineTable,
  integer,
  type OpenOptions,
  open,
  type Store,
  string,
} from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";

export const DIRECTORY = "/data/store";
export const SLOTS = [`${DIRECTORY}/manifest.0`, `${DIRECTORY}/manifest.1`] as const;

export const items = defineTable({
  name: "items",
  version: 1,
  key: integer(),
  fields: { value: integer(), text: string() },
});

/** Opens on a new program of that machine. */
export function openOn(machine: SimulatedMachine, options: OpenOptions = {}): Promise<Store> {
  return machine.run(
    open(DIRECTORY, {
      disk: machine.boot(),
      tables: [items],
      environment: "test",
      writerId: "tester",
      segmentBytes: 64 * 1024,
      frameBytesMax: 8192,
      framesInFlight: 4,
      onWarning: () => {},
      ...options,
    }),
  );
}

/** Puts rows `from` to `to` - 1, one after the other, each durable. */
export function fill(
  machine: SimulatedMachine,
  store: Store,
  from: number,
  to: number,
  bytes = 100,
): Promise<void> {
  const work = async (): Promise<void> => {
    for (let key = from; key < to; key++) {
      await store.table(items).put(key, { value: key, text: "x".repeat(bytes) });
    }
  };
  return machine.run(Promise.resolve().then(work));
}

/** Lets timers and what goes on in the background come to an end. */
export function idle(machine: SimulatedMachine, millis = 200): Promise<void> {
  const { scheduler } = machine.boot();
  return machine.run(new Promise((resolve) => void scheduler.after(millis, resolve, true)));
}

/** The keys that are there; throws where a row is not the one that `fill` made. */
export function keysOf(store: Store): number[] {
  return [...store.table(items).entries()].map(([key, { value }]) => {
    if (value !== key) throw new Error(`row ${key} has value ${value}`);
    return key;
  });
}

export function upTo(end: number): number[] {
  return Array.from({ length: end }, (_, key) => key);
}

/** A machine with a closed store of that many rows. */
export async function closedStore(
  rows: number,
  seed = 1,
  bytes?: number,
): Promise<SimulatedMachine> {
  const machine = new SimulatedMachine({ seed });
  const store = await openOn(machine);
  await fill(machine, store, 0, rows, bytes);
  await machine.run(store.close());
  machine.crash("kill");
  return machine;
}

/** All files but the LOCK, which every contender writes to. */
export function filesOf(machine: SimulatedMachine): Record<string, string> {
  const paths = machine.files().filter((path) => !path.endsWith("/LOCK"));
  return Object.fromEntries(
    paths.map((path) => [path, Buffer.from(machine.read(path)).toString("base64")]),
  );
}

export async function refusal(opening: Promise<Store>): Promise<{ code: string; file?: string }> {
  try {
    await opening;
  } catch (error) {
    const { code, data } = error as { code: string; data?: { file?: string } };
    return data?.file === undefined ? { code } : { code, file: data.file };
  }
  return { code: "it opened" };
}

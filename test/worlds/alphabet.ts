/** The operations that small worlds are made of. */
import type { Program } from "../support/program.js";

/** The n-th operation of a workload; resolves when the store has acknowledged it. */
export type Letter = (program: Program, n: number) => Promise<void>;

/** So many rows of this length fill a segment of 64 KiB, in frames of 24 KiB. */
const LARGE_ROWS = 3;
const LARGE_ROW_BYTES = 20_000;

export const ALPHABET: Readonly<Record<string, Letter>> = {
  put: (program, n) => program.put("orders", n),
  "puts that are not waited for": async (program, n) => {
    await program.put("notes", n);
    await program.put("quotes", n);
  },
  "transaction over two tables": (program, n) => program.transact(n),
  "three frames in flight": async (program, n) => {
    const puts: Promise<void>[] = [];
    for (const key of [n, n + 1, n + 2]) {
      puts.push(program.put("orders", key));
      // The turn ends, and with it the frame.
      await program.sleep(0);
    }
    await Promise.all(puts);
  },
  rotate: async (program, n) => {
    for (let row = 0; row < LARGE_ROWS; row++) await program.put("orders", n, LARGE_ROW_BYTES);
  },
  flush: (program) => program.flush(),
  snapshot: (program, n) => program.snapshot(`s${n}`),
  "drop a snapshot": async (program) => {
    const [name] = program.snapshots.keys();
    if (name !== undefined) await program.drop(name);
  },
  "close and open": async (program) => {
    await program.close();
    await program.open();
  },
  "kill and open": async (program) => {
    program.kill();
    await program.open();
  },
};

/** Every sequence of one to `length` letters. */
export function* workloads(length: number): Generator<readonly string[]> {
  for (const letter of Object.keys(ALPHABET)) {
    yield [letter];
    if (length === 1) continue;
    for (const rest of workloads(length - 1)) yield [letter, ...rest];
  }
}

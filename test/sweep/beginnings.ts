/** What a store is like when a scenario begins. Each is made once; every run has a copy. */
import type { OpenOptions } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { Model } from "../sim/model.js";
import { DIRECTORY } from "../sim/tables.js";
import { Program } from "../support/program.js";

export interface Beginning {
  readonly machine: SimulatedMachine;
  readonly program: Program;
}

/** Names of all of them. */
export type BeginningName = keyof typeof BEGINNINGS;

type Make = (program: Program) => Promise<void>;

/** One run, one snapshot, and something behind them. */
const make: Make = async (program) => {
  await program.open();
  for (let n = 0; n < 3; n++) await program.transact(n);
  await program.put("quotes", 1);
  await program.flush();
  await program.snapshot("base");
  await program.put("orders", 9);
  await program.put("notes", 9);
  await program.durable();
};

const closed: Make = async (program) => {
  await make(program);
  await program.close();
};

const fewRuns: Make = async (program) => {
  await make(program);
  for (let n = 0; n < 2; n++) {
    for (let row = 0; row < 6; row++) await program.put("orders", 6 * n + row, 900);
    await program.flush();
  }
  await program.rest();
  await program.close();
};

const BEGINNINGS = {
  nothing: async () => {},
  closed,
  killed: make,
  torn: make,
  "slot damaged": closed,
  "several runs": fewRuns,
} satisfies Record<string, Make>;

export async function beginning(name: BeginningName, options: OpenOptions): Promise<Beginning> {
  const machine = new SimulatedMachine({ seed: 1, latencyMicros: 20 });
  const program = new Program(machine, options);
  await machine.run(Promise.resolve().then(() => BEGINNINGS[name](program)));
  machine.crash("kill");
  if (name === "torn") tear(machine);
  if (name === "slot damaged") machine.flipBit(`${DIRECTORY}/manifest.0`, 40);
  return { machine, program };
}

/** A copy to run on, with a program that knows what must be there. */
export function copyOf({ machine, program }: Beginning, options: OpenOptions): Beginning {
  const copy = machine.fork(1);
  const { model } = program;
  const known =
    model.committed === 0 ? new Model() : Model.startingAt(model.committed, model.memory);
  const next = new Program(copy, options, known, program.stamps);
  next.snapshots = program.snapshots;
  return { machine: copy, program: next };
}

/** Half of a frame that nobody was told of. */
function tear(machine: SimulatedMachine): void {
  const logs = machine.files().filter((path) => path.endsWith(".log"));
  for (const path of logs) {
    const bytes = machine.read(path);
    const end = Math.ceil((bytes.findLastIndex((byte) => byte !== 0) + 1) / 4096) * 4096;
    if (end <= 4096) continue;
    machine.mutate(path, () => {
      bytes.set(bytes.subarray(end - 4096, end - 3996), end);
      return bytes;
    });
  }
}

/** What a store is like when a scenario begins. Each is made once; every run has a copy. */
import type { OpenOptions } from "../../src/index.js";
import { segmentFileName } from "../../src/log/format.js";
import { archiveFileName } from "../../src/manifest/archive-name.js";
import { runFileName } from "../../src/run/format.js";
import { SimulatedMachine } from "../sim/disk.js";
import { Model } from "../sim/model.js";
import { DIRECTORY } from "../sim/tables.js";
import { openStore, Program } from "../support/program.js";

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

/** Runs, two archives and a segment behind them. */
const archives: Make = async (program) => {
  await program.open();
  for (let n = 0; n < 2; n++) {
    for (let row = 0; row < 4; row++) await program.put("orders", 4 * n + row, 20_000);
    await program.flush();
    await program.rest();
  }
  await program.put("notes", 1);
  await program.durable();
};

const damagedRun: Make = async (program) => {
  await archives(program);
  await program.close();
};

const BEGINNINGS = {
  nothing: async () => {},
  closed,
  killed: make,
  torn: make,
  "slot damaged": closed,
  "several runs": fewRuns,
  strays: make,
  "other blocks": closed,
  "cut short": make,
  archives,
  "damaged run": damagedRun,
} satisfies Record<string, Make>;

export async function beginning(name: BeginningName, options: OpenOptions): Promise<Beginning> {
  const place = name === "other blocks" ? { physicalBlockBytes: 512 } : {};
  const machine = new SimulatedMachine({ seed: 1, latencyMicros: 20, place });
  const program = new Program(machine, options);
  await machine.run(Promise.resolve().then(() => BEGINNINGS[name](program)));
  machine.crash("kill");
  if (name === "torn" || name === "cut short") tear(machine);
  if (name === "slot damaged") machine.flipBit(`${DIRECTORY}/manifest.0`, 40);
  if (name === "strays") addStrays(machine);
  if (name === "damaged run") damageRun(machine);
  if (name === "cut short") await cutShort(machine, options);
  if (name === "other blocks") return { machine: machine.fork(1, {}), program };
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

/** What was never published, or is of no more use. */
function addStrays(machine: SimulatedMachine): void {
  for (const name of [runFileName(900), archiveFileName(901), segmentFileName(902)]) {
    machine.tree.createFile(`${DIRECTORY}/${name}`).replace(new Uint8Array(65_536));
  }
  machine.tree.commitAll();
}

/** The first block of rows of a file that has all of its transactions in archives. */
function damageRun(machine: SimulatedMachine): void {
  const run = machine.files().find((path) => path.endsWith(".run"));
  machine.flipBit(run as string, 150);
}

/** An opening that had a torn log to cut off, and has got halfway. */
async function cutShort(machine: SimulatedMachine, options: OpenOptions): Promise<void> {
  machine.crashAfter(50, "power");
  await machine.run(openStore(machine.boot(), options)).then(
    () => {
      throw new Error("the opening was not cut short");
    },
    () => {},
  );
}

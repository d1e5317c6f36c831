/** Tools that read a whole store, and what they make of it. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoCode, HoldfastError } from "../../src/base/errors.js";
import { salvageStore } from "../../src/cli/salvage-store.js";
import { verifyFile } from "../../src/cli/verify-file.js";
import { type Verification, verifyStore } from "../../src/cli/verify-store.js";
import { open, type Store } from "../../src/index.js";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import { forkStore, pointOf } from "../../src/store/fork.js";
import { restoreSnapshot } from "../../src/store/restore.js";
import type { SimulatedMachine } from "../sim/disk.js";
import { compareStates, type State } from "../sim/model.js";
import { readState } from "../sim/reading.js";
import { DEFINITIONS, DIRECTORY, TABLE_NAMES } from "../sim/tables.js";
import { openStore, type Program, SMALL, stateOf } from "../support/program.js";
import { ALL, flush, opened, rest, type Scenario, type Steps, scenario } from "./scenario.js";

const RESTORED = "/data/restored";
const FORKED = "/data/forked";
/** The lists beside the new store go to real files, so this is a directory on both machines. */
export const SALVAGED = mkdtempSync(join(tmpdir(), "holdfast-sweep-"));

const restore: Steps = async (program) => {
  const disk = program.machine.boot();
  const { newest } = await readManifestSlots(disk, DIRECTORY);
  if (newest === undefined) throw new HoldfastError("CORRUPT_MANIFEST", "no manifest");
  const options = { disk, directory: DIRECTORY, manifest: newest, writerId: "sweep" };
  await restoreSnapshot({ ...options, name: "base", to: RESTORED });
};

/** As the command does it, beside or without a writer. */
const fork: Steps = async ({ machine }) => {
  const disk = machine.boot();
  const place = { disk, directory: DIRECTORY, to: FORKED, writerId: "sweep" };
  await forkStore(place, () => pointOf(disk, DIRECTORY, undefined));
};

/** As the program does it. */
const forkStores: Steps = async ({ store }) => {
  await store.fork(FORKED);
};

const salvage: Steps = async ({ machine }) => {
  // Of a process that was killed here, which nobody knows on this machine.
  machine.tree.remove(`${DIRECTORY}/LOCK`);
  const { complete, lost } = await told(() =>
    salvageStore({
      directory: DIRECTORY,
      disk: machine.boot(),
      to: SALVAGED,
      writerId: "sweep",
      environment: "simulation",
    }),
  );
  if (!complete) throw new HoldfastError("IO", JSON.stringify(lost));
};

const verify: Steps = async ({ machine }) => {
  tell(await told(() => verifyStore(DIRECTORY, () => {}, machine.boot())));
};

const verifyEach: Steps = async ({ machine }) => {
  const files = machine.files().filter((path) => !path.endsWith("LOCK"));
  for (const file of files) {
    tell(await told(() => verifyFile(file, machine.boot())));
  }
};

/** As a refusal: nothing here is damaged but by the fault. */
function tell({ verdict, findings }: Pick<Verification, "verdict" | "findings">): void {
  if (verdict === "damaged") throw new HoldfastError("IO", JSON.stringify(findings));
}

/** The tools say what the system has said: their caller is a person. */
async function told<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    const code = errnoCode(error);
    if (error instanceof HoldfastError || code === undefined) throw error;
    throw new HoldfastError(code === "ENOSPC" ? "DISK_FULL" : "IO", String(error), {}, error);
  }
}

/** What was restored is what the snapshot shows. */
async function isRestored(machine: SimulatedMachine): Promise<void> {
  const tables = TABLE_NAMES.map((name) => DEFINITIONS.plain[name]);
  const options = { ...SMALL, disk: machine.boot(), tables };
  const snapshot = await open(DIRECTORY, { ...options, at: "base" });
  assertSame(readState(snapshot, DEFINITIONS.plain, TABLE_NAMES), await stateIn(machine, RESTORED));
  await snapshot.close();
}

/** A fork has what the store has, which nobody has written to since. */
async function isForked(machine: SimulatedMachine, store: Store): Promise<void> {
  assertSame(stateOf(store), await stateIn(machine, FORKED));
}

async function isSalvaged(machine: SimulatedMachine, store: Store): Promise<void> {
  assertSame(stateOf(store), await stateIn(machine, SALVAGED));
}

async function stateIn(machine: SimulatedMachine, directory: string): Promise<State> {
  const tables = TABLE_NAMES.map((name) => DEFINITIONS.plain[name]);
  const store = await open(directory, { ...SMALL, disk: machine.boot(), tables });
  const state = stateOf(store);
  await store.close();
  return state;
}

function assertSame(expected: State, found: State): void {
  const wrong = compareStates(expected, found);
  if (wrong !== undefined) throw new Error(`what was made: ${wrong}`);
}

/** A read finds the damage, and the background makes the file anew. */
const repair: Steps = async (program) => {
  const store = await openStore(program.machine.boot(), program.options);
  await repaired(program, store);
  await store.close();
};

const mergeDamaged: Steps = async (program) => {
  const store = await openStore(program.machine.boot(), program.options);
  await store.flush();
  await repaired(program, store);
  await store.close();
};

/** What a source could not be read for is given up, until the next opening tries again. */
async function repaired(program: Program, store: Store): Promise<void> {
  for (let refused = 0; ; ) {
    const { running, unrepaired, error } = store.stats().background.repairs;
    try {
      stateOf(store);
      if (!running) return;
    } catch (damage) {
      if (!(damage instanceof HoldfastError) || damage.code !== "CORRUPT_RUN") throw damage;
      const isGivenUp = unrepaired > 0 && !running && error === undefined;
      if (isGivenUp && ++refused > 20) throw damage;
    }
    await program.sleep(5);
  }
}

const damaged = { options: ALL, damaged: true } as const;

export const COPY_SCENARIOS: readonly Scenario[] = [
  scenario("restore", "closed", restore, { made: isRestored }),
  scenario("restore beside its store", "several runs", opened(restore), { made: isRestored }),
  scenario("restore of what was killed", "killed", restore, { made: isRestored }),
  scenario("fork of what was torn", "torn", fork, { made: isForked }),
  scenario("fork with archives", "archives", opened(forkStores), { made: isForked, options: ALL }),
  scenario("salvage", "closed", salvage, { made: isSalvaged }),
  scenario("salvage of what was torn", "torn", salvage, { made: isSalvaged }),
  scenario("salvage with archives", "archives", salvage, { made: isSalvaged, options: ALL }),
  scenario("verify", "several runs", verify, { looks: true }),
  scenario("verify what was torn", "torn", verify),
  scenario("verify beside its store", "closed", opened(verify), { looks: true }),
  scenario("verify each file", "several runs", verifyEach, { looks: true }),
  scenario("repair of a run", "damaged run", repair, damaged),
  scenario("merge with a damaged run", "damaged run", mergeDamaged, damaged),
  scenario("archive behind archives", "archives", opened(flush, rest), { options: ALL }),
];

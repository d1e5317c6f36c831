/** What must be true of a store at rest: nothing is left over, nothing grows, nothing is missing. */
import type { Store } from "../../src/index.js";
import { segmentFileName } from "../../src/log/format.js";
import { archiveFileName } from "../../src/manifest/archive-name.js";
import { MANIFEST_SLOT_NAMES, type Manifest } from "../../src/manifest/format.js";
import {
  BAD_FILES_MAX,
  isBadFileName,
  isTornFileName,
  LOCK_NAME,
  TORN_FILES_MAX,
} from "../../src/recovery/files.js";
import { runFileName } from "../../src/run/format.js";
import { planMerge } from "../../src/snapshot/policy.js";
import type { SimulatedMachine } from "./disk.js";
import type { EngineRun } from "./engine.js";
import { newestManifest } from "./frames.js";
import { checkHistory } from "./history-check.js";
import { readState } from "./reading.js";
import { DIRECTORY, TABLE_NAMES } from "./tables.js";

/** The one in use, the next, and one that was given up when the log was cut off. */
const SEGMENTS_MAX = 3;

/** Opens a copy of what a run has left, lets it come to rest, and looks at all there is. */
export async function finalChecks(run: EngineRun): Promise<void> {
  const machine = run.machine.fork(run.seed);
  const disk = machine.boot();
  const store = await machine.run(run.openOn(disk));
  const before = readState(store, run.definitions, TABLE_NAMES);
  await machine.run(comeToRest(store, machine));
  const wrong = run.model.recover(store.recovery.lastSequence, before, false);
  run.check(wrong === undefined, `the copy: ${wrong}`);
  const after = run.model.compareMemory(readState(store, run.definitions, TABLE_NAMES));
  run.check(after === undefined, `at rest: ${after}`);
  const sequence = store.lastSequence;
  const { background } = store.stats();
  for (const kind of ["flushes", "merges", "archives"] as const) {
    run.check(background[kind].error === undefined, `${kind}: ${background[kind].error?.message}`);
  }
  await machine.run(store.close());
  const manifest = await newestManifest(machine, disk, DIRECTORY);
  checkBounds(run, manifest);
  checkNoStrays(run, machine, manifest);
  await checkHistory(run, machine, disk, manifest, sequence);
  const again = await machine.run(run.openOn(machine.boot()));
  const { transactionsReplayed, lastSequence } = again.recovery;
  run.check(transactionsReplayed === 0, "all is in runs: there is nothing to replay");
  run.check(lastSequence === sequence, "the copy lost transactions");
  const found = run.model.compareMemory(readState(again, run.definitions, TABLE_NAMES));
  run.check(found === undefined, `opened at rest: ${found}`);
}

/** Without snapshots, everything in runs, and nothing left for the background to do. */
async function comeToRest(store: Store, machine: SimulatedMachine): Promise<void> {
  for (const { name } of store.snapshots()) await store.dropSnapshot(name);
  await store.flush();
  const { scheduler } = machine.boot();
  for (;;) {
    const { flushes, merges, archives } = store.stats().background;
    if (!flushes.running && !merges.running && !archives.running) return;
    await new Promise<void>((resolve) => void scheduler.after(20, resolve, true));
  }
}

function checkBounds(run: EngineRun, manifest: Manifest): void {
  const { bounds, history } = run.settings;
  const segments = manifest.segments.length;
  run.check(segments <= SEGMENTS_MAX, `${segments} segments at rest`);
  run.check(planMerge(manifest, bounds) === undefined, "at rest there is nothing to merge");
  const tiers = new Set(manifest.state.runs.map(({ tier }) => tier)).size;
  const runs = manifest.state.runs.length;
  run.check(runs <= tiers * bounds.runsPerTier, `${runs} runs in ${tiers} tiers`);
  const bytes = manifest.archives.reduce((sum, archive) => sum + archive.bytes, 0);
  if (history === "none") run.check(bytes === 0, "archives although there is no history");
  if (typeof history === "object" && "keepBytes" in history) {
    run.check(bytes <= history.keepBytes, `${bytes} bytes of archives`);
  }
  run.count("checked at rest");
  if (runs > 1) run.count("several runs at rest");
  if (manifest.files.length > runs) run.count("runs of several files at rest");
}

function checkNoStrays(run: EngineRun, machine: SimulatedMachine, manifest: Manifest): void {
  const named = new Set<string>([
    LOCK_NAME,
    ...MANIFEST_SLOT_NAMES,
    ...manifest.segments.map(({ id }) => segmentFileName(id)),
    ...manifest.files.map(({ id }) => runFileName(id)),
    ...manifest.archives.map(({ id }) => archiveFileName(id)),
  ]);
  const names = machine.files().map((path) => path.slice(DIRECTORY.length + 1));
  const torn = names.filter(isTornFileName);
  run.check(torn.length <= TORN_FILES_MAX, `${torn.length} torn files`);
  const bad = names.filter(isBadFileName);
  run.check(bad.length <= BAD_FILES_MAX, `${bad.length} bad files`);
  const aside = new Set([...torn, ...bad]);
  const stray = names.find((name) => !named.has(name) && !aside.has(name));
  run.check(stray === undefined, `${stray} is named by nothing`);
}

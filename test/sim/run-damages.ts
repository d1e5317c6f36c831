/** Damage to what the background has made: a run is wanted whole, and an archive by its readers. */
import { HoldfastError } from "../../src/index.js";
import { archiveFileName } from "../../src/manifest/archive-name.js";
import { runFileName } from "../../src/run/format.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import type { Damage, Expectation, Scene } from "./corruption.js";
import type { EngineRun } from "./engine.js";
import { newestManifest } from "./frames.js";
import { DIRECTORY } from "./tables.js";

/** The path of a run file that the state is made of. */
function pickRun({ run, manifest }: Scene): string | undefined {
  const ids = manifest.state.runs.flatMap(({ files }) => files);
  return ids.length === 0 ? undefined : `${DIRECTORY}/${runFileName(run.random.pick(ids))}`;
}

/** At the opening, or when it is read; where nothing that was asked for is in it, not at all. */
function refusedOrUnseen(file: string): Expectation {
  return { codes: ["CORRUPT_RUN"], file, opens: "same", reads: "refused" };
}

export const RUN_DAMAGES: Readonly<Record<string, Damage>> = {
  "bit flip in a run": (scene) => {
    const file = pickRun(scene);
    if (file === undefined) return undefined;
    scene.machine.flipBit(file);
    return refusedOrUnseen(file);
  },
  "zeros in a run": (scene) => {
    const file = pickRun(scene);
    if (file === undefined) return undefined;
    scene.machine.mutate(file, (bytes) => {
      const at = scene.run.random.below(bytes.length);
      bytes.fill(0, at, at + 512);
      return undefined;
    });
    return refusedOrUnseen(file);
  },
  "truncated run": (scene) => {
    const file = pickRun(scene);
    if (file === undefined) return undefined;
    const { random } = scene.run;
    scene.machine.mutate(file, (bytes) => bytes.subarray(0, random.below(bytes.length)));
    return { codes: ["CORRUPT_RUN"], file };
  },
  "missing run": (scene) => {
    const file = pickRun(scene);
    if (file === undefined) return undefined;
    scene.machine.tree.remove(file);
    scene.machine.tree.commitAll();
    return { codes: ["MISSING_FILE"], file };
  },
  "other run in its place": (scene) => {
    const file = pickRun(scene);
    if (file === undefined) return undefined;
    const { olderRuns, random } = scene.run;
    const now = scene.machine.read(file);
    // One that had the same name once, if there was one.
    const older = olderRuns.get(file);
    const namesake = older !== undefined && Buffer.compare(older, now) !== 0;
    const others = [...olderRuns.values()].filter((bytes) => Buffer.compare(bytes, now) !== 0);
    if (others.length === 0) return undefined;
    if (namesake) scene.run.count("damage: older file of the same name");
    scene.machine.mutate(file, () => (namesake ? older : random.pick(others)));
    return { codes: ["CORRUPT_RUN"], file };
  },
  "missing archive": ({ run, machine, manifest }) => {
    if (manifest.archives.length === 0) return undefined;
    const file = `${DIRECTORY}/${archiveFileName(run.random.pick(manifest.archives).id)}`;
    machine.tree.remove(file);
    machine.tree.commitAll();
    return { codes: ["MISSING_FILE"], file };
  },
};

/** Nobody reads archives but those who want history: they are told, and by the right name. */
export async function damageArchive(run: EngineRun): Promise<void> {
  const machine = run.machine.fork(run.random.below(1e9));
  const disk = machine.boot();
  const { archives, storeId } = await newestManifest(machine, disk, DIRECTORY);
  if (archives.length === 0) return;
  const archive = run.random.pick(archives);
  const file = `${DIRECTORY}/${archiveFileName(archive.id)}`;
  const flips = run.random.chance(0.6);
  if (flips) machine.flipBit(file);
  else machine.mutate(file, (bytes) => bytes.subarray(0, run.random.below(bytes.length)));
  run.count(`damage: ${flips ? "bit flip in an archive" : "truncated archive"}`);
  try {
    const options = { disk, directory: DIRECTORY, storeId, archive, visit: () => {} };
    await machine.run(readArchive(options));
  } catch (error) {
    const right = error instanceof HoldfastError && error.code === "CORRUPT_LOG";
    if (!right || error.data.file !== file) run.fail(`a damaged archive: ${String(error)}`);
    run.count("damaged archive refused");
    return;
  }
  run.fail(`a damaged archive (${flips ? "flipped" : "cut short"}) was read as whole`);
}

/** Damage to what the background has made: a run is wanted whole, and an archive by its readers. */
import { HoldfastError } from "../../src/index.js";
import { archiveFileName } from "../../src/manifest/archive-name.js";
import { runFileName } from "../../src/run/format.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import type { Damage, Expectation, Scene } from "./corruption.js";
import type { EngineRun } from "./engine.js";
import { newestManifest } from "./frames.js";
import { DIRECTORY } from "./tables.js";

/** Paths of the run files that the state is made of. */
function runsOf({ manifest }: Scene): string[] {
  const ids = manifest.state.runs.flatMap(({ files }) => files);
  return ids.map((id) => `${DIRECTORY}/${runFileName(id)}`);
}

function pickRun(scene: Scene): string | undefined {
  const paths = runsOf(scene);
  return paths.length === 0 ? undefined : scene.run.random.pick(paths);
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
    return refusedOrUnseen(file);
  },
  "missing run": (scene) => {
    const file = pickRun(scene);
    if (file === undefined) return undefined;
    scene.machine.tree.remove(file);
    scene.machine.tree.commitAll();
    return { codes: ["MISSING_FILE"], file };
  },
  "other run in its place": (scene) => {
    const { machine, run } = scene;
    const isOther = (bytes: Uint8Array | undefined, path: string): bytes is Uint8Array =>
      bytes !== undefined && Buffer.compare(bytes, machine.read(path)) !== 0;
    // One that had the same name once, if there was one.
    const namesake = runsOf(scene).find((path) => isOther(run.olderRuns.get(path), path));
    const file = namesake ?? pickRun(scene);
    if (file === undefined) return undefined;
    const others = [...run.olderRuns.values()].filter((bytes) => isOther(bytes, file));
    const older = namesake === undefined ? run.random.pick(others) : run.olderRuns.get(file);
    if (older === undefined) return undefined;
    if (namesake !== undefined) run.count("damage: older file of the same name");
    machine.mutate(file, () => older);
    return refusedOrUnseen(file);
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
  const flips = run.random.chance(0.5);
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

/**
 * How the result of a job changes the manifest. Pure: each is applied to the manifest that is in
 * force when it is published, which may have changed since the job began, by other jobs and by
 * snapshots made and dropped.
 */
import { assert } from "../base/assert.js";
import type {
  Manifest,
  ManifestFile,
  ManifestMerge,
  ManifestRun,
  ManifestSegment,
  ManifestState,
} from "../manifest/format.js";
import { namedFiles } from "../manifest/named-files.js";
import type { FlushResult, MergeResult } from "./jobs.js";
import type { MergePlan } from "./policy.js";
import { normalizePosition } from "./position.js";

/** A new run on top. */
export function withFlush(manifest: Manifest, result: FlushResult): Manifest {
  const { runs } = manifest.state;
  const files = result.files.map((file) => file.id);
  const [id] = files;
  const newest = runs[0];
  let after = runs;
  if (id !== undefined) {
    const { firstSequence, through: lastSequence } = result;
    after = [{ id, tier: 0, firstSequence, lastSequence, files }, ...runs];
  } else if (newest !== undefined) {
    // Nothing but declarations: every transaction still belongs to one run.
    after = [{ ...newest, lastSequence: result.through }, ...runs.slice(1)];
  }
  const replayFrom = normalizePosition(result.replayFrom, manifest.segments);
  const state = { runs: after, runsThrough: result.through, replayFrom };
  return withState(manifest, state, result.files, manifest.merge);
}

/** One run in the place of several, or the next part of the last run. */
export function withMerge(manifest: Manifest, plan: MergePlan, result: MergeResult): Manifest {
  return plan.kind === "tier"
    ? withTierMerge(manifest, plan, result)
    : withStep(manifest, plan, result);
}

function withTierMerge(manifest: Manifest, plan: MergePlan, result: MergeResult): Manifest {
  const files = result.files.map((file) => file.id);
  const merged = present(manifest, plan);
  const [id] = files;
  const made: ManifestRun[] = [];
  if (id !== undefined) made.push({ id, tier: plan.tier, ...sequencesOf(merged), files });
  const at = manifest.state.runs.indexOf(merged[0] as ManifestRun);
  const { runs } = manifest.state;
  const after = [...runs.slice(0, at), ...made, ...runs.slice(at + merged.length)];
  return withState(manifest, { ...manifest.state, runs: after }, result.files, manifest.merge);
}

/** The files of the last run in the step's range are replaced; with the last step, the upper go. */
function withStep(manifest: Manifest, plan: MergePlan, result: MergeResult): Manifest {
  const merged = present(manifest, plan);
  const upper = merged.slice(0, -1);
  const last = merged.at(-1) as ManifestRun;
  const byId = new Map(manifest.files.map((file) => [file.id, file]));
  const kept = { before: [] as number[], behind: [] as number[] };
  for (const fileId of last.files) {
    const { firstKey, lastKey } = byId.get(fileId) as ManifestFile;
    const { afterKey, throughKey } = plan;
    if (afterKey !== undefined && Buffer.compare(lastKey, afterKey) <= 0) kept.before.push(fileId);
    else if (throughKey !== undefined && Buffer.compare(firstKey, throughKey) > 0) {
      kept.behind.push(fileId);
    }
  }
  const files = [...kept.before, ...result.files.map((file) => file.id), ...kept.behind];
  const others = manifest.state.runs.filter((run) => !merged.includes(run));
  if (plan.throughKey !== undefined) {
    const merge = { runs: upper.map((run) => run.id), throughKey: plan.throughKey };
    const runs = [...others, ...upper, { ...last, files }];
    return withState(manifest, { ...manifest.state, runs }, result.files, merge);
  }
  const whole = { id: last.id, tier: plan.tier, ...sequencesOf(merged), files };
  const runs = files.length === 0 ? others : [...others, whole];
  return withState(manifest, { ...manifest.state, runs }, result.files, null);
}

/** The plan's runs as they are now; only a merge removes runs, and there is one at a time. */
function present(manifest: Manifest, plan: MergePlan): ManifestRun[] {
  const wanted = new Set(plan.runs.map((run) => run.id));
  const runs = manifest.state.runs.filter((run) => wanted.has(run.id));
  assert(runs.length === wanted.size, "the runs of a merge stay until it is done");
  return runs;
}

function sequencesOf(runs: readonly ManifestRun[]) {
  const firstSequence = (runs.at(-1) as ManifestRun).firstSequence;
  return { firstSequence, lastSequence: (runs[0] as ManifestRun).lastSequence };
}

/** Other files in the place of a damaged one, wherever it is named. */
export function withRepair(
  manifest: Manifest,
  fileId: number,
  made: readonly ManifestFile[],
): Manifest {
  const ids = made.map((file) => file.id);
  const repaired = (state: ManifestState): ManifestState => ({
    ...state,
    runs: state.runs.map((run) => {
      const at = run.files.indexOf(fileId);
      if (at < 0) return run;
      return { ...run, files: [...run.files.slice(0, at), ...ids, ...run.files.slice(at + 1)] };
    }),
  });
  return withNamedFiles({
    ...manifest,
    state: repaired(manifest.state),
    snapshots: manifest.snapshots.map((one) => ({ ...one, state: repaired(one.state) })),
    files: [...manifest.files, ...made],
  });
}

function withState(
  manifest: Manifest,
  state: ManifestState,
  made: readonly ManifestFile[],
  merge: ManifestMerge | null,
): Manifest {
  return withNamedFiles({ ...manifest, state, merge, files: [...manifest.files, ...made] });
}

/** Without the run files that neither the state nor a snapshot names; for whoever drops one. */
export function withNamedFiles(manifest: Manifest): Manifest {
  const isNamed = namedFiles(manifest);
  const files = manifest.files.filter((file) => isNamed(file.id));
  return files.length === manifest.files.length ? manifest : { ...manifest, files };
}

/** Without these segments: they are archived, or their history is not wanted. */
export function withoutSegments(
  manifest: Manifest,
  gone: readonly ManifestSegment[],
  archives: Manifest["archives"] = [],
): Manifest {
  const ids = new Set(gone.map((segment) => segment.id));
  const { state } = manifest;
  const kept = manifest.archives;
  return {
    ...manifest,
    segments: manifest.segments.filter((segment) => !ids.has(segment.id)),
    // Named by its own segment: the one before it may be among those that go.
    state: { ...state, replayFrom: normalizePosition(state.replayFrom, manifest.segments) },
    archives: archives.length === 0 ? kept : [...kept, ...archives].sort((a, b) => a.id - b.id),
  };
}

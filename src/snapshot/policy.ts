/**
 * Which runs are merged, and when: lazy leveling (Dayan and Idreos, "Dostoevsky", SIGMOD 2018).
 * Pure functions of the manifest.
 *
 * A run fresh from the log is of tier 0. K runs of a tier are merged into one of the next. The
 * oldest run of a store that has merged before is the _last_ one: it has the bulk of the rows, each
 * key at most once, and no tombstones. When the runs above it weigh as much as it does, they are
 * merged into it; that is done in steps along the keys, each publishing its part, since a single
 * merge of everything could take hours, and would need the room of everything once more.
 *
 * With F bytes a flush, B bytes in the last run, and T = max(1, ceil(log_K(B / F))) tiers above it:
 *
 * - **Read**: a get looks into at most (K - 1) T + 1 runs, and twice as many above the last one
 *   while a merge into it goes on, since what arrives meanwhile waits above. For F = 4 MiB, K = 8
 *   and 1 GiB that is at most 22, or 43. All but the one that has the key cost a filter each, which
 *   is wrong in 1 % of cases.
 * - **Write**: a row is written once by its flush, once for each tier that it passes, at most T -
 *   1, and into the last run; there each byte that comes in has at most one byte of the last run
 *   rewritten with it. So T + 2 times at most; with the figures above, 5. (Leveling would take K T
 *   / 2 in the mean, tiering T, and tiering would have K runs of the size of the last.)
 * - **Space**: the last run has at most all keys once, L. The runs above it weigh at most max(L,
 *   one file) and what arrives while they are being merged; the files that a step replaces are
 *   removed right after it. So at most 2 L at rest, 3 L and one step in the middle of a merge, plus
 *   what arrives meanwhile. A store that overwrites the same keys for ever stays within that.
 *
 * A step takes in one file of the last run, about one file's length, and what the runs above have
 * between its bounds: no more than all they have, where all new keys fall into one file. What lies
 * above all keys of the last run, as where keys grow, is cut at the ends of the files above.
 */
import { assert } from "../base/assert.js";
import { RUN_FILE_BYTES, RUNS_PER_TIER } from "../base/limits.js";
import type { Manifest, ManifestFile, ManifestRun } from "../manifest/format.js";

export interface MergePlan {
  /** "tier": runs of one tier become one; "last": a step of a merge into the last run. */
  readonly kind: "tier" | "last";
  /** The newest first; the last run is among them for a step into it. */
  readonly runs: readonly ManifestRun[];
  readonly dropTombstones: boolean;
  /** Tier of the run it makes. */
  readonly tier: number;
  /** Keys of the step: behind the first, up to the second. */
  readonly afterKey: Uint8Array | undefined;
  readonly throughKey: Uint8Array | undefined;
  /** Bytes of the files it reads from; those only a part of which is read count in full. */
  readonly inputBytes: number;
}

export interface PolicyOptions {
  readonly runsPerTier?: number;
  readonly fileBytes?: number;
  /** Files that cannot be read: only runs newer than all that have one are merged. */
  readonly avoid?: ReadonlySet<number>;
}

/** A tier is a byte in the manifest. */
const TIER_MAX = 255;

/** A merge takes no more than so many times the runs that are enough for one. */
const TIERS_AT_ONCE = 2;

/** A step that reads no file of the last run is cut once it reads so many files' length. */
const GAP_FILES_MAX = 4;

/** The next merge worth doing, or undefined. */
export function planMerge(manifest: Manifest, options: PolicyOptions = {}): MergePlan | undefined {
  const { runsPerTier: perTier = RUNS_PER_TIER, fileBytes = RUN_FILE_BYTES } = options;
  const { merge } = manifest;
  const { runs } = manifest.state;
  const files = new Map(manifest.files.map((file) => [file.id, file]));
  const merging = new Set(merge?.runs ?? []);
  const last = lastRun(runs);
  const upper = last === undefined ? runs : runs.slice(0, -1);
  const waiting = upper.filter((run) => !merging.has(run.id));
  const { avoid } = options;
  if (avoid !== undefined && runs.some((run) => isAvoided(run, avoid))) {
    // Those above stay few all the same: their tiers go on growing.
    const blocked = waiting.findIndex((run) => isAvoided(run, avoid));
    const above = fullTier(blocked < 0 ? waiting : waiting.slice(0, blocked), perTier);
    return above && tierPlan(above, files, false);
  }
  // While a merge into the last run goes on, those that arrive must stay few as well.
  const tier = fullTier(waiting, perTier);
  if (merge !== null) {
    assert(last !== undefined, "a merge into the last run has one");
    if (tier !== undefined) return tierPlan(tier, files, false);
    const taking = upper.filter((run) => merging.has(run.id));
    return stepPlan(taking, last, files, merge.throughKey, fileBytes);
  }
  if (last === undefined) {
    return upper.length < perTier ? undefined : tierPlan(upper, files, true);
  }
  const upperBytes = bytesOf(upper, files);
  const worthIt = upperBytes >= fileBytes || upper.length >= perTier;
  if (worthIt && upper.length > 0 && upperBytes >= bytesOf([last], files)) {
    return stepPlan(upper, last, files, undefined, fileBytes);
  }
  return tier === undefined ? undefined : tierPlan(tier, files, false);
}

/** The run that has the bulk of the rows, if there is one already: the oldest, if it was merged. */
export function lastRun(runs: readonly ManifestRun[]): ManifestRun | undefined {
  const oldest = runs.at(-1);
  return oldest === undefined || oldest.tier === 0 ? undefined : oldest;
}

/** Length of all files of these runs. */
export function bytesOf(
  runs: readonly ManifestRun[],
  files: ReadonlyMap<number, ManifestFile>,
): number {
  let bytes = 0;
  for (const run of runs) {
    for (const id of run.files) bytes += (files.get(id) as ManifestFile).bytes;
  }
  return bytes;
}

function isAvoided(run: ManifestRun, avoid: ReadonlySet<number>): boolean {
  return run.files.some((id) => avoid.has(id));
}

/**
 * Runs of the newest tier that has enough, next to one another: newer rows pass no older. Where a
 * tier has many more, since merges fell behind or were cut short each time, the oldest of them: a
 * merge of all would be cut short even more surely.
 */
function fullTier(runs: readonly ManifestRun[], perTier: number): ManifestRun[] | undefined {
  for (let from = 0, to = 0; from < runs.length; from = to) {
    const { tier } = runs[from] as ManifestRun;
    while (runs[to]?.tier === tier) to++;
    if (to - from >= perTier) return runs.slice(Math.max(from, to - TIERS_AT_ONCE * perTier), to);
  }
  return undefined;
}

function tierPlan(
  runs: readonly ManifestRun[],
  files: ReadonlyMap<number, ManifestFile>,
  dropTombstones: boolean,
): MergePlan {
  return {
    kind: "tier",
    runs,
    dropTombstones,
    tier: tierAbove(runs),
    afterKey: undefined,
    throughKey: undefined,
    inputBytes: bytesOf(runs, files),
  };
}

function tierAbove(runs: readonly ManifestRun[]): number {
  return Math.min(TIER_MAX, Math.max(...runs.map((run) => run.tier)) + 1);
}

function stepPlan(
  upper: readonly ManifestRun[],
  last: ManifestRun,
  files: ReadonlyMap<number, ManifestFile>,
  afterKey: Uint8Array | undefined,
  fileBytes: number,
): MergePlan {
  const runs = [...upper, last];
  const throughKey = endOfStep(upper, last, files, afterKey, fileBytes);
  let inputBytes = 0;
  for (const file of filesOf(runs, files)) {
    if (!isBehind(file.lastKey, afterKey)) continue;
    if (throughKey === undefined || Buffer.compare(file.firstKey, throughKey) <= 0) {
      inputBytes += file.bytes;
    }
  }
  const tier = Math.max(last.tier, tierAbove(upper));
  return { kind: "last", runs, dropTombstones: true, tier, afterKey, throughKey, inputBytes };
}

/**
 * The last key of a step; undefined for all that is left. It never lies inside a file of the last
 * run: what replaces that must not overlap it.
 */
function endOfStep(
  upper: readonly ManifestRun[],
  last: ManifestRun,
  files: ReadonlyMap<number, ManifestFile>,
  afterKey: Uint8Array | undefined,
  fileBytes: number,
): Uint8Array | undefined {
  const ahead = filesOf([last], files).filter((file) => isBehind(file.firstKey, afterKey));
  const above = filesOf(upper, files).filter((file) => isBehind(file.lastKey, afterKey));
  const next = ahead[0];
  const cut = cutInGap(above, next?.firstKey, GAP_FILES_MAX * fileBytes);
  if (cut !== undefined) return cut;
  if (next === undefined) return undefined;
  const more = ahead.length > 1 || above.some((file) => isBehind(file.lastKey, next.lastKey));
  return more ? next.lastKey : undefined;
}

/** Where to cut the keys below `before`, if the files above have too much there for one step. */
function cutInGap(
  above: readonly ManifestFile[],
  before: Uint8Array | undefined,
  bytesMax: number,
): Uint8Array | undefined {
  const ends = above
    .map((file) => file.lastKey)
    .filter((key) => before === undefined || Buffer.compare(key, before) < 0)
    .sort(Buffer.compare);
  let cut: Uint8Array | undefined;
  for (const end of ends) {
    const here = above.filter((file) => Buffer.compare(file.firstKey, end) <= 0);
    if (here.reduce((sum, file) => sum + file.bytes, 0) > bytesMax) return cut ?? end;
    cut = end;
  }
  return undefined;
}

function filesOf(
  runs: readonly ManifestRun[],
  files: ReadonlyMap<number, ManifestFile>,
): ManifestFile[] {
  return runs.flatMap((run) => run.files.map((id) => files.get(id) as ManifestFile));
}

function isBehind(key: Uint8Array, afterKey: Uint8Array | undefined): boolean {
  return afterKey === undefined || Buffer.compare(key, afterKey) > 0;
}

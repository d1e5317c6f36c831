/**
 * From what a damaged file of a run can be made again. Pure functions of the manifest.
 *
 * value(k, s) stands for what the first s transactions say of key k: a row, or that there is none.
 * A state T that names the file F, in a run of transactions a to b(T), with runs through r(T), asks
 * F only for keys in its range that no run above has. Such a key has not changed between b(T) and
 * r(T). So for each s with b(T) <= s <= r(T) a file that has value(k, s), for all keys in the range
 * that have changed between a and s, gives the same answers as F does. It may have rows older than
 * a as well: runs below have nothing newer. Only deletions need care: where value(k, s) is "none",
 * an older row of k in a run below must stay hidden, by a tombstone.
 *
 * Two things remain. While a merge into the last run goes on, the files behind it have all that
 * goes into it up to some p > b(T), and keep it when the runs above are dropped: there s must be p
 * at least. And b(T) grows where transactions change no row, so that it may be beyond the r of an
 * older state that has F as well. F was made of transactions up to some p that no such r is below,
 * and no key has changed between p and b(T): the least r will do then. So `through`, the least s
 * that a source may have, is the greatest b(T), or p, over all states that name F, but at most the
 * least r.
 *
 * Sources, the best first:
 * - the file itself, where what is damaged is not its rows: see salvage.ts;
 * - the log from a to s: it has every change, deletions included;
 * - another state, live or a snapshot's, with runs through t in a <= t <= s, and the log behind t.
 *   It has all rows there are, but may have forgotten deletions: where F's run is the last one none
 *   are needed, otherwise each key that the runs below F have, and this source has not, gets a
 *   tombstone.
 */
import type {
  Manifest,
  ManifestArchive,
  ManifestFile,
  ManifestRun,
  ManifestSegment,
  ManifestState,
} from "../manifest/format.js";
import { inOrder } from "./position.js";

/** Runs, with descriptions of their files, restricted to those of some range of keys. */
export interface RunsInRange {
  readonly runs: readonly ManifestRun[];
  readonly files: readonly ManifestFile[];
}

/** A piece of the log. */
export type LogPiece =
  | { readonly kind: "archive"; readonly archive: ManifestArchive }
  | { readonly kind: "segment"; readonly segment: ManifestSegment };

export interface RepairSource {
  /** For people. */
  readonly name: string;
  /** All rows up to transaction `after`, or up to where the file's own changes begin: nothing. */
  readonly base: RunsInRange;
  /** What the log is read for: transactions behind `after`, up to `through`. */
  readonly after: number;
  readonly through: number;
  /** In the order of the log; whether they really have all of it shows when they are read. */
  readonly log: readonly LogPiece[];
  /** Keys in these get a tombstone if nothing above has them. */
  readonly below: RunsInRange;
  /** Rows that patches of the log may be of, where they are not in what it is read for. */
  readonly under: RunsInRange;
}

export interface RepairPlan {
  readonly file: ManifestFile;
  /** Transactions whose changes the file has. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Nothing lies below that a tombstone could hide. */
  readonly dropTombstones: boolean;
  /** The best first; empty: what the file held can only be had from itself. */
  readonly sources: readonly RepairSource[];
}

/** Other states than the best few add nothing but time. */
const BASES_MAX = 4;

const NOTHING: RunsInRange = { runs: [], files: [] };

interface Holder {
  /** Undefined: the live one. */
  readonly name: string | undefined;
  readonly state: ManifestState;
  /** Of the run that names the file. */
  readonly at: number;
}

/** Undefined if nothing names the file. `damaged`: files that are no source. */
export function planRepair(
  manifest: Manifest,
  fileId: number,
  damaged: ReadonlySet<number> = new Set(),
): RepairPlan | undefined {
  const file = manifest.files.find(({ id }) => id === fileId);
  const states = statesOf(manifest);
  const holders = states.flatMap(({ name, state }) => {
    const at = state.runs.findIndex((run) => run.files.includes(fileId));
    return at < 0 ? [] : [{ name, state, at }];
  });
  if (file === undefined || holders.length === 0) return undefined;
  const firstSequence = Math.min(...holders.map((one) => runOf(one).firstSequence));
  const latest = Math.min(...holders.map(({ state }) => state.runsThrough));
  const needed = Math.max(...holders.map((one) => neededThrough(manifest, file, one)));
  const through = Math.min(needed, latest);
  const dropTombstones = holders.every(({ state, at }) => at === state.runs.length - 1);
  const bad = new Set([...damaged, fileId]);
  const sources: RepairSource[] = [];
  const log = piecesOf(manifest, firstSequence - 1, through);
  if (log !== undefined) {
    const after = firstSequence - 1;
    const under = runsUnder(manifest, file, holders, bad);
    sources.push({ name: "the log", base: NOTHING, after, through, log, below: NOTHING, under });
  }
  const below = dropTombstones ? NOTHING : runsBelow(manifest, file, holders);
  if (below.files.every(({ id }) => !bad.has(id))) {
    const useful = states.filter(
      ({ state }) => state.runsThrough >= firstSequence && state.runsThrough <= latest,
    );
    for (const { name, state } of useful) {
      const base = inRange(manifest, file, state.runs);
      if (base.files.some(({ id }) => bad.has(id))) continue;
      const after = state.runsThrough;
      const to = Math.max(through, after);
      const rest = piecesOf(manifest, after, to);
      if (rest === undefined) continue;
      const what = name === undefined ? "the runs of today" : `snapshot "${name}"`;
      const full = rest.length === 0 ? what : `${what} and the log`;
      const under = base;
      sources.push({ name: full, base, after, through: to, log: rest, below, under });
    }
  }
  const best = sources.slice(0, 1 + BASES_MAX);
  return { file, firstSequence, lastSequence: through, dropTombstones, sources: best };
}

/** All states there are; those that need the least log to reach the others first. */
function statesOf({ state, snapshots }: Manifest): Omit<Holder, "at">[] {
  const named = snapshots.map((snapshot) => ({ name: snapshot.name, state: snapshot.state }));
  return [{ name: undefined, state }, ...named].sort(
    (a, b) => b.state.runsThrough - a.state.runsThrough,
  );
}

function runOf({ state, at }: Holder): ManifestRun {
  return state.runs[at] as ManifestRun;
}

/** The least sequence whose values serve that state, now and when a merge that goes on is done. */
function neededThrough(manifest: Manifest, file: ManifestFile, holder: Holder): number {
  const { state, at, name } = holder;
  const { lastSequence } = runOf(holder);
  const { merge } = manifest;
  if (name !== undefined || merge === null || at < state.runs.length - 1) return lastSequence;
  if (Buffer.compare(file.firstKey, merge.throughKey) > 0) return lastSequence;
  const merging = state.runs.filter((run) => merge.runs.includes(run.id));
  return Math.max(lastSequence, ...merging.map((run) => run.lastSequence));
}

function runsBelow(manifest: Manifest, file: ManifestFile, holders: readonly Holder[]) {
  const runs: ManifestRun[] = [];
  const files = new Map<number, ManifestFile>();
  for (const { state, at } of holders) {
    const below = inRange(manifest, file, state.runs.slice(at + 1));
    // States share most of their files.
    if (below.files.every(({ id }) => files.has(id))) continue;
    runs.push(...below.runs);
    for (const one of below.files) files.set(one.id, one);
  }
  return { runs, files: [...files.values()] };
}

/**
 * What was before the file's own changes. Not while a merge goes on: what that has finished may
 * have rows of later on. A patch that finds no row then makes the log no source.
 */
function runsUnder(
  manifest: Manifest,
  file: ManifestFile,
  holders: readonly Holder[],
  bad: ReadonlySet<number>,
): RunsInRange {
  if (manifest.merge !== null) return NOTHING;
  const first = Math.min(...holders.map((one) => runOf(one).firstSequence));
  const { state, at } = holders.find((one) => runOf(one).firstSequence === first) as Holder;
  const under = inRange(manifest, file, state.runs.slice(at + 1));
  return under.files.some(({ id }) => bad.has(id)) ? NOTHING : under;
}

/** What these runs have between the file's first key and its last one. */
function inRange(
  manifest: Manifest,
  { firstKey, lastKey }: ManifestFile,
  runs: readonly ManifestRun[],
): RunsInRange {
  const near = manifest.files.filter(
    (file) =>
      Buffer.compare(file.lastKey, firstKey) >= 0 && Buffer.compare(file.firstKey, lastKey) <= 0,
  );
  const ids = new Set(near.map(({ id }) => id));
  const kept = runs
    .map((run) => ({ ...run, files: run.files.filter((id) => ids.has(id)) }))
    .filter((run) => run.files.length > 0);
  const wanted = new Set(kept.flatMap((run) => run.files));
  return { runs: kept, files: near.filter(({ id }) => wanted.has(id)) };
}

interface Span {
  readonly piece: LogPiece;
  readonly id: number;
  /** Undefined: not known. */
  readonly first: number | undefined;
  readonly last: number;
}

/**
 * What of the log has the transactions behind `after` up to `through`; undefined if it is known not
 * to have them all. A segment does not say where it begins.
 */
function piecesOf(manifest: Manifest, after: number, through: number): LogPiece[] | undefined {
  if (after >= through) return [];
  const spans = spansOf(manifest);
  const from = spans.findIndex(({ last }) => last > after);
  const pieces: LogPiece[] = [];
  let reached = after;
  for (const { piece, first, last } of from < 0 ? [] : spans.slice(from)) {
    if (first !== undefined && first > reached + 1) return undefined;
    pieces.push(piece);
    reached = Math.max(reached, last);
    if (reached >= through) return pieces;
  }
  return undefined;
}

function spansOf({ archives, segments }: Manifest): Span[] {
  const archived = archives.map(
    (archive): Span => ({
      piece: { kind: "archive", archive },
      id: archive.id,
      first: archive.firstSequence,
      last: archive.lastSequence,
    }),
  );
  const known = new Set(archives.map(({ id }) => id));
  const live = inOrder(segments).filter(({ id }) => !known.has(id));
  const open = (segment: ManifestSegment): Span => ({
    piece: { kind: "segment", segment },
    id: segment.id,
    first: undefined,
    last: segment.state === "sealed" ? segment.lastSequence : Number.MAX_SAFE_INTEGER,
  });
  // A spare may have been used since, or not: the active one has all that is in runs.
  const used = live.filter(({ state }) => state !== "spare").map(open);
  return [...archived, ...used].sort((a, b) => a.id - b.id);
}

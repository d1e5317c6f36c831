/**
 * What a manifest must be like before anybody relies on it: its shape, and that its parts fit one
 * another. A good checksum says only that it is what some program wrote.
 */
import {
  HISTORY_HASH_BYTES,
  KEY_BYTES_MAX,
  NAME_BYTES_MAX,
  RUN_FILE_BYTES_MAX,
} from "../base/limits.js";
import { WRITE_METHODS } from "../disk/disk.js";
import type {
  Manifest,
  ManifestArchive,
  ManifestFile,
  ManifestMerge,
  ManifestRun,
  ManifestSegment,
  ManifestSnapshot,
  ManifestState,
} from "./format.js";
import { namedFiles } from "./named-files.js";
import {
  alignment,
  anything,
  binary,
  type Check,
  every,
  figure,
  flag,
  integer,
  list,
  matching,
  members,
  nullable,
  once,
  oneOf,
  optional,
  text,
  unique,
} from "./shape.js";

/** A table's id in two bytes, and a key. */
const FULL_KEY_BYTES_MIN = 2;
const FULL_KEY_BYTES_MAX = 2 + KEY_BYTES_MAX;

const count = integer(0);
const id = integer(1);
const sequence = integer(0);
const uint32 = integer(0, 2 ** 32 - 1);
const storeId = matching(/^[0-9a-f]{32}$/);
const historyHash = binary(HISTORY_HASH_BYTES, HISTORY_HASH_BYTES);
const fullKey = binary(FULL_KEY_BYTES_MIN, FULL_KEY_BYTES_MAX);

const segmentMembers = {
  id,
  state: oneOf(["sealed", "active", "spare"]),
  epoch: uint32,
  alignment,
  bytes: count,
  lastSequence: sequence,
};

/** What both versions have. */
const commonMembers = {
  generation: count,
  storeId,
  environment: text(0),
  createdMicros: count,
  epoch: uint32,
  writer: members({ writerId: text(0), host: text(0), pid: integer(0), openedMicros: count }),
  framesInFlight: integer(1),
  frameBytesMax: integer(1),
  methods: listOf(
    members({
      disk: text(0),
      method: oneOf(WRITE_METHODS),
      measured: list(
        members({ method: oneOf(WRITE_METHODS), p50Micros: figure, p99Micros: figure }),
      ),
    }),
  ),
  durableThrough: sequence,
  tables: listOf(members({ id: integer(0, 2 ** 16 - 1), name: text(0), schemas: list(anything) })),
};

const position = members({
  segmentId: integer(0),
  offset: count,
  sequence: integer(1),
  frameChecksum: uint32,
});

const state = members({
  runs: listOf(
    members({
      id,
      tier: integer(0, 255),
      firstSequence: integer(1),
      lastSequence: integer(1),
      files: list(id),
    }),
  ),
  runsThrough: sequence,
  replayFrom: position,
});

/** The shape of version 1: see version1.ts. */
export const shapeOfVersion1: Check = members({
  ...commonMembers,
  segments: list(members(segmentMembers)),
  base: members({ sequence, frameChecksum: uint32 }),
});

const shape: Check = members({
  ...commonMembers,
  lastMicros: count,
  closed: flag,
  segments: listOf(members({ ...segmentMembers, recycled: flag })),
  replay: members({ microsPerOperation: figure, microsPerKilobyte: figure }),
  state,
  files: listOf(
    every(
      members({
        id,
        bytes: integer(1, RUN_FILE_BYTES_MAX),
        rows: count,
        tombstones: count,
        firstKey: fullKey,
        lastKey: fullKey,
        checksum: uint32,
        storeId: optional(storeId),
      }),
      inKeyOrder,
    ),
    unique("id", "a file"),
  ),
  merge: nullable(members({ runs: list(id), throughKey: binary(0, FULL_KEY_BYTES_MAX) })),
  snapshots: listOf(
    members({
      name: text(1, NAME_BYTES_MAX),
      sequence,
      createdMicros: count,
      state,
      segments: list(id),
    }),
    unique("name", "a snapshot"),
  ),
  archives: listOf(
    every(
      members({
        id,
        firstSequence: integer(1),
        lastSequence: sequence,
        lastMicros: count,
        bytes: integer(1),
        epoch: uint32,
        alignment,
        storeId: optional(storeId),
        historyBase: optional(historyHash),
        historyHash: optional(historyHash),
      }),
      atItsEnd,
      bothOrNone,
    ),
    unique("id", "an archive"),
  ),
  packs: optional(
    listOf(
      members({
        id,
        bytes: integer(1),
        chunks: integer(1),
        checksum: uint32,
        storeId: optional(storeId),
        dead: optional(
          members({ chunks: integer(1), bytes: integer(1), checksum: uint32, since: sequence }),
        ),
      }),
      unique("id", "a pack"),
    ),
  ),
  lineage: optional(list(members({ storeId, sequence, forkedMicros: count }))),
});

/** A list that may be long, and is mostly what it was in the manifest before. */
function listOf(item: Check, whole: Check = anything): Check {
  return once(every(list(once(item)), whole));
}

function inKeyOrder(value: unknown): string | undefined {
  const { id, firstKey, lastKey } = value as ManifestFile;
  return Buffer.compare(firstKey, lastKey) > 0 ? `the keys of file ${id}` : undefined;
}

/** One without a record ends before it begins. */
function atItsEnd(value: unknown): string | undefined {
  const { id, firstSequence, lastSequence } = value as ManifestArchive;
  return lastSequence < firstSequence - 1 ? `archive ${id}` : undefined;
}

function bothOrNone(value: unknown): string | undefined {
  const { id, historyBase, historyHash } = value as ManifestArchive;
  const both = (historyBase === undefined) === (historyHash === undefined);
  return both ? undefined : `one hash of archive ${id}`;
}

/**
 * What is wrong with a manifest, for people; undefined if nothing is. `before` is one that is known
 * to be right: the runs that both have are right as long as their files are the same.
 */
export function manifestProblem(value: unknown, before?: Manifest): string | undefined {
  const wrong = shape(value, "");
  if (wrong !== undefined) return wrong;
  const manifest = value as Manifest;
  const parts = new Parts(manifest, before);
  return (
    stateProblem(manifest.state, parts, "state") ??
    replayProblem(manifest, parts) ??
    mergeProblem(manifest.merge, manifest.state.runs) ??
    makerProblem(manifest) ??
    snapshotProblem(manifest.snapshots, parts)
  );
}

type Runs = readonly ManifestRun[];

/** What states refer to. */
class Parts {
  readonly segments: ReadonlyMap<number, ManifestSegment>;
  /** Lists of runs that need no second look. */
  readonly right: ReadonlySet<Runs>;
  readonly #list: readonly ManifestFile[];
  #files: ReadonlyMap<number, ManifestFile> | undefined;

  constructor(manifest: Manifest, before: Manifest | undefined) {
    this.segments = new Map(manifest.segments.map((segment) => [segment.id, segment]));
    this.right = before === undefined ? new Set() : rightRuns(manifest, before);
    this.#list = manifest.files;
  }

  get files(): ReadonlyMap<number, ManifestFile> {
    this.#files ??= new Map(this.#list.map((file) => [file.id, file]));
    return this.#files;
  }
}

/** The runs of a manifest that was right, unless a file they may name is gone or another one. */
function rightRuns(manifest: Manifest, before: Manifest): ReadonlySet<Runs> {
  if (manifest.files !== before.files) {
    const there = new Set(manifest.files);
    const gone = before.files.filter((file) => !there.has(file));
    if (gone.length > 0) {
      const isNamed = namedFiles(manifest);
      if (gone.some(({ id }) => isNamed(id))) return new Set();
    }
  }
  return new Set([before.state, ...before.snapshots.map((one) => one.state)].map((s) => s.runs));
}

/** Every transaction up to `runsThrough` is in exactly one run, and every file in one at most. */
function stateProblem(
  { runs, runsThrough, replayFrom }: ManifestState,
  parts: Parts,
  at: string,
): string | undefined {
  if (replayFrom.sequence > runsThrough + 1) return `${at}: replay begins too late`;
  const [newest] = runs;
  if (parts.right.has(runs) && (newest === undefined || newest.lastSequence === runsThrough)) {
    return undefined;
  }
  let last = runsThrough;
  const ids = new Set<number>();
  const used = new Set<number>();
  for (const run of runs) {
    if (ids.has(run.id)) return `${at}: run ${run.id} is listed twice`;
    ids.add(run.id);
    if (run.lastSequence !== last) return `${at}: run ${run.id} does not end with ${last}`;
    if (run.firstSequence > run.lastSequence) return `${at}: run ${run.id} ends before it begins`;
    last = run.firstSequence - 1;
    const wrong = runProblem(run, parts.files, used);
    if (wrong !== undefined) return `${at}: ${wrong}`;
  }
  return undefined;
}

/** Its files are known, in the order of their keys and without overlap. */
function runProblem(
  run: ManifestRun,
  files: Parts["files"],
  used: Set<number>,
): string | undefined {
  let before: Uint8Array | undefined;
  for (const fileId of run.files) {
    const file = files.get(fileId);
    if (file === undefined) return `run ${run.id} names file ${fileId}, which is not listed`;
    if (used.has(fileId)) return `file ${fileId} is named twice`;
    used.add(fileId);
    if (before !== undefined && Buffer.compare(before, file.firstKey) >= 0) {
      return `the files of run ${run.id} are not in the order of their keys`;
    }
    before = file.lastKey;
  }
  return undefined;
}

/** Replay begins in a segment that is there, and whatever stands before it is at an end. */
function replayProblem({ state: { replayFrom }, segments }: Manifest, { segments: byId }: Parts) {
  const { segmentId, offset } = replayFrom;
  if (segmentId === 0) return offset === 0 ? undefined : "state: replay begins nowhere";
  const segment = byId.get(segmentId);
  if (segment === undefined) return "state: replay begins in a segment that is not listed";
  if (offset < segment.alignment || offset % segment.alignment !== 0) {
    return "state: replay begins where no frame can";
  }
  if (segment.state === "sealed" && offset > segment.bytes) {
    return "state: replay begins behind the end of its segment";
  }
  const open = segments.find((one) => one.id < segmentId && one.state !== "sealed");
  return open && `segment ${open.id} is not sealed, and replay begins behind it`;
}

/** Only ancestors may have made what is not the store's own; packs go wherever rows do. */
function makerProblem({ files, archives, lineage = [] }: Manifest): string | undefined {
  const known = new Set<string | undefined>([undefined, ...lineage.map((one) => one.storeId)]);
  const stranger = [...files, ...archives].find((one) => !known.has(one.storeId));
  return stranger && `file ${stranger.id} is of a store that is no ancestor`;
}

/** Only a row of runs right above the last one may go into it: newer rows must not pass older. */
function mergeProblem(merge: ManifestMerge | null, runs: Runs) {
  if (merge === null) return undefined;
  const above = runs.slice(0, -1).slice(-merge.runs.length);
  const named = new Set(merge.runs);
  const whole = named.size === merge.runs.length && above.length === merge.runs.length;
  if (merge.runs.length > 0 && whole && above.every((run) => named.has(run.id))) return undefined;
  return "merge: its runs are not those right above the last one";
}

function snapshotProblem(snapshots: readonly ManifestSnapshot[], parts: Parts): string | undefined {
  for (const snapshot of snapshots) {
    const at = `snapshot "${snapshot.name}"`;
    const missing = snapshot.segments.find((segmentId) => !parts.segments.has(segmentId));
    if (missing !== undefined) return `${at} names segment ${missing}, which is not listed`;
    if (snapshot.sequence < snapshot.state.runsThrough) return `${at} ends before its runs`;
    const wrong = stateProblem(snapshot.state, parts, at);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

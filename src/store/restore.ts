/**
 * Makes a new store that holds what a snapshot of another one holds. A marker stands until all of
 * it is durable and was read back: cut short anywhere, it leaves nothing that opens with a part.
 */

import { toHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import {
  FRAME_BYTES_MAX,
  FRAMES_IN_FLIGHT_DEFAULT,
  SEGMENT_BYTES_DEFAULT,
} from "../base/limits.js";
import type { Disk } from "../disk/disk.js";
import { acquireOwnership } from "../disk/lock.js";
import { createSegment } from "../log/segments.js";
import { MANIFEST_SLOT_NAMES, type Manifest, type ManifestRun } from "../manifest/format.js";
import { createManifest } from "../manifest/keeper.js";
import { readManifestSlots } from "../manifest/manifest.js";
import { CREATING_NAME, isPassingFileName, LOCK_NAME, listOrUndefined } from "../recovery/files.js";
import { openEntry, writerOf } from "../recovery/opening.js";
import {
  type RestoredRows,
  type RestoreProgress,
  type RestoreTarget,
  restoreRows,
} from "../snapshot/restore.js";
import { syncAncestors } from "./place.js";
import { findSnapshot, type SnapshotInfo } from "./snapshots.js";

export interface RestoreOptions {
  readonly disk: Disk;
  /** The store that has the snapshot; somebody may be writing it. */
  readonly directory: string;
  /** As it was just read. */
  readonly manifest: Manifest;
  readonly name: string;
  /** Where the new store is to be: absent or empty. */
  readonly to: string;
  readonly writerId: string;
  /** Default: that of the store. */
  readonly environment?: string | undefined;
  readonly segmentBytes?: number;
  /** For tests: smaller files, less memory. */
  readonly target?: Pick<RestoreTarget, "fileBytes" | "arenaBytes">;
  readonly onProgress?: (progress: RestoreProgress) => void;
}

/** What was made. */
export interface Restored {
  readonly snapshot: SnapshotInfo;
  readonly storeId: string;
  readonly environment: string;
  readonly rows: number;
  readonly files: number;
  /** Of the files. */
  readonly bytes: number;
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
}

/**
 * The next transaction of the new store is the one behind the snapshot's last. Changes nothing in
 * `directory`.
 *
 * Errors: SNAPSHOT_NOT_FOUND; INVALID_ARGUMENT if `to` is not empty; LOCKED; CORRUPT_RUN,
 * CORRUPT_LOG and MISSING_FILE for what the snapshot names; DISK_FULL; IO. After any of them there
 * is no store in `to`.
 */
export async function restoreSnapshot(options: RestoreOptions): Promise<Restored> {
  const { disk, to, writerId } = options;
  // Before anything is made for one that is not there.
  findSnapshot(options.manifest, options.name);
  assertEmpty(to, await listOrUndefined(disk, to), await isUsed(disk, to));
  await disk.createDirectory(to);
  await syncAncestors(disk, to);
  const ownership = await acquireOwnership(disk, `${to}/${LOCK_NAME}`, { writerId });
  try {
    const names = await disk.list(to);
    assertEmpty(to, names, await isUsed(disk, to));
    return await makeStore(options, names);
  } finally {
    await ownership.release();
  }
}

/** What a restore, or a creation, that was cut short has left counts as nothing. */
function assertEmpty(
  to: string,
  names: readonly string[] | undefined,
  used: boolean,
): asserts names is readonly string[] {
  const found = (names ?? []).filter((name) => name !== LOCK_NAME && !isPassingFileName(name));
  if (found.length === 0 || (found.includes(CREATING_NAME) && !used)) return;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `${to} is not empty (it has, for one, "${found[0]}"): a snapshot is restored into a new store`,
    { file: to },
  );
}

/** By the rule of recovery: with both slots, or one of a later generation, it is a store. */
async function isUsed(disk: Disk, directory: string): Promise<boolean> {
  const { slots, newest } = await readManifestSlots(disk, directory);
  const complete = slots.every(({ state }) => state === "valid");
  return complete || (newest !== undefined && newest.generation > 1);
}

async function makeStore(options: RestoreOptions, leftovers: readonly string[]): Promise<Restored> {
  const { disk, to } = options;
  await mark(disk, to);
  await removeAll(disk, to, leftovers);
  let result: Restored;
  try {
    result = await fill(options);
  } catch (error) {
    await undo(disk, to).catch(() => {});
    throw await reasonOf(options, error);
  }
  await disk.remove(`${to}/${CREATING_NAME}`);
  await disk.syncDirectory(to);
  return result;
}

async function mark(disk: Disk, to: string): Promise<void> {
  const marker = await disk.open(`${to}/${CREATING_NAME}`, { write: true, create: true });
  try {
    await marker.sync();
  } finally {
    await marker.close();
  }
  await disk.syncDirectory(to);
}

/** Manifests first: whatever is cut short, none is left that names what is gone. */
async function removeAll(disk: Disk, to: string, names: readonly string[]): Promise<void> {
  const manifests = names.filter((name) =>
    (MANIFEST_SLOT_NAMES as readonly string[]).includes(name),
  );
  for (const name of manifests) await disk.remove(`${to}/${name}`);
  if (manifests.length > 0) await disk.syncDirectory(to);
  for (const name of names) {
    const stays = name === LOCK_NAME || name === CREATING_NAME || manifests.includes(name);
    if (!stays) await disk.remove(`${to}/${name}`);
  }
}

/** The marker goes last: what cannot be removed stays beside it, and counts as nothing. */
async function undo(disk: Disk, to: string): Promise<void> {
  await removeAll(disk, to, await disk.list(to));
  await disk.syncDirectory(to);
  await disk.remove(`${to}/${CREATING_NAME}`);
}

const MAY_BE_DROPPED: readonly string[] = ["MISSING_FILE", "CORRUPT_RUN", "CORRUPT_LOG"];

/** A snapshot that was dropped meanwhile is no damage. */
async function reasonOf({ disk, directory, name }: RestoreOptions, error: unknown) {
  if (!(error instanceof HoldfastError) || !MAY_BE_DROPPED.includes(error.code)) return error;
  const { newest } = await readManifestSlots(disk, directory);
  try {
    if (newest !== undefined) findSnapshot(newest, name);
    return error;
  } catch (gone) {
    return gone;
  }
}

/** Rows, then a segment, then the manifest, which makes them a store. */
async function fill(options: RestoreOptions): Promise<Restored> {
  const { disk, directory, manifest, to, target, onProgress } = options;
  const snapshot = findSnapshot(manifest, options.name);
  const { alignment, settings } = await settingsOf(options);
  const id = disk.randomBytes(16);
  const storeId = toHex(id);
  const createdMicros = disk.clock.nowMicros();
  const source = { directory, manifest, snapshot };
  const made = await restoreRows(disk, source, { directory: to, storeId, ...target }, onProgress);
  const { segmentBytes, writerId, environment, framesInFlight, frameBytesMax } = settings;
  const header = { storeId: id, segmentId: 1, epoch: 1, alignment, segmentBytes, createdMicros };
  await createSegment(disk, to, { ...header, writerId });
  const { sequence } = snapshot;
  await createManifest(disk, to, {
    generation: 1,
    storeId,
    environment,
    createdMicros,
    epoch: 1,
    writer: writerOf(disk, settings),
    framesInFlight,
    frameBytesMax,
    methods: [],
    durableThrough: sequence,
    lastMicros: source.manifest.lastMicros,
    closed: true,
    segments: [openEntry({ id: 1, bytes: segmentBytes, recycled: false }, "active", 1, alignment)],
    tables: made.tables,
    replay: manifest.replay,
    state: {
      runs: runsOf(made, sequence),
      runsThrough: sequence,
      replayFrom: { segmentId: 0, offset: 0, sequence: sequence + 1, frameChecksum: 0 },
    },
    files: made.files,
    merge: null,
    snapshots: [],
    archives: [],
  });
  const { name, createdMicros: takenMicros } = snapshot;
  return {
    snapshot: { name, sequence, createdMicros: takenMicros },
    storeId,
    environment,
    rows: made.files.reduce((sum, file) => sum + file.rows, 0),
    files: made.files.length,
    bytes: made.files.reduce((sum, file) => sum + file.bytes, 0),
    tables: made.tables.map((table) => ({
      name: table.name,
      rows: made.rowsOf.get(table.id) ?? 0,
    })),
  };
}

/** One that was merged: it is the last, and has no deletions. */
function runsOf({ files }: RestoredRows, lastSequence: number): ManifestRun[] {
  const ids = files.map(({ id }) => id);
  const [id] = ids;
  return id === undefined ? [] : [{ id, tier: 1, firstSequence: 1, lastSequence, files: ids }];
}

async function settingsOf({ disk, to, manifest, ...options }: RestoreOptions) {
  const place = await disk.describe(to);
  const alignment = Math.max(512, place.directAlignment, place.physicalBlockBytes);
  const settings = {
    environment: options.environment ?? manifest.environment,
    allowEnvironmentChange: false,
    writerId: options.writerId,
    segmentBytes: options.segmentBytes ?? SEGMENT_BYTES_DEFAULT,
    frameBytesMax: FRAME_BYTES_MAX,
    framesInFlight: FRAMES_IN_FLIGHT_DEFAULT,
    alignment,
  };
  return { alignment, settings };
}

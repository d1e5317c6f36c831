/** Makes a new store that holds what a snapshot of another one holds. */
import { toHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import type { Manifest } from "../manifest/format.js";
import { readManifestSlots } from "../manifest/manifest.js";
import { type RestoreProgress, restoreRows } from "../snapshot/restore.js";
import type { RestoreTarget } from "../snapshot/snapshot-rows.js";
import { makeNewStore, publishContent } from "./new-store.js";
import { findSnapshot, type SnapshotInfo } from "./snapshots.js";
import { sharePacks } from "./transfer.js";

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
  // Before anything is made for one that is not there.
  findSnapshot(options.manifest, options.name);
  return makeNewStore(options, () =>
    fill(options).catch(async (error: unknown) => {
      throw await reasonOf(options, error);
    }),
  );
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

/** Rows, then what makes them a store. */
async function fill(options: RestoreOptions): Promise<Restored> {
  const { disk, directory, manifest, to, target, onProgress } = options;
  const snapshot = findSnapshot(manifest, options.name);
  const { name, sequence, createdMicros } = snapshot;
  const storeId = toHex(disk.randomBytes(16));
  const source = { directory, manifest, snapshot };
  const made = await restoreRows(disk, source, { directory: to, storeId, ...target }, onProgress);
  const packs = await sharePacks(disk, directory, to, manifest);
  const environment = options.environment ?? manifest.environment;
  const { lastMicros, replay } = manifest;
  await publishContent(
    { ...options, environment },
    { ...made, storeId, sequence, lastMicros, replay, packs },
  );
  return {
    snapshot: { name, sequence, createdMicros },
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

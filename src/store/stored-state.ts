/**
 * What a store holds, read without the lock and without the application's code: for the commands.
 * Changes nothing, and works beside whoever writes the store.
 */
import { fromHex } from "../base/bytes.js";
import type { TableDefinition } from "../codec/schema.js";
import { parseSchema } from "../codec/schema-description.js";
import type { Disk } from "../disk/disk.js";
import type { Manifest } from "../manifest/format.js";
import { scanLog } from "../recovery/scan.js";
import { BlockCache } from "../run/block-cache.js";
import { RunSet } from "../run/run-set.js";
import { Catalog } from "./catalog.js";
import { HeldState } from "./held-state.js";
import { Layers } from "./layers.js";
import { mayHaveChanged, readManifest, replayTail } from "./read-only.js";
import { Replayer } from "./replay.js";
import { findSnapshot } from "./snapshots.js";
import type { ReadTable } from "./table.js";

/** Whoever writes the store replaces files, and the end of the log, while they are read. */
const ATTEMPTS = 8;

/** Every block is read once, in order, and rows that were read may leave at once. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** A whole state, held open. */
export interface StoredState extends AsyncDisposable {
  readonly storeId: string;
  readonly environment: string;
  /** Shows every transaction up to this one. */
  readonly sequence: number;
  /** As the store has them, by name; the newest schema of each. */
  readonly tables: ReadonlyMap<string, TableDefinition>;
  /** One of `tables`. */
  table(definition: TableDefinition): ReadTable<unknown, unknown>;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens what the store holds now, or with `at` held when that snapshot was taken.
 *
 * Errors: NOT_A_STORE, SNAPSHOT_NOT_FOUND, FORMAT_VERSION, CORRUPT_MANIFEST, CORRUPT_LOG,
 * CORRUPT_RUN, MISSING_FILE, IO.
 */
export async function openStoredState(
  disk: Disk,
  directory: string,
  at?: string,
): Promise<StoredState> {
  for (let attempt = 1; ; attempt++) {
    const manifest = await readManifest(disk, directory);
    try {
      return await openFrom(disk, directory, manifest, at);
    } catch (error) {
      // A frame that was on its way when its place was read looks lost once a later one is there.
      if (attempt >= ATTEMPTS || !mayHaveChanged(error)) throw error;
    }
  }
}

async function openFrom(
  disk: Disk,
  directory: string,
  manifest: Manifest,
  at: string | undefined,
): Promise<StoredState> {
  const snapshot = at === undefined ? undefined : findSnapshot(manifest, at);
  const { runs: named, runsThrough } = snapshot?.state ?? manifest.state;
  const catalog = new Catalog(new Layers(CACHE_BYTES, disk));
  for (const { id, schemas } of manifest.tables) {
    for (const schema of schemas) catalog.declare(id, schema);
  }
  const runs = await RunSet.open({
    disk,
    directory,
    storeId: fromHex(manifest.storeId) as Uint8Array,
    runs: named,
    files: manifest.files,
    cache: new BlockCache(CACHE_BYTES),
  });
  try {
    catalog.openRuns(runs, runsThrough);
    const replayer = new Replayer(catalog);
    let sequence = snapshot?.sequence ?? 0;
    if (snapshot !== undefined) await replayTail(disk, directory, manifest, snapshot, replayer);
    else {
      const record = replayer.apply.bind(replayer);
      sequence = (await scanLog(disk, directory, manifest, { record })).lastSequence;
    }
    const definitions = catalog.list().map(({ schemas }) => parseSchema(schemas.at(-1)));
    catalog.bind(definitions);
    return new OpenedState(manifest, catalog, sequence, definitions, runs);
  } catch (error) {
    await runs.release();
    throw error;
  }
}

class OpenedState extends HeldState implements StoredState {
  readonly storeId: string;
  readonly environment: string;
  readonly tables: ReadonlyMap<string, TableDefinition>;

  constructor(
    { storeId, environment }: Manifest,
    catalog: Catalog,
    sequence: number,
    definitions: readonly TableDefinition[],
    runs: RunSet,
  ) {
    super(catalog, sequence, runs);
    this.storeId = storeId;
    this.environment = environment;
    this.tables = new Map(definitions.map((definition) => [definition.name, definition]));
  }
}

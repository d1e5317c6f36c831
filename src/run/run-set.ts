/** The runs that a store's state is made of, open for reading. */
import { assert } from "../base/assert.js";
import { HoldfastError } from "../base/errors.js";
import type { Checksum, Disk } from "../disk/disk.js";
import type { ManifestFile, ManifestRun } from "../manifest/format.js";
import type { BlockCache } from "./block-cache.js";
import { compareBytes } from "./entries.js";
import { RunCursor, type RunRange } from "./run-cursor.js";
import { type RowPlace, RunFile } from "./run-file.js";
import { firstFileAt } from "./run-source.js";

export interface RunSetOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly storeId: Uint8Array;
  /** The newest first, as in the manifest. */
  readonly runs: readonly ManifestRun[];
  /** At least those that the runs name. */
  readonly files: readonly ManifestFile[];
  readonly cache: BlockCache;
  /** Files that it has open, too, are shared with it. */
  readonly previous?: RunSet;
  /** See `RunFile.open`. */
  readonly lazily?: boolean;
}

/** Never changes. Holds its files until it was released as often as retained. */
export class RunSet {
  readonly runs: readonly ManifestRun[];
  readonly #checksum: Checksum;
  readonly #cache: BlockCache;
  /** The files of each run, in the order of their keys. */
  readonly #files: readonly (readonly RunFile[])[];
  /** 1 for each table that may have a key in a file. */
  readonly #tables: Uint8Array;
  #references = 1;

  private constructor(
    runs: readonly ManifestRun[],
    files: readonly (readonly RunFile[])[],
    checksum: Checksum,
    cache: BlockCache,
  ) {
    this.runs = runs;
    this.#files = files;
    this.#checksum = checksum;
    this.#cache = cache;
    this.#tables = tablesOf(files.flat());
  }

  /**
   * Opens the files that `previous` does not have, all at once. After a failure nothing stays open.
   * Throws MISSING_FILE, CORRUPT_RUN, CORRUPT_MANIFEST, FORMAT_VERSION or IO.
   */
  static async open(options: RunSetOptions): Promise<RunSet> {
    const { disk, runs, previous } = options;
    const byId = new Map(options.files.map((file) => [file.id, file]));
    const wanted = runs.map((run) => filesOf(run, byId));
    const opened = new Map<number, RunFile>();
    if (previous !== undefined) {
      assert(previous.#references > 0, "the set before is open");
      const shared = new Set(wanted.flat().map((file) => file.id));
      for (const file of previous.#files.flat()) {
        if (!shared.has(file.file.id) || opened.has(file.file.id)) continue;
        if (file.file.checksum !== byId.get(file.file.id)?.checksum) continue;
        file.retain();
        opened.set(file.file.id, file);
      }
    }
    const missing = new Map(
      wanted
        .flat()
        .filter((file) => !opened.has(file.id))
        .map((file) => [file.id, file]),
    );
    const opening = [...missing.values()].map((file) => RunFile.open({ ...options, file }));
    const results = await Promise.allSettled(opening);
    for (const result of results) {
      if (result.status === "fulfilled") opened.set(result.value.file.id, result.value);
    }
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) {
      for (const file of opened.values()) await file.release();
      throw failed.reason;
    }
    const files = wanted.map((list) => list.map((file) => opened.get(file.id) as RunFile));
    return new RunSet(runs, files, disk.checksum, options.cache);
  }

  /** The files of a run, in the order of their keys; `i` 0 for the newest run. */
  filesOf(i: number): readonly RunFile[] {
    return this.#files[i] as readonly RunFile[];
  }

  /**
   * Looks the full key `key[0, keyEnd)` up in one run after the other, the newest first. True if
   * one has it; `place.end` is -1 if it was deleted. Throws CORRUPT_RUN or IO.
   */
  get(key: Uint8Array, keyEnd: number, place: RowPlace): boolean {
    assert(this.#references > 0, "the set is open");
    let hash = -1;
    for (const files of this.#files) {
      const file = files[firstFileAt(files, key, keyEnd)];
      if (file === undefined) continue;
      const { firstKey } = file.file;
      if (compareBytes(firstKey, 0, firstKey.length, key, 0, keyEnd) > 0) continue;
      if (hash < 0) hash = this.#checksum.crc32c(key, 0, keyEnd);
      if (file.find(key, keyEnd, hash, place)) return true;
    }
    return false;
  }

  /** False if no file has a key of that table. */
  mayHoldTable(tableId: number): boolean {
    return this.#tables[tableId] === 1;
  }

  /** Length of the files that hold nothing but that table, in all runs. */
  bytesOfTable(tableId: number): number {
    let bytes = 0;
    for (const { file } of this.#files.flat()) {
      if (tableOf(file.firstKey) === tableId && tableOf(file.lastKey) === tableId) {
        bytes += file.bytes;
      }
    }
    return bytes;
  }

  /** The keys of a range in order, of each the newest row. */
  cursor(range: RunRange): RunCursor {
    assert(this.#references > 0, "the set is open");
    return new RunCursor(this.#files, range, this.#cache);
  }

  /** One user more, who must `release` it. */
  retain(): void {
    assert(this.#references > 0, "a set that was let go of cannot be had again");
    this.#references++;
  }

  /** The last one lets go of the files. */
  async release(): Promise<void> {
    assert(this.#references > 0, "a set is let go of as often as it was retained");
    this.#references--;
    if (this.#references > 0) return;
    const files = new Set(this.#files.flat());
    await Promise.all([...files].map((file) => file.release()));
  }
}

/** The manifest's description of a run's files; their ranges of keys must ascend. */
function filesOf(run: ManifestRun, byId: ReadonlyMap<number, ManifestFile>): ManifestFile[] {
  const files = run.files.map((id) => {
    const file = byId.get(id);
    if (file === undefined) throw badManifest(`run ${run.id} names file ${id}, which it has not`);
    return file;
  });
  files.forEach((file, i) => {
    const { firstKey, lastKey } = file;
    const before = files[i - 1]?.lastKey;
    const inOrder =
      compareBytes(firstKey, 0, firstKey.length, lastKey, 0, lastKey.length) <= 0 &&
      (before === undefined ||
        compareBytes(before, 0, before.length, firstKey, 0, firstKey.length) < 0);
    if (!inOrder)
      throw badManifest(`the files of run ${run.id} are not in the order of their keys`);
  });
  return files;
}

function badManifest(what: string): HoldfastError {
  return new HoldfastError("CORRUPT_MANIFEST", `the manifest contradicts itself: ${what}`);
}

/** Every table from the first to the last of each file. */
function tablesOf(files: readonly RunFile[]): Uint8Array {
  const tables = new Uint8Array(0x1_0000);
  for (const { file } of files) {
    tables.fill(1, tableOf(file.firstKey), tableOf(file.lastKey) + 1);
  }
  return tables;
}

function tableOf(fullKey: Uint8Array): number {
  return (fullKey[0]! << 8) | fullKey[1]!;
}

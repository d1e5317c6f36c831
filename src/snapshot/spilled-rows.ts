/** The newest operation of each key of a piece of the log, as runs, within bounded memory. */

import { fromHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { LogOperation } from "../log/record.js";
import type { ManifestFile, ManifestRun } from "../manifest/format.js";
import { BlockCache } from "../run/block-cache.js";
import { runFileName } from "../run/format.js";
import { RunSet } from "../run/run-set.js";
import { BaseRows, misfitText } from "./base-rows.js";
import type { JobContext } from "./context.js";
import { type BaseRow, NewestRows } from "./newest-rows.js";
import { type RunOutputOptions, withOutput } from "./run-output.js";

/** The row that a full key has below all of the log that is read. */
export type FindBase = (fullKey: Uint8Array) => BaseRow | undefined;

/** What was spilled is looked into for patches only. */
const CACHE_BYTES = 4 * 1024 * 1024;

export class SpilledRows {
  readonly #arenaBytes: number;
  readonly #context: JobContext;
  /** For the next run: with ids that no file has. */
  readonly #output: () => RunOutputOptions;
  /** Where patches are applied to, that this has nothing for. */
  base: FindBase = () => undefined;
  /** What `base` gives may have had some of the patches. */
  again = false;
  /** Told of patches that are of no row; without it they are CORRUPT_LOG. */
  refused: (fullKey: Uint8Array, why: string) => void = (fullKey, why) => {
    throw new HoldfastError("CORRUPT_LOG", misfitText(fullKey, why));
  };
  readonly #spilled: { readonly run: ManifestRun; readonly files: readonly ManifestFile[] }[] = [];
  #rows: NewestRows;

  constructor(arenaBytes: number, context: JobContext, output: () => RunOutputOptions) {
    this.#arenaBytes = arenaBytes;
    this.#context = context;
    this.#output = output;
    this.#rows = new NewestRows(arenaBytes);
  }

  /** The newest first; without what has not been spilled. */
  get runs(): ManifestRun[] {
    return this.#spilled.map(({ run }) => run);
  }

  get files(): ManifestFile[] {
    return this.#spilled.flatMap(({ files }) => files);
  }

  /** It is time for `spill`. */
  get full(): boolean {
    return this.#rows.full;
  }

  /** Notes a put, a patch or a deletion; why it is none of the row before, if that is so. */
  set(bytes: Uint8Array, operation: LogOperation): string | undefined {
    return this.#rows.set(bytes, operation);
  }

  async #resolve(rows: NewestRows): Promise<void> {
    if (!rows.incomplete) return;
    const { directory, storeId } = this.#output();
    const { disk } = this.#context;
    const { runs, files } = this;
    const id = fromHex(storeId) as Uint8Array;
    const cache = new BlockCache(CACHE_BYTES);
    const set = await RunSet.open({ disk, directory, storeId: id, runs, files, cache });
    const spilled = new BaseRows([set]);
    try {
      rows.resolve(
        (key) => (spilled.has(key) ? spilled.find(key) : this.base(key)),
        this.refused,
        this.again,
      );
    } finally {
      await spilled.release();
    }
  }

  /** Deletions too: they count for what the runs below have. */
  async spill(): Promise<void> {
    const rows = this.#rows;
    if (rows.size === 0) return;
    this.#rows = new NewestRows(this.#arenaBytes);
    await this.#resolve(rows);
    const { bytes } = rows;
    const files = await withOutput(this.#output(), this.#context, async (output) => {
      for (const { keyStart, keyEnd, rowEnd, schemaVersion } of rows.sorted()) {
        let { writer } = output;
        if (writer === undefined) writer = await output.open();
        writer.add(bytes, keyStart, keyEnd, schemaVersion, bytes, keyEnd, rowEnd);
        if (output.due) await output.flush();
      }
      return output.finish();
    });
    const ids = files.map(({ id }) => id);
    const run = { id: ids[0] as number, tier: 0, firstSequence: 1, lastSequence: 1, files: ids };
    this.#spilled.unshift({ run, files });
  }

  /** Forgets everything, and removes its files from the directory that they are in. */
  async drop(directory: string): Promise<void> {
    this.#rows = new NewestRows(this.#arenaBytes);
    const { disk } = this.#context;
    for (const { id } of this.files) await disk.remove(`${directory}/${runFileName(id)}`);
    this.#spilled.length = 0;
  }
}

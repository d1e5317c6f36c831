/** The newest operation of each key of a piece of the log, as runs, within bounded memory. */
import type { LogOperation } from "../log/record.js";
import type { ManifestFile, ManifestRun } from "../manifest/format.js";
import { runFileName } from "../run/format.js";
import type { JobContext } from "./context.js";
import { NewestRows } from "./newest-rows.js";
import { type RunOutputOptions, withOutput } from "./run-output.js";

export class SpilledRows {
  readonly #arenaBytes: number;
  readonly #context: JobContext;
  /** For the next run: with ids that no file has. */
  readonly #output: () => RunOutputOptions;
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

  /** Notes a put or a deletion. */
  set(bytes: Uint8Array, operation: LogOperation, isPut: boolean): void {
    this.#rows.set(bytes, operation, isPut);
  }

  /** Deletions too: they count for what the runs below have. */
  async spill(): Promise<void> {
    const rows = this.#rows;
    if (rows.size === 0) return;
    this.#rows = new NewestRows(this.#arenaBytes);
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

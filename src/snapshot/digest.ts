/**
 * One number for all that a store holds at a transaction: two stores with the same rows have the
 * same one, however their rows are spread over runs and log.
 */
import { createHash } from "node:crypto";
import { RunCursor } from "../run/run-cursor.js";
import type { RunFile } from "../run/run-file.js";
import { describeFailure, type JobContext, pause } from "./context.js";
import type { DigestJob, DigestResult } from "./jobs.js";
import { SnapshotRows } from "./snapshot-rows.js";

const ROWS_PER_PAUSE = 1024;

/** What the digest is made of waits here until it is worth a call. */
const PIECE_BYTES = 64 * 1024;

/**
 * SHA-256 over every row in the order of the keys: the lengths of key and row and the version of
 * its schema, each in four bytes little-endian, then key and row as they are stored. Waits for the
 * budget; writes only where the log behind the runs has more rows than memory may hold.
 */
export async function digest(job: DigestJob, context: JobContext): Promise<DigestResult> {
  const since = context.disk.clock.monotonicMicros();
  try {
    const target = { directory: job.scratch, storeId: job.source.manifest.storeId };
    const rows = new SnapshotRows(context, job.source, { ...target, ...job.bounds });
    const result = await rows.use((inputs) => digestOf(inputs, context));
    return { ...result, totalMicros: context.disk.clock.monotonicMicros() - since };
  } catch (error) {
    throw describeFailure(error, "a digest");
  }
}

async function digestOf(
  inputs: readonly (readonly RunFile[])[],
  context: JobContext,
): Promise<Omit<DigestResult, "totalMicros">> {
  const { budget, signal } = context;
  const files = inputs.flat().map(({ file }) => file);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const rowsMax = files.reduce((sum, file) => sum + file.rows, 0);
  // Reading is counted as it goes, in proportion to the rows.
  const bytesPerRow = rowsMax === 0 ? 0 : bytes / rowsMax;
  const hash = new RowHash();
  const cursor = new RunCursor(inputs, { keep: false });
  let rows = 0;
  while (cursor.next()) {
    hash.add(cursor);
    if (++rows % ROWS_PER_PAUSE !== 0) continue;
    budget.count(Math.round(ROWS_PER_PAUSE * bytesPerRow), 0);
    await budget.wait(signal);
    await pause(context);
  }
  return { digest: hash.finish(), rows };
}

class RowHash {
  readonly #hash = createHash("sha256");
  readonly #piece = Buffer.alloc(PIECE_BYTES);
  #used = 0;

  add({ key, keyStart, keyEnd, schemaVersion, row, rowStart, rowEnd }: RunCursor): void {
    if (this.#used + 12 > PIECE_BYTES) this.#flush();
    this.#used = this.#piece.writeUInt32LE(keyEnd - keyStart, this.#used);
    this.#used = this.#piece.writeUInt32LE(rowEnd - rowStart, this.#used);
    this.#used = this.#piece.writeUInt32LE(schemaVersion, this.#used);
    this.#take(key.subarray(keyStart, keyEnd));
    this.#take(row.subarray(rowStart, rowEnd));
  }

  finish(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  #take(bytes: Uint8Array): void {
    if (this.#used + bytes.length > PIECE_BYTES) this.#flush();
    if (bytes.length > PIECE_BYTES) {
      this.#hash.update(bytes);
      return;
    }
    this.#piece.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #flush(): void {
    this.#hash.update(this.#piece.subarray(0, this.#used));
    this.#used = 0;
  }
}

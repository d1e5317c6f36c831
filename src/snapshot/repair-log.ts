/**
 * What the log says of a range of keys, from archives and segments, as runs that are yet to be
 * merged.
 */
import { HoldfastError } from "../base/errors.js";
import { OPERATION } from "../log/format.js";
import { type LogOperation, type LogRecord, walkOperations, walkRecords } from "../log/record.js";
import type { ManifestFile, ManifestRun } from "../manifest/format.js";
import { BaseRows, misfitText } from "./base-rows.js";
import { checkCancelled, type JobContext, pause } from "./context.js";
import type { RepairJob } from "./jobs.js";
import { LogCursor } from "./log-cursor.js";
import { NewestRows } from "./newest-rows.js";
import { readArchive } from "./read-archive.js";
import type { LogPiece, RunsInRange } from "./repair-plan.js";
import { withOutput } from "./run-output.js";

export class RepairLog {
  /** The newest first. */
  readonly runs: ManifestRun[] = [];
  readonly files: ManifestFile[] = [];
  bytesRead = 0;
  readonly #job: RepairJob;
  readonly #context: JobContext;
  readonly #through: number;
  #rows: NewestRows;
  /** The transaction that comes next. */
  #next: number;
  #link: number | undefined;
  #fault: string | undefined;
  /** Why a patch is none of the row before it. */
  #misfit: string | undefined;

  constructor(job: RepairJob, context: JobContext) {
    const { after, through } = job.source;
    this.#job = job;
    this.#context = context;
    this.#next = after + 1;
    this.#through = through;
    this.#rows = new NewestRows(job.arenaBytes);
  }

  /** Throws MISSING_FILE, CORRUPT_LOG or IO where it does not have all that is wanted. */
  async read(): Promise<void> {
    let lastId = 0;
    for (const piece of this.#job.source.log) {
      if (this.#next > this.#through) break;
      const { id } = piece.kind === "archive" ? piece.archive : piece.segment;
      // Something may be missing in between: the sequences tell.
      if (id !== lastId + 1) this.#link = undefined;
      lastId = id;
      await this.#readPiece(piece);
      if (this.#fault !== undefined) throw new HoldfastError("MISSING_FILE", this.#fault);
    }
    if (this.#next <= this.#through) {
      throw new HoldfastError("MISSING_FILE", `the log has no transaction ${this.#next}`);
    }
    await this.#spill();
  }

  #readPiece(piece: LogPiece): Promise<void> {
    return piece.kind === "archive"
      ? this.#readArchive(piece.archive)
      : this.#readSegment(piece.segment);
  }

  async #readArchive(archive: (LogPiece & { kind: "archive" })["archive"]): Promise<void> {
    const { directory, storeId } = this.#job;
    const { disk, budget, signal } = this.#context;
    const { bytesRead, frameChecksum } = await readArchive({
      disk,
      directory,
      storeId,
      archive,
      previousChecksum: this.#link,
      visit: this.#visit,
      check: async () => {
        await budget.wait(signal);
        await this.#pause();
      },
    });
    this.#link = frameChecksum;
    this.bytesRead += bytesRead;
    budget.count(bytesRead, 0);
  }

  async #readSegment(segment: (LogPiece & { kind: "segment" })["segment"]): Promise<void> {
    const { directory, storeId } = this.#job;
    const { budget, signal } = this.#context;
    const place = { segmentId: segment.id, offset: segment.alignment };
    const range = {
      directory,
      storeId,
      segments: [segment],
      from: { ...place, sequence: this.#next, frameChecksum: this.#link ?? 0 },
      end: { segmentId: segment.id, bytes: Number.MAX_SAFE_INTEGER },
      // Of the first piece nobody knows what was before it.
      anyLink: this.#link === undefined,
    };
    const cursor = new LogCursor(range, this.#context);
    try {
      while (this.#next <= this.#through && this.#fault === undefined) {
        const frame = await cursor.peek();
        if (frame === undefined) break;
        const { bytes, view, position, header } = frame;
        const wrong = walkRecords(bytes, view, position, header, this.#visit);
        if (wrong !== undefined) throw cursor.corrupt(wrong);
        this.#link = header.checksum;
        cursor.advance(header);
        await budget.wait(signal);
        if (this.#rows.full) await this.#pause();
      }
    } finally {
      await cursor.close();
      this.bytesRead += cursor.bytesRead;
    }
    checkCancelled(this.#context);
  }

  readonly #visit = (record: LogRecord): void => {
    if (record.sequence < this.#next || this.#next > this.#through) return;
    if (record.sequence > this.#next) {
      this.#fault ??= `the log has no transaction ${this.#next}`;
      return;
    }
    this.#next++;
    const wrong = walkOperations(record, (operation) => this.#take(record.bytes, operation));
    if (wrong === undefined && this.#misfit === undefined) return;
    const { sequence } = record;
    throw new HoldfastError("CORRUPT_LOG", `transaction ${sequence}: ${wrong ?? this.#misfit}`, {
      sequence,
    });
  };

  #take(bytes: Uint8Array, operation: LogOperation): void {
    if (operation.kind === OPERATION.declare) return;
    const { firstKey, lastKey } = this.#job.file;
    if (compareKey(bytes, operation, firstKey) < 0) return;
    if (compareKey(bytes, operation, lastKey) > 0) return;
    this.#misfit ??= this.#rows.set(bytes, operation);
  }

  async #pause(): Promise<void> {
    if (this.#rows.full) await this.#spill();
    await pause(this.#context);
  }

  /** Deletions too: they count for what is older. */
  async #spill(): Promise<void> {
    const rows = this.#rows;
    if (rows.size === 0) return;
    this.#rows = new NewestRows(this.#job.arenaBytes);
    await this.#resolve(rows);
    const { bytes } = rows;
    const files = await withOutput(this.outputOptions, this.#context, async (output) => {
      for (const { keyStart, keyEnd, rowEnd, schemaVersion } of rows.sorted()) {
        let { writer } = output;
        if (writer === undefined) writer = await output.open();
        writer.add(bytes, keyStart, keyEnd, schemaVersion, bytes, keyEnd, rowEnd);
        if (output.due) await output.flush();
      }
      return output.finish();
    });
    this.files.push(...files);
    const ids = files.map(({ id }) => id);
    const { firstSequence, lastSequence } = this.#job;
    this.runs.unshift({ id: ids[0] as number, tier: 0, firstSequence, lastSequence, files: ids });
  }

  /** What patches are of stands in what was spilled before, or under all of it. */
  async #resolve(rows: NewestRows): Promise<void> {
    if (!rows.incomplete) return;
    const { directory, storeId, source } = this.#job;
    const { disk } = this.#context;
    const open = (where: RunsInRange) => BaseRows.open(disk, directory, storeId, where);
    const spilled = await open(this);
    const under = await open(source.under).catch(async (error: unknown) => {
      await spilled.release();
      throw error;
    });
    try {
      rows.resolve(
        (key) => (spilled.has(key) ? spilled.find(key) : under.find(key)),
        (key, why) => {
          throw new HoldfastError("MISSING_FILE", misfitText(key, why));
        },
      );
    } finally {
      await spilled.release();
      await under.release();
    }
  }

  /** For what is written next: with ids that nothing of this has. */
  get outputOptions() {
    const { fileIds } = this.#job;
    const used = this.files.length;
    return {
      ...this.#job,
      fileIds: { first: fileIds.first + used, count: fileIds.count - used },
    };
  }
}

/** Compares the full key of an operation with another one. */
function compareKey(bytes: Uint8Array, operation: LogOperation, other: Uint8Array): number {
  const { tableId, keyStart, keyEnd } = operation;
  const table = tableId - (((other[0] as number) << 8) | (other[1] as number));
  if (table !== 0) return table;
  return Buffer.compare(bytes.subarray(keyStart, keyEnd), other.subarray(2));
}

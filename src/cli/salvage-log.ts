/**
 * What the log of a damaged store says: all changes from one transaction to another without a gap,
 * for the state, and what stands behind the first gap, which is told apart.
 */
import { errnoCode, isHoldfastError } from "../base/errors.js";
import { OPERATION } from "../log/format.js";
import { type LogOperation, type LogRecord, walkOperations, walkRecords } from "../log/record.js";
import type { ManifestArchive } from "../manifest/format.js";
import { archiveFileName } from "../snapshot/archive-format.js";
import { readArchive } from "../snapshot/read-archive.js";
import type { RestoredTables } from "../snapshot/restored-tables.js";
import type { SpilledRows } from "../snapshot/spilled-rows.js";
import type { StoreView } from "./read-store.js";
import type { SalvageSource } from "./salvage-source.js";
import { type Gap, walkLog } from "./walk-log.js";

/** Transactions behind those of the state that cannot be had, or not be used. */
export interface LostTransactions {
  readonly file: string;
  readonly offset: number;
  readonly first: number;
  /** Null: and on, as far as there were any. */
  readonly last: number | null;
  readonly why: string;
}

export interface LogReadingOptions {
  /** With the segments that the manifest does not know, where they go on. */
  readonly store: StoreView;
  readonly source: SalvageSource;
  /** Changes from this transaction on are wanted; those behind the runs always are. */
  readonly wantedFrom: number;
  readonly rows: SpilledRows;
  /** Learns what is declared up to the last transaction of the state. */
  readonly tables: RestoredTables;
  readonly directory: string;
  /** A transaction of the state, as it is read. */
  readonly onRecord: (record: LogRecord) => void;
  /** A patch that is none of the row which its key has. */
  readonly onMisfit: (bytes: Uint8Array, operation: LogOperation, why: string) => void;
  /** One behind the first gap. */
  readonly onBeyond: (record: LogRecord) => void;
}

interface Place {
  readonly file: string;
  readonly offset: number;
}

export class SalvageLog {
  readonly lost: LostTransactions[] = [];
  /** Of the last transaction of the state; 0 if it is in the runs. */
  lastMicros = 0;
  readonly #o: LogReadingOptions;
  /** `rows` has all changes from this transaction up to the one before `#next`. */
  #from: number;
  #next: number;
  /** The last transaction of the state, once the log has broken off behind it. */
  #end: number | undefined;
  /** The next frame does not continue what was read before. */
  #breaksOff = false;

  constructor(options: LogReadingOptions) {
    this.#o = options;
    this.#from = Math.min(options.wantedFrom, options.source.runsThrough + 1);
    this.#next = this.#from;
  }

  /** The log is there from this transaction on. */
  get from(): number {
    return this.#from;
  }

  /** The last transaction of the state. */
  get sequence(): number {
    return this.#end ?? Math.max(this.#next - 1, this.#o.source.runsThrough);
  }

  async read(): Promise<void> {
    const { source } = this.#o;
    for (const archive of [...source.archives].sort((a, b) => a.id - b.id)) {
      if (archive.lastSequence >= this.#next) await this.#archive(archive);
    }
    for await (const event of walkLog(this.#o.store)) {
      if (event.kind === "gap") await this.#gap(event.gap);
      if (event.kind !== "frame") continue;
      const { header, bytes, view, position } = event.frame;
      const at = { file: event.segment.path, offset: header.offset };
      if (header.recordCount > 0) await this.#reach(header.firstSequence, at);
      walkRecords(bytes, view, position, header, (record) => this.#take(record, at));
      await this.#settle();
    }
    if (this.#end === undefined && this.#next <= source.runsThrough) await this.#finish();
  }

  async #archive(archive: ManifestArchive): Promise<void> {
    const { store, source } = this.#o;
    const { disk, directory } = store;
    const at = { file: `${directory}/${archiveFileName(archive.id)}`, offset: 0 };
    await this.#reach(archive.firstSequence, at);
    try {
      await readArchive({
        disk,
        directory,
        storeId: source.storeId,
        archive,
        visit: (record) => this.#take(record, at),
        check: () => this.#settle(),
      });
    } catch (error) {
      if (isHoldfastError(error, "DISK_FULL")) throw error;
      // What comes next shows what is missing.
      if (!isHoldfastError(error) && errnoCode(error) === undefined) throw error;
    }
    await this.#settle();
  }

  async #settle(): Promise<void> {
    if (this.#o.rows.full) await this.#o.rows.spill();
  }

  /** Before the records of a frame, the first of which has that sequence. */
  async #reach(sequence: number, at: Place): Promise<void> {
    const { rows, source, directory } = this.#o;
    const { runsThrough } = source;
    if (this.#end !== undefined || (sequence <= this.#next && !this.#breaksOff)) return;
    this.#breaksOff = false;
    if (sequence - 1 > runsThrough) {
      const first = Math.max(this.#next, runsThrough + 1);
      this.lost.push({ ...at, first, last: sequence - 1, why: "nothing has them" });
      await this.#finish();
      return;
    }
    // What was read does not reach to here, and the runs have it.
    await rows.drop(directory);
    this.#from = sequence;
    this.#next = sequence;
  }

  /** The state ends before the transaction that was to come. */
  async #finish(): Promise<void> {
    const { rows, source, directory } = this.#o;
    this.#end = Math.max(this.#next - 1, source.runsThrough);
    if (this.#next > source.runsThrough) return;
    await rows.drop(directory);
    this.#from = source.runsThrough + 1;
  }

  async #gap({ file, offset, sequence, lastSequence, why }: Gap): Promise<void> {
    const { runsThrough } = this.#o.source;
    // Archives have had it.
    if (lastSequence !== undefined && sequence < this.#next && lastSequence < this.#next) return;
    if (lastSequence === undefined || Math.max(sequence, lastSequence) > runsThrough) {
      const first = Math.max(sequence, runsThrough + 1);
      this.lost.push({ file, offset, first, last: lastSequence ?? null, why });
      if (this.#end === undefined) await this.#finish();
    } else {
      this.#breaksOff = true;
    }
  }

  #take(record: LogRecord, at: Place): void {
    const { sequence } = record;
    // The second: what follows a malformed one in its frame.
    if (sequence < this.#next || (this.#breaksOff && this.#end === undefined)) return;
    const malformed = walkOperations(record, () => {});
    if (malformed !== undefined) {
      this.#malformed(sequence, at, malformed);
      return;
    }
    this.#next = sequence + 1;
    if (this.#end !== undefined) this.#o.onBeyond(record);
    else this.#apply(record);
  }

  #malformed(sequence: number, at: Place, what: string): void {
    const { runsThrough } = this.#o.source;
    if (this.#end === undefined && sequence <= runsThrough) {
      this.#breaksOff = true;
      return;
    }
    const why = `its checksum is good, and it is none: ${what}`;
    this.lost.push({ ...at, first: sequence, last: sequence, why });
    this.#end ??= sequence - 1;
    this.#next = sequence + 1;
  }

  #apply(record: LogRecord): void {
    const { rows, tables, onRecord } = this.#o;
    const { bytes, sequence, timeMicros } = record;
    if (sequence > this.#o.source.runsThrough) this.lastMicros = timeMicros;
    onRecord(record);
    walkOperations(record, (operation) => {
      if (operation.kind !== OPERATION.declare) {
        const misfit = rows.set(bytes, operation);
        if (misfit !== undefined) this.#o.onMisfit(bytes, operation, misfit);
        return;
      }
      const { tableId, keyEnd, rowEnd } = operation;
      tables.declare(tableId, Buffer.from(bytes.subarray(keyEnd, rowEnd)).toString("utf8"));
    });
  }
}

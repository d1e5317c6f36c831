/** Turns records into text: of the transactions that are asked for, each once. */
import type { Annotation } from "../index.js";
import { annotationOf } from "../log/annotation.js";
import { type LogRecord, walkRecords } from "../log/record.js";
import type { ManifestArchive } from "../manifest/format.js";
import { type AnnotationFlags, annotationLines, matchesFlags } from "./annotation-text.js";
import { formatRange, formatTime } from "./output.js";
import type { SegmentView, StoreView } from "./read-store.js";
import { type ReadableOperation, ReadableTables } from "./readable-tables.js";
import type { FrameBytes } from "./segment-frames.js";
import type { Gap } from "./walk-log.js";

export interface LogFlags extends AnnotationFlags {
  readonly from?: number;
  readonly to?: number;
  readonly table?: string;
  readonly limit?: number;
  readonly json?: boolean;
}

/** Where a record stands. */
export interface RecordPlace {
  readonly writer: string | null;
  readonly epoch: number | null;
  readonly file: string;
  /** Of its frame; null in an archive, where frames are compressed. */
  readonly offset: number | null;
}

export class LogPrinter {
  /** Nothing that comes later is wanted. */
  done = false;
  readonly #tables: ReadableTables;
  readonly #flags: LogFlags;
  readonly #note: (text: string) => void;
  readonly #writerOfStore: string | undefined;
  /** Those before have been printed, or told to be missing. */
  #next = 1;
  #hasBegun = false;
  #printed = 0;

  constructor(store: StoreView, flags: LogFlags, note: (text: string) => void) {
    this.#tables = new ReadableTables(store.manifest);
    this.#flags = flags;
    this.#note = note;
    this.#writerOfStore = store.manifest?.writer.writerId;
    this.#next = Math.max(1, flags.from ?? 1);
    if (flags.limit === 0) this.done = true;
  }

  /** There may be something in it to print. */
  wants({ lastSequence }: ManifestArchive): boolean {
    return lastSequence >= this.#next;
  }

  /** All that the gap concerns has been printed: in a store in use it was whole before. */
  hasPassed({ lastSequence }: Gap): boolean {
    return lastSequence !== undefined && lastSequence < this.#next;
  }

  gap({ lastSequence }: Gap): void {
    this.#hasBegun = true;
    if (lastSequence !== undefined) this.#next = Math.max(this.#next, lastSequence + 1);
  }

  /** The log ends with that transaction. */
  end(lastSequence: number): void {
    if (lastSequence >= this.#next) this.#skip(lastSequence + 1);
  }

  frame(segment: SegmentView, { header, bytes, view, position }: FrameBytes): string {
    const lines: string[] = [];
    const place = {
      writer: segment.header?.writerId ?? null,
      epoch: segment.place?.epoch ?? null,
      file: segment.name,
      offset: header.offset,
    };
    walkRecords(bytes, view, position, header, (record) => this.record(place, record, lines));
    return lines.join("");
  }

  /** Adds what there is to print of a record. */
  record(place: RecordPlace, record: LogRecord, lines: string[]): void {
    const { to = Number.MAX_SAFE_INTEGER, limit, table, json } = this.#flags;
    if (this.done) return;
    if (record.sequence > to) {
      this.done = true;
      return;
    }
    // Always read, so that schemas declared on the way are known.
    const operations: ReadableOperation[] = [];
    const wanted = record.sequence >= this.#next;
    const problem = this.#tables.walk(record, (operation) => {
      if (wanted && (table === undefined || operation.table === table)) operations.push(operation);
    });
    if (!wanted) return;
    if (record.sequence > this.#next) this.#skip(record.sequence);
    this.#hasBegun = true;
    this.#next = record.sequence + 1;
    if (table !== undefined && operations.length === 0) return;
    const { annotation, unreadable } = readAnnotation(record);
    if (!matchesFlags(annotation, this.#flags)) return;
    const { writer, epoch, file, offset } = place;
    const wrong = problem ?? unreadable;
    const entry = {
      sequence: record.sequence,
      time: formatTime(record.timeMicros),
      writer: writer ?? this.#writerOfStore ?? null,
      epoch,
      file,
      offset,
      ...annotation,
      operations,
      ...(wrong !== undefined && { problem: wrong }),
    };
    lines.push(json ? `${JSON.stringify(entry)}\n` : formatEntry(entry));
    this.#printed++;
    if (this.#printed === limit || record.sequence === to) this.done = true;
  }

  /** Nobody needs them one by one any more. */
  #skip(to: number): void {
    const missing = formatRange(this.#next, to - 1);
    const begins = this.#hasBegun ? "" : `; history begins with transaction ${to}`;
    this.#note(`not kept one by one, their rows are in runs: transactions ${missing}${begins}`);
    this.#next = to;
    this.#hasBegun = true;
  }
}

/** Never throws: what cannot be read is told. */
function readAnnotation(record: LogRecord): { annotation?: Annotation; unreadable?: string } {
  try {
    const annotation = annotationOf(record);
    return annotation === undefined ? {} : { annotation };
  } catch (error) {
    return { unreadable: (error as Error).message };
  }
}

interface Entry extends Annotation {
  readonly sequence: number;
  readonly time: string;
  readonly writer: string | null;
  readonly operations: readonly ReadableOperation[];
  readonly problem?: string;
}

function formatEntry(entry: Entry): string {
  const { sequence, time, writer, operations, problem } = entry;
  const lines = [`${sequence}  ${time}  ${writer ?? "unknown writer"}`];
  for (const line of annotationLines(entry)) lines.push(`    ${line}`);
  for (const operation of operations) lines.push(`    ${formatOperation(operation)}`);
  if (problem !== undefined) lines.push(`    malformed: ${problem}`);
  return `${lines.join("\n")}\n`;
}

function formatOperation({
  operation,
  table,
  version,
  key,
  row,
  fields,
  problem,
  schema,
}: ReadableOperation) {
  const parts: string[] = [operation, table];
  if (operation === "declare") parts.push(`version ${version}`, JSON.stringify(schema));
  else parts.push(JSON.stringify(key));
  if (row !== undefined) parts.push(JSON.stringify(row));
  if (fields !== undefined) parts.push(JSON.stringify(fields));
  if (problem !== undefined) parts.push(`(${problem})`);
  return parts.join(" ");
}

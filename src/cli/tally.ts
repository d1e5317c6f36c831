/** Counts what is in a log: frames and transactions of each segment, rows of each table. */
import type { SchemaDescription } from "../codec/schema-description.js";
import type { Json } from "../codec/value-json.js";
import { OPERATION } from "../log/format.js";
import { type LogRecord, walkOperations, walkRecords } from "../log/record.js";
import type { Manifest } from "../manifest/format.js";
import { formatTime } from "./output.js";
import type { SegmentView } from "./read-store.js";
import { ReadableTables } from "./readable-tables.js";
import type { FrameBytes } from "./segment-frames.js";
import { TailRows } from "./tail-rows.js";
import { keyText, typeText } from "./type-text.js";

/** Something that keeps a store from being whole. */
export interface Problem {
  readonly file: string;
  readonly offset?: number;
  /** Transactions concerned, where that is known. */
  readonly sequence?: number;
  readonly lastSequence?: number;
  readonly message: string;
}

export interface TableReport {
  readonly id: number;
  readonly name: string;
  /** The version in force. */
  readonly version: number;
  /** All versions the store has rows or schemas of. */
  readonly versions: readonly number[];
  readonly tier: string;
  readonly key: string;
  readonly fields: readonly {
    readonly name: string;
    readonly type: string;
    readonly default?: Json;
  }[];
  readonly rows: number;
}

/**
 * As the manifest has it; "in use" is a spare with frames, "stray" one that the manifest does not
 * know, "unknown" any where there is no manifest.
 */
export type SegmentReportState =
  | "sealed"
  | "active"
  | "spare"
  | "in use"
  | "stray"
  | "missing"
  | "unknown";

export interface SegmentReport {
  readonly id: number;
  readonly file: string;
  readonly state: SegmentReportState;
  readonly epoch: number | null;
  readonly writer: string | null;
  /** Size of the file; null if it is missing. */
  readonly bytes: number | null;
  /** From the beginning of the file to the end of its last frame. */
  readonly usedBytes: number;
  readonly frames: number;
  readonly transactions: number;
  readonly firstSequence: number | null;
  readonly lastSequence: number | null;
  readonly firstTime: string | null;
  readonly lastTime: string | null;
}

interface Count {
  usedBytes: number;
  frames: number;
  transactions: number;
  firstSequence: number;
  lastSequence: number;
  firstMicros: number;
  lastMicros: number;
}

const NOTHING: Readonly<Count> = {
  usedBytes: 0,
  frames: 0,
  transactions: 0,
  firstSequence: 0,
  lastSequence: 0,
  firstMicros: 0,
  lastMicros: 0,
};

export class Tally {
  /** Records and schemas whose checksum is good and whose content is not. */
  readonly problems: Problem[] = [];
  readonly #manifest: Manifest | undefined;
  readonly #readable: ReadableTables;
  readonly #counts = new Map<number, Count>();
  /** What is not in runs. */
  readonly tail: TailRows;

  constructor(manifest: Manifest | undefined) {
    this.#manifest = manifest;
    this.#readable = new ReadableTables(manifest);
    this.tail = new TailRows(manifest?.state.runsThrough ?? 0);
  }

  frame(segment: SegmentView, { header, bytes, view, position }: FrameBytes): void {
    const count = this.#counts.get(segment.id) ?? { ...NOTHING };
    this.#counts.set(segment.id, count);
    count.frames++;
    count.usedBytes = header.offset + header.frameBytes;
    this.tail.frame(header.firstSequence + header.recordCount - 1, header.frameBytes);
    walkRecords(bytes, view, position, header, (record) => {
      if (count.transactions === 0) {
        count.firstSequence = record.sequence;
        count.firstMicros = record.timeMicros;
      }
      count.transactions++;
      count.lastSequence = record.sequence;
      count.lastMicros = record.timeMicros;
      this.#record(segment, header.offset, record);
    });
  }

  segment(view: SegmentView): SegmentReport {
    const count = this.#counts.get(view.id);
    const has = count !== undefined && count.transactions > 0 ? count : undefined;
    return {
      id: view.id,
      file: view.name,
      state: this.#stateOf(view, count),
      epoch: view.place?.epoch ?? null,
      writer: view.header?.writerId ?? null,
      bytes: view.fileBytes ?? null,
      usedBytes: count?.usedBytes ?? 0,
      frames: count?.frames ?? 0,
      transactions: count?.transactions ?? 0,
      firstSequence: has?.firstSequence ?? null,
      lastSequence: has?.lastSequence ?? null,
      firstTime: has === undefined ? null : formatTime(has.firstMicros),
      lastTime: has === undefined ? null : formatTime(has.lastMicros),
    };
  }

  /** With so many rows, by the id of the table. */
  tables(rows: ReadonlyMap<number, number>): TableReport[] {
    return this.#readable.list.map(({ id, name, schemas }) => {
      const last = schemas.at(-1) as SchemaDescription;
      return {
        id,
        name,
        version: last.version,
        versions: schemas.map(({ version }) => version),
        tier: last.tier,
        key: keyText(last),
        fields: last.fields.map((field) => ({
          name: field.name,
          type: typeText(field.type),
          ...(field.default !== undefined && { default: field.default }),
        })),
        rows: rows.get(id) ?? 0,
      };
    });
  }

  #record(segment: SegmentView, offset: number, record: LogRecord): void {
    let problem: string | undefined;
    const malformed = walkOperations(record, (raw) => {
      if (raw.kind === OPERATION.declare) problem ??= this.#readable.read(record, raw).problem;
    });
    this.tail.record(record);
    problem = malformed ?? problem;
    if (problem === undefined) return;
    const { sequence } = record;
    const message = `transaction ${sequence} is malformed: ${problem}`;
    this.problems.push({ file: segment.path, offset, sequence, lastSequence: sequence, message });
  }

  #stateOf({ entry, fileBytes }: SegmentView, count: Count | undefined): SegmentReportState {
    if (fileBytes === undefined) return "missing";
    if (this.#manifest === undefined) return "unknown";
    if (entry === undefined) return "stray";
    return entry.state === "spare" && count !== undefined ? "in use" : entry.state;
  }
}

/** A log made by hand on a simulated machine, and what it must come to. */
import { viewOf } from "../../src/base/bytes.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { Disk } from "../../src/disk/disk.js";
import {
  encodeSegmentHeader,
  FRAME_AT,
  FRAME_HEADER_BYTES,
  OPERATION,
  OPERATION_HEADER_BYTES,
  RECORD_AT,
  RECORD_HEADER_BYTES,
  segmentFileName,
  writeOperationHeader,
} from "../../src/log/format.js";
import { FrameBuilder } from "../../src/log/frame-builder.js";
import type { LogEnd } from "../../src/log/pipeline.js";
import type { ManifestSegment } from "../../src/manifest/format.js";
import { reseal } from "../log/frames.js";
import type { SimulatedMachine } from "../sim/disk.js";

export const DIRECTORY = "/data/store";
export const STORE_ID = "0123456789abcdef0123456789abcdef";
export const ALIGNMENT = 512;
const FRAME_BYTES = 1024 * 1024;

export interface Operation {
  readonly table: number;
  readonly key: string;
  /** Undefined for a deletion. */
  readonly row: string | undefined;
}

/** One transaction; its operations, or a declaration of a table. */
export type Transaction = readonly Operation[] | "declare";

export function put(key: string, row: string, table = 1): Operation {
  return { table, key, row };
}

export function del(key: string, table = 1): Operation {
  return { table, key, row: undefined };
}

/** As the model has it: the table's id and the key. */
export function modelKey(table: number, key: string): string {
  return `${String.fromCharCode(table >>> 8, table & 0xff)}${key}`;
}

/** Rows by full key, both as strings of one character a byte; undefined where it was deleted. */
export type Model = Map<string, string>;

const latin1 = (text: string): Uint8Array => Buffer.from(text, "latin1");

/** Writes frames as the store does. What is appended is durable once `append` has resolved. */
export class LogMaker {
  readonly disk: Disk;
  readonly segmentBytes: number;
  segments: ManifestSegment[] = [];
  lastSequence = 0;
  operations = 0;
  bytes = 0;
  /** The state of the store after each transaction; index 0 is the empty one. */
  readonly history: Transaction[] = [];
  readonly #schema: string;
  readonly #view: DataView;
  readonly #slot = new Uint8Array(FRAME_BYTES);
  readonly #frame = new FrameBuilder();
  #link = 0;
  #offset = ALIGNMENT;
  #timeMicros = 1_700_000_000_000_000;

  /** `schema`: what a declaration declares. */
  constructor(disk: Disk, segmentBytes = 64 * 1024, schema = '{"name":"t"}') {
    this.disk = disk;
    this.#schema = schema;
    this.segmentBytes = segmentBytes;
    this.#view = viewOf(this.#slot);
  }

  get end(): LogEnd {
    return { segmentId: this.segments.at(-1)?.id ?? 1, bytes: this.#offset };
  }

  /** The rows that there are after the first `sequence` transactions. */
  modelAt(sequence: number): Model {
    const model: Model = new Map();
    for (const transaction of this.history.slice(0, sequence)) {
      if (transaction === "declare") continue;
      for (const { table, key, row } of transaction) {
        if (row === undefined) model.delete(modelKey(table, key));
        else model.set(modelKey(table, key), row);
      }
    }
    return model;
  }

  /** One frame with these transactions; without any it is a seal. */
  async append(...transactions: Transaction[]): Promise<void> {
    if (this.segments.length === 0) await this.#addSegment();
    this.#frame.open(this.#slot, this.#view, FRAME_BYTES);
    for (const transaction of transactions) this.#record(transaction);
    const frameBytes = this.#frame.frameBytes(ALIGNMENT);
    if (this.#offset + frameBytes > this.segmentBytes) await this.rotate();
    const segment = this.segments.at(-1) as ManifestSegment;
    this.#frame.seal(
      {
        storeId: Buffer.from(STORE_ID, "hex"),
        segmentId: segment.id,
        epoch: 1,
        offset: this.#offset,
        alignment: ALIGNMENT,
        firstSequence: this.lastSequence + 1,
        durableThrough: this.lastSequence,
        previousChecksum: this.#link,
      },
      portableChecksum,
    );
    this.#link = this.#view.getUint32(FRAME_AT.checksum, true);
    await this.#write(segment.id, this.#offset, this.#slot.slice(0, frameBytes));
    this.#offset += frameBytes;
    this.bytes += frameBytes;
    this.lastSequence += transactions.length;
    this.history.push(...transactions);
  }

  /** Seals the segment and goes on in the next. */
  async rotate(): Promise<void> {
    const full = this.segments.at(-1) as ManifestSegment;
    const sealed = {
      state: "sealed",
      bytes: this.#offset,
      lastSequence: this.lastSequence,
    } as const;
    this.segments = [...this.segments.slice(0, -1), { ...full, ...sealed }];
    await this.#addSegment();
  }

  #record(transaction: Transaction): void {
    const frame = this.#frame;
    frame.beginRecord();
    if (transaction === "declare") this.#operation(OPERATION.declare, 1, "", this.#schema);
    else {
      for (const { table, key, row } of transaction) {
        this.#operation(
          row === undefined ? OPERATION.delete : OPERATION.put,
          table,
          key,
          row ?? "",
        );
      }
    }
    this.operations += frame.operationCount;
    frame.endRecord(++this.#timeMicros);
  }

  #operation(kind: number, table: number, key: string, row: string): void {
    const frame = this.#frame;
    const [keyBytes, rowBytes] = [latin1(key), latin1(row)];
    const version = kind === OPERATION.put ? 1 : 0;
    writeOperationHeader(
      this.#view,
      frame.position,
      kind,
      table,
      version,
      keyBytes.length,
      rowBytes.length,
    );
    this.#slot.set(keyBytes, frame.position + OPERATION_HEADER_BYTES);
    this.#slot.set(rowBytes, frame.position + OPERATION_HEADER_BYTES + keyBytes.length);
    frame.position += OPERATION_HEADER_BYTES + keyBytes.length + rowBytes.length;
    frame.operationCount++;
  }

  async #addSegment(): Promise<void> {
    const id = (this.segments.at(-1)?.id ?? 0) + 1;
    const header = {
      storeId: Buffer.from(STORE_ID, "hex"),
      segmentId: id,
      epoch: 1,
      alignment: ALIGNMENT,
      segmentBytes: this.segmentBytes,
      createdMicros: 1,
      writerId: "tester",
    };
    const path = `${DIRECTORY}/${segmentFileName(id)}`;
    const file = await this.disk.open(path, { write: true, create: true });
    await file.zeroFill(0, this.segmentBytes);
    await file.write(0, encodeSegmentHeader(header, portableChecksum));
    await file.sync();
    await file.close();
    await this.disk.syncDirectory(DIRECTORY);
    this.#offset = ALIGNMENT;
    this.segments = [
      ...this.segments,
      {
        id,
        state: "active",
        epoch: 1,
        alignment: ALIGNMENT,
        bytes: this.segmentBytes,
        lastSequence: 0,
        recycled: false,
      },
    ];
  }

  async #write(segmentId: number, offset: number, bytes: Uint8Array): Promise<void> {
    const path = `${DIRECTORY}/${segmentFileName(segmentId)}`;
    const file = await this.disk.open(path, { write: true });
    await file.write(offset, bytes);
    await file.sync();
    await file.close();
  }
}

/** Makes the first record of a frame, or its first operation, one that no writer would have made. */
export function malform(
  machine: SimulatedMachine,
  segmentId: number,
  offset: number,
  what: "record" | "operation",
): void {
  machine.mutate(`${DIRECTORY}/${segmentFileName(segmentId)}`, (bytes) => {
    const record = offset + FRAME_HEADER_BYTES;
    if (what === "record") viewOf(bytes).setUint32(record + RECORD_AT.recordBytes, 5, true);
    else bytes[record + RECORD_HEADER_BYTES] = 9;
    reseal(bytes, offset);
    return bytes;
  });
}

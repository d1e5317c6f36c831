/** Reading records and operations out of a frame whose checksum was found good. */
import { getUint53 } from "../base/bytes.js";
import { KEY_BYTES_MAX, ROW_BYTES_MAX } from "../base/limits.js";
import {
  FRAME_HEADER_BYTES,
  type FrameHeader,
  OPERATION,
  OPERATION_AT,
  OPERATION_HEADER_BYTES,
  RECORD_AT,
  RECORD_HEADER_BYTES,
} from "./format.js";

/**
 * One transaction as it stands in a frame; valid only until the visitor returns. Only `bytes` is
 * never written again: whoever wants to may keep it.
 */
export interface LogRecord {
  sequence: number;
  timeMicros: number;
  operationCount: number;
  bytes: Uint8Array;
  view: DataView;
  /** Position of the record's first operation, and of the first byte after its last. */
  operationsStart: number;
  operationsEnd: number;
  /** Position of the record's own first byte. */
  start: number;
  /** Of its frame in the segment, for errors. */
  frameOffset: number;
}

/** One operation of a record; positions are into the record's bytes. */
export interface LogOperation {
  kind: number;
  tableId: number;
  schemaVersion: number;
  keyStart: number;
  keyEnd: number;
  /** The row follows the key: from `keyEnd` to `rowEnd`. */
  rowEnd: number;
}

/**
 * Walks the records of a frame at `position`. Returns undefined when all is well, or what is wrong:
 * possible only if a writer made a bad frame, since the checksum was good.
 */
export function walkRecords(
  bytes: Uint8Array,
  view: DataView,
  position: number,
  header: FrameHeader,
  visit: (record: LogRecord) => void,
): string | undefined {
  let at = position + FRAME_HEADER_BYTES;
  const end = at + header.payloadBytes;
  const record: LogRecord = {
    sequence: header.firstSequence,
    timeMicros: 0,
    operationCount: 0,
    bytes,
    view,
    operationsStart: 0,
    operationsEnd: 0,
    start: 0,
    frameOffset: header.offset,
  };
  for (let i = 0; i < header.recordCount; i++) {
    if (at + RECORD_HEADER_BYTES > end) return "a record reaches over the end of its frame";
    const recordBytes = view.getUint32(at + RECORD_AT.recordBytes, true);
    if (recordBytes < RECORD_HEADER_BYTES || at + recordBytes > end) {
      return "a record's length is out of bounds";
    }
    const timeMicros = getUint53(view, at + RECORD_AT.timeMicros);
    if (timeMicros === undefined) return "a record's time is out of bounds";
    record.sequence = header.firstSequence + i;
    record.timeMicros = timeMicros;
    record.operationCount = view.getUint32(at + RECORD_AT.operationCount, true);
    record.start = at;
    record.operationsStart = at + RECORD_HEADER_BYTES;
    record.operationsEnd = at + recordBytes;
    visit(record);
    at += recordBytes;
  }
  return at === end ? undefined : "bytes are left over after the last record of a frame";
}

/**
 * Walks what a record does to tables: its operations, but for what it says of itself, which
 * `annotationOf` gives. Returns undefined, or what is wrong with the first bad one. The operation
 * handed to `visit` is reused.
 */
export function walkOperations(
  record: LogRecord,
  visit: (operation: LogOperation) => void,
): string | undefined {
  const { view } = record;
  let at = record.operationsStart;
  const operation: LogOperation = {
    kind: 0,
    tableId: 0,
    schemaVersion: 0,
    keyStart: 0,
    keyEnd: 0,
    rowEnd: 0,
  };
  for (let i = 0; i < record.operationCount; i++) {
    if (at + OPERATION_HEADER_BYTES > record.operationsEnd) return "an operation is cut off";
    operation.kind = view.getUint8(at + OPERATION_AT.kind);
    operation.tableId = view.getUint16(at + OPERATION_AT.tableId, true);
    operation.schemaVersion = view.getUint16(at + OPERATION_AT.schemaVersion, true);
    const keyBytes = view.getUint16(at + OPERATION_AT.keyBytes, true);
    const rowBytes = view.getUint32(at + OPERATION_AT.rowBytes, true);
    operation.keyStart = at + OPERATION_HEADER_BYTES;
    operation.keyEnd = operation.keyStart + keyBytes;
    operation.rowEnd = operation.keyEnd + rowBytes;
    const { kind } = operation;
    if (kind < OPERATION.put || kind > OPERATION.patch) {
      return `operation kind ${kind} is unknown`;
    }
    if (keyBytes > KEY_BYTES_MAX || rowBytes > ROW_BYTES_MAX) return "an operation is too large";
    if (operation.rowEnd > record.operationsEnd) return "an operation reaches over its record";
    if (kind !== OPERATION.annotate) visit(operation);
    else if (i > 0) return "an annotation is not the first operation";
    else if (keyBytes > 0) return "an annotation has a key";
    at = operation.rowEnd;
  }
  return at === record.operationsEnd ? undefined : "bytes are left over after the last operation";
}

/** Records and operations under good checksums that a bad writer may have made: told, never read over. */
import { expect, test } from "vitest";
import { setUint53, viewOf } from "../../src/base/bytes.js";
import { isHoldfastError } from "../../src/base/errors.js";
import { KEY_BYTES_MAX, ROW_BYTES_MAX } from "../../src/base/limits.js";
import { annotationOf } from "../../src/log/annotation.js";
import {
  FRAME_HEADER_BYTES,
  type FrameHeader,
  OPERATION,
  OPERATION_HEADER_BYTES,
  RECORD_AT,
  RECORD_HEADER_BYTES,
  writeOperationHeader,
} from "../../src/log/format.js";
import {
  type LogOperation,
  type LogRecord,
  walkOperations,
  walkRecords,
} from "../../src/log/record.js";

const ROW_BYTES = 20;
const OPERATION_BYTES = OPERATION_HEADER_BYTES + 2 + ROW_BYTES;
const RECORD_BYTES = RECORD_HEADER_BYTES + OPERATION_BYTES;
const RECORD = FRAME_HEADER_BYTES;
const OPERATION_START = RECORD + RECORD_HEADER_BYTES;

/** A frame of two records of one operation each. */
function frame() {
  const bytes = new Uint8Array(4096);
  const view = viewOf(bytes);
  for (let i = 0; i < 2; i++) {
    const at = RECORD + i * RECORD_BYTES;
    view.setUint32(at + RECORD_AT.recordBytes, RECORD_BYTES, true);
    setUint53(view, at + RECORD_AT.timeMicros, 1000 + i);
    view.setUint32(at + RECORD_AT.operationCount, 1, true);
    writeOperationHeader(view, at + RECORD_HEADER_BYTES, OPERATION.put, 7, 1, 2, ROW_BYTES);
  }
  const header: FrameHeader = {
    checksum: 0,
    payloadChecksum: 0,
    payloadBytes: 2 * RECORD_BYTES,
    frameBytes: 4096,
    recordCount: 2,
    firstSequence: 17,
    durableThrough: 16,
    segmentId: 5,
    offset: 4096,
    epoch: 3,
    previousChecksum: 0,
  };
  return { bytes, view, header };
}

function records(of: ReturnType<typeof frame>): { wrong: string | undefined; seen: number[] } {
  const seen: number[] = [];
  const wrong = walkRecords(of.bytes, of.view, 0, of.header, ({ sequence }) => {
    seen.push(sequence);
  });
  return { wrong, seen };
}

/** Of the first record. */
function operations(of: ReturnType<typeof frame>): {
  wrong: string | undefined;
  seen: LogOperation[];
} {
  const seen: LogOperation[] = [];
  let wrong: string | undefined;
  walkRecords(of.bytes, of.view, 0, of.header, (record: LogRecord) => {
    if (record.sequence !== of.header.firstSequence) return;
    wrong = walkOperations(record, (operation) => void seen.push({ ...operation }));
  });
  return { wrong, seen };
}

test("a sound frame gives its records, and they their operations", () => {
  expect(records(frame())).toEqual({ wrong: undefined, seen: [17, 18] });
  const keyStart = OPERATION_START + OPERATION_HEADER_BYTES;
  const keyEnd = keyStart + 2;
  const rowEnd = keyEnd + ROW_BYTES;
  expect(operations(frame())).toEqual({
    wrong: undefined,
    seen: [{ kind: OPERATION.put, tableId: 7, schemaVersion: 1, keyStart, keyEnd, rowEnd }],
  });
});

test("a record too many", () => {
  const of = frame();
  const wrong = "a record reaches over the end of its frame";
  const header = { ...of.header, recordCount: 3 };
  expect(records({ ...of, header })).toEqual({ wrong, seen: [17, 18] });
});

test.each([RECORD_HEADER_BYTES - 1, 2 * RECORD_BYTES + 1])("a record of %i bytes", (length) => {
  const of = frame();
  of.view.setUint32(RECORD + RECORD_AT.recordBytes, length, true);
  expect(records(of)).toEqual({ wrong: "a record's length is out of bounds", seen: [] });
});

test("a time beyond all numbers", () => {
  const of = frame();
  of.view.setUint32(RECORD + RECORD_AT.timeMicros + 4, 0xffff_ffff, true);
  expect(records(of)).toEqual({ wrong: "a record's time is out of bounds", seen: [] });
});

test("a record too few", () => {
  const of = frame();
  const wrong = "bytes are left over after the last record of a frame";
  const header = { ...of.header, recordCount: 1 };
  expect(records({ ...of, header })).toEqual({ wrong, seen: [17] });
});

test("an operation too many", () => {
  const of = frame();
  of.view.setUint32(RECORD + RECORD_AT.operationCount, 2, true);
  expect(operations(of)).toMatchObject({ wrong: "an operation is cut off", seen: [{}] });
});

test("an annotation with a key, and one behind another operation", () => {
  const of = frame();
  writeOperationHeader(of.view, OPERATION_START, OPERATION.annotate, 0, 0, 2, ROW_BYTES);
  expect(operations(of)).toEqual({ wrong: "an annotation has a key", seen: [] });
  const rowBytes = ROW_BYTES - OPERATION_HEADER_BYTES;
  writeOperationHeader(of.view, OPERATION_START, OPERATION.put, 7, 1, 2, rowBytes);
  const second = OPERATION_START + OPERATION_BYTES - OPERATION_HEADER_BYTES;
  writeOperationHeader(of.view, second, OPERATION.annotate, 0, 0, 0, 0);
  of.view.setUint32(RECORD + RECORD_AT.operationCount, 2, true);
  const wrong = "an annotation is not the first operation";
  expect(operations(of)).toMatchObject({ wrong, seen: [{ kind: OPERATION.put }] });
});

test("an operation too few", () => {
  const of = frame();
  of.view.setUint32(RECORD + RECORD_AT.operationCount, 0, true);
  const wrong = "bytes are left over after the last operation";
  expect(operations(of)).toEqual({ wrong, seen: [] });
});

const HOSTILE: readonly [string, number, number, number, string][] = [
  ["no kind", 0, 2, ROW_BYTES, "operation kind 0 is unknown"],
  ["a kind of later", 6, 2, ROW_BYTES, "operation kind 6 is unknown"],
  ["a key too long", OPERATION.put, KEY_BYTES_MAX + 1, 0, "an operation is too large"],
  ["a row too long", OPERATION.put, 2, ROW_BYTES_MAX + 1, "an operation is too large"],
  ["a row over its record", OPERATION.put, 2, 21, "an operation reaches over its record"],
];

test.each(HOSTILE)("an operation with %s", (_name, kind, keyBytes, rowBytes, wrong) => {
  const of = frame();
  writeOperationHeader(of.view, OPERATION_START, kind, 7, 1, keyBytes, rowBytes);
  expect(operations(of)).toEqual({ wrong, seen: [] });
});

test("an annotation anywhere but at the beginning, or with a key", () => {
  const of = frame();
  writeOperationHeader(of.view, OPERATION_START, OPERATION.annotate, 0, 0, 2, ROW_BYTES);
  expect(operations(of)).toEqual({ wrong: "an annotation has a key", seen: [] });
});

test.each([
  ["what is no msgpack", [0xc1]],
  ["no map", [0x93, 1, 2, 3]],
  ["an empty one", [0x80]],
  ["a member that is unknown", [0x81, 0xa1, 0x78, 0x01]],
  ["a cause of later", [0x81, 0xa8, ...Buffer.from("causedBy"), 18]],
  ["a cause that is none", [0x81, 0xa8, ...Buffer.from("causedBy"), 0x00]],
])("an annotation that is %s", (_name, content) => {
  const of = frame();
  const bytes = content.length;
  writeOperationHeader(of.view, OPERATION_START, OPERATION.annotate, 0, 0, 0, bytes);
  of.bytes.set(content, OPERATION_START + OPERATION_HEADER_BYTES);
  let thrown: unknown;
  walkRecords(of.bytes, of.view, 0, of.header, (record) => {
    try {
      annotationOf(record);
    } catch (error) {
      thrown ??= error;
    }
  });
  expect(isHoldfastError(thrown, "CORRUPT_LOG")).toBe(true);
});

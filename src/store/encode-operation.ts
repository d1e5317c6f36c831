/** One operation of a transaction as bytes, straight into the commit slot. */
import { HoldfastError } from "../base/errors.js";
import { KEY_BYTES_MAX, ROW_BYTES_MAX } from "../base/limits.js";
import type { PreparedPatch } from "../codec/patch-write.js";
import { OPERATION, OPERATION_HEADER_BYTES, writeOperationHeader } from "../log/format.js";
import type { FrameBuilder } from "../log/frame-builder.js";
import type { TableState } from "./table-state.js";

/**
 * `row`: of a put the row, of a patch the patch. Returns the bytes that it takes, or -1 if the
 * operation does not fit the frame; nothing is written then. Throws TOO_LARGE for a row that fits
 * none.
 */
export function encodeOperation(
  frame: FrameBuilder,
  table: TableState,
  kind: number,
  key: unknown,
  row: unknown,
): number {
  const { bytes, view, end, position: start } = frame;
  const keyStart = start + OPERATION_HEADER_BYTES;
  if (keyStart > end) return -1;
  const keyEnd = table.key.encode(key, bytes, keyStart, Math.min(end, keyStart + KEY_BYTES_MAX));
  if (keyEnd < 0) return -1;
  let rowEnd = keyEnd;
  if (kind === OPERATION.put) rowEnd = table.row.encode(row, bytes, keyEnd, end);
  else if (kind === OPERATION.patch) rowEnd = (row as PreparedPatch).encode(bytes, keyEnd, end);
  if (rowEnd < 0) return -1;
  const rowBytes = rowEnd - keyEnd;
  assertRowFits(table, key, rowBytes);
  const { id, definition } = table;
  writeOperationHeader(view, start, kind, id, definition.version, keyEnd - keyStart, rowBytes);
  frame.position = rowEnd;
  frame.operationCount++;
  return rowBytes;
}

/** Throws TOO_LARGE. */
export function assertRowFits(table: TableState, key: unknown, rowBytes: number): void {
  if (rowBytes <= ROW_BYTES_MAX) return;
  throw new HoldfastError(
    "TOO_LARGE",
    `table "${table.name}", key ${table.key.inspect(key)}: a row of ${rowBytes} bytes; ` +
      `the most is ${ROW_BYTES_MAX}`,
    { table: table.name, key },
  );
}

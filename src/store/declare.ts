/** Writes schemas into the log. */
import { OPERATION, OPERATION_HEADER_BYTES, writeOperationHeader } from "../log/format.js";
import type { LogWriter } from "../log/writer.js";
import type { Declaration } from "./catalog.js";

/** Returns when they are durable. */
export function writeDeclarations(writer: LogWriter, declarations: readonly Declaration[]): void {
  if (declarations.length === 0) return;
  appendDeclarations(writer, declarations);
  writer.flushSync();
}

/**
 * In as few transactions as they fit into: mostly one. Returns the sequence of the last one; when
 * it is durable, all are.
 */
export function appendDeclarations(
  writer: LogWriter,
  declarations: readonly Declaration[],
): number {
  const { frame } = writer;
  writer.beginRecord();
  for (const { id, description } of declarations) {
    const text = new TextEncoder().encode(JSON.stringify(description));
    const bytes = OPERATION_HEADER_BYTES + text.length;
    if (frame.position + bytes > frame.end && frame.operationCount > 0) {
      writer.commitRecord();
      writer.beginRecord();
    }
    while (frame.position + bytes > frame.end) writer.growRecord();
    const { view, position } = frame;
    writeOperationHeader(
      view,
      position,
      OPERATION.declare,
      id,
      description.version,
      0,
      text.length,
    );
    frame.bytes.set(text, position + OPERATION_HEADER_BYTES);
    frame.position = position + bytes;
    frame.operationCount++;
  }
  return writer.commitRecord();
}

/**
 * Patches: what changes of a row, as bytes beside those of the row that it is applied to. It is a
 * msgpack array: the length of that row, then for each change the number of its field, counted from
 * 0, with the new value, or with a place in the bytes of the field and the bytes that stand there
 * then. Numbers of fields ascend; only changes of the second form may share one.
 *
 * All of this needs no schema: a row is an array, and its fields are found by passing over those
 * before them. So whoever merges log and runs can apply patches.
 */
import {
  type Cursor,
  readArrayHeader,
  readBytesHeader,
  readInteger,
  skipBytes,
} from "./msgpack-read.js";
import { skipValue } from "./msgpack-skip.js";
import { ValueProblem } from "./value-problem.js";

/** One change as it stands in a patch. Positions are those of the patch. */
export interface PatchEdit {
  readonly field: number;
  /** Undefined: the field becomes another value. */
  readonly offset: number | undefined;
  /** Of the new value; or of the bytes, without what msgpack has before them. */
  readonly start: number;
  readonly end: number;
}

export interface Patch {
  /** Length of the row that it is applied to. */
  readonly baseBytes: number;
  readonly edits: readonly PatchEdit[];
}

/** Reads the patch in bytes[start, end), which may be anything. Throws ValueProblem. */
export function parsePatch(bytes: Uint8Array, start: number, end: number): Patch {
  const cursor = { position: start, end: Math.min(end, bytes.length) };
  const count = readArrayHeader(bytes, cursor);
  if (count < 2) throw new ValueProblem("it changes nothing");
  const baseBytes = readInteger(bytes, cursor);
  const edits: PatchEdit[] = [];
  while (edits.length < count - 1) {
    const edit = parseEdit(bytes, cursor);
    const before = edits.at(-1);
    if (before !== undefined && !follows(before, edit)) {
      throw new ValueProblem("its changes are not in order");
    }
    edits.push(edit);
  }
  if (cursor.position !== end) throw new ValueProblem("bytes follow after it");
  return { baseBytes, edits };
}

function parseEdit(bytes: Uint8Array, cursor: Cursor): PatchEdit {
  const parts = readArrayHeader(bytes, cursor);
  const field = readInteger(bytes, cursor);
  if (field < 0) throw new ValueProblem(`there is no field ${field}`);
  if (parts === 2) {
    const start = cursor.position;
    skipValue(bytes, cursor);
    return { field, offset: undefined, start, end: cursor.position };
  }
  if (parts !== 3) throw new ValueProblem(`a change has 2 or 3 parts, not ${parts}`);
  const offset = readInteger(bytes, cursor);
  if (offset < 0) throw new ValueProblem(`there is no byte ${offset}`);
  const length = readBytesHeader(bytes, cursor);
  const start = skipBytes(cursor, length);
  return { field, offset, start, end: cursor.position };
}

function follows(before: PatchEdit, edit: PatchEdit): boolean {
  if (edit.field !== before.field) return edit.field > before.field;
  if (edit.offset === undefined || before.offset === undefined) return false;
  return edit.offset >= before.offset + before.end - before.start;
}

/** Length of the row that a patch is of; 0 for what is no patch. */
export function baseBytesOf(bytes: Uint8Array, start: number, end: number): number {
  const cursor = { position: start, end: Math.min(end, bytes.length) };
  try {
    readArrayHeader(bytes, cursor);
    return readInteger(bytes, cursor);
  } catch (error) {
    if (error instanceof ValueProblem) return 0;
    throw error;
  }
}

/** Where in the row its fields are. Throws ValueProblem. */
function spansOf(row: Uint8Array, start: number, end: number, through: number): Int32Array {
  const cursor = { position: start, end };
  const count = readArrayHeader(row, cursor);
  if (through >= count) throw new ValueProblem(`the row has no field ${through}`);
  const spans = new Int32Array(through + 2);
  for (let field = 0; field <= through; field++) {
    spans[field] = cursor.position;
    skipValue(row, cursor);
  }
  spans[through + 1] = cursor.position;
  return spans;
}

/**
 * Applies patch[start, end) to row[rowStart, rowEnd). Returns the row that it makes; where that is
 * as long as the row was, and `inPlace` allows it, the row itself is changed, and what is returned
 * is a part of `row`. A text says why the patch does not fit; then nothing has changed. With
 * `again` the row may have had this patch and some of those that follow: all of them, applied in
 * their order, make of it what they did, since each says what stands somewhere, and not by how much
 * it differs.
 */
export function applyPatch(
  row: Uint8Array,
  rowStart: number,
  rowEnd: number,
  patch: Uint8Array,
  start: number,
  end: number,
  inPlace = false,
  again = false,
): Uint8Array | string {
  try {
    const { baseBytes, edits } = parsePatch(patch, start, end);
    if (!again && baseBytes !== rowEnd - rowStart) {
      throw new ValueProblem(
        `it is of a row of ${baseBytes} bytes, and this one has ${rowEnd - rowStart}`,
      );
    }
    const last = edits[edits.length - 1] as PatchEdit;
    const spans = spansOf(row, rowStart, rowEnd, last.field);
    const places = edits.map((edit) => placeOf(row, spans, edit));
    const isAsLong = edits.every(
      (edit, i) => edit.offset !== undefined || edit.end - edit.start === lengthOf(spans, edits[i]),
    );
    if (!isAsLong) return spliced(row, rowStart, rowEnd, patch, edits, places, spans);
    const before = row.subarray(rowStart, rowEnd);
    // Not slice(): a Buffer's shares its memory.
    const made = inPlace ? before : new Uint8Array(before);
    edits.forEach((edit, i) => {
      made.set(patch.subarray(edit.start, edit.end), (places[i] as number) - rowStart);
    });
    return made;
  } catch (error) {
    if (error instanceof ValueProblem) return error.message;
    throw error;
  }
}

function lengthOf(spans: Int32Array, edit: PatchEdit | undefined): number {
  const { field } = edit as PatchEdit;
  return (spans[field + 1] as number) - (spans[field] as number);
}

/** Where in the row the bytes of a change go. Throws ValueProblem. */
function placeOf(row: Uint8Array, spans: Int32Array, edit: PatchEdit): number {
  const { field, offset, start, end } = edit;
  const at = spans[field] as number;
  if (offset === undefined) return at;
  const cursor = { position: at, end: spans[field + 1] as number };
  const length = readBytesHeader(row, cursor);
  if (offset + end - start <= length) return cursor.position + offset;
  throw new ValueProblem(
    `field ${field} has ${length} bytes, and ${offset + end - start} at least`,
  );
}

/** One after the other: what stays, and what takes the place of the rest. */
function spliced(
  row: Uint8Array,
  rowStart: number,
  rowEnd: number,
  patch: Uint8Array,
  edits: readonly PatchEdit[],
  places: readonly number[],
  spans: Int32Array,
): Uint8Array {
  let length = rowEnd - rowStart;
  for (const edit of edits) {
    if (edit.offset === undefined) length += edit.end - edit.start - lengthOf(spans, edit);
  }
  const made = new Uint8Array(length);
  let from = rowStart;
  let to = 0;
  edits.forEach((edit, i) => {
    const place = places[i] as number;
    const bytes = edit.end - edit.start;
    made.set(row.subarray(from, place), to);
    to += place - from;
    made.set(patch.subarray(edit.start, edit.end), to);
    to += bytes;
    from = place + (edit.offset === undefined ? lengthOf(spans, edit) : bytes);
  });
  made.set(row.subarray(from, rowEnd), to);
  return made;
}

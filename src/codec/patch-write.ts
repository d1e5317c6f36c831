/** From what a caller wants changed of a row to the row that it makes, and the patch of it. */
import type { FieldNode, TypeNode } from "./field-types.js";
import {
  bytesSize,
  headerSize,
  integerSize,
  writeArrayHeader,
  writeBytes,
  writeInteger,
} from "./msgpack-write.js";
import type { RowContext } from "./row.js";
import { refusedInput } from "./row.js";
import { Slice } from "./slice.js";
import { ARRAYS, bytesOfArray, type NumberArray, storedBytesOf } from "./typed-arrays.js";
import { compileValue, type ValueCodec } from "./value.js";
import { ValueProblem } from "./value-problem.js";

/** What a patch changes nothing of for less: as long as a change of its own costs. */
const GAP_BYTES = 12;

/** Bytes that are compared at once. */
const BLOCK_BYTES = 4096;

interface Edit {
  readonly field: number;
  /** Undefined: the field becomes the value. */
  readonly offset: number | undefined;
  readonly bytes: Uint8Array;
}

export interface PreparedPatch<Row = unknown> {
  /** As it is afterwards: normal and frozen; what did not change is that of the row before. */
  readonly row: Row;
  readonly rowBytes: number;
  readonly patchBytes: number;
  /** Writes the patch; the position after it, or -1 if it does not fit before `end`. */
  encode(target: Uint8Array, position: number, end: number): number;
}

interface Field extends FieldNode, ValueCodec {
  readonly index: number;
  /** What it has parts of; undefined if it has none. */
  readonly parts: TypeNode | undefined;
}

/** Makes patches of the rows of one version of one table. */
export class PatchCodec<Row> {
  readonly #fields: ReadonlyMap<string, Field>;
  readonly #row: ValueCodec;

  constructor(fields: readonly FieldNode[]) {
    this.#row = compileValue({ kind: "record", fields });
    this.#fields = new Map(
      fields.map((field, index) => {
        const { type } = field;
        const inner = type.kind === "nullable" ? type.item : type;
        const parts = inner.kind === "array" || inner.kind === "bytes" ? inner : undefined;
        return [field.name, { ...field, ...compileValue(type), index, parts }];
      }),
    );
  }

  /** Undefined where nothing would be another. Throws INVALID_ROW naming table, key and field. */
  prepare(row: Row, changes: object, context: RowContext): PreparedPatch<Row> | undefined {
    const before = row as Readonly<Record<string, unknown>>;
    const after: Record<string, unknown> = { ...before };
    const edits: Edit[] = [];
    for (const [name, change] of Object.entries(changes)) {
      if (change === undefined) continue;
      try {
        const field = this.#fields.get(name);
        if (field === undefined) throw new ValueProblem("unknown field");
        after[name] = changeField(field, before[name], change, edits);
      } catch (error) {
        throw refusedInput(ValueProblem.within(`.${name}`, error), context);
      }
    }
    if (edits.length === 0) return undefined;
    edits.sort((a, b) => a.field - b.field || (a.offset ?? 0) - (b.offset ?? 0));
    const baseBytes = this.#row.size(row);
    return {
      row: Object.freeze(after) as Row,
      rowBytes: this.#row.size(after),
      patchBytes: sizeOf(baseBytes, edits),
      encode: (target, position, end) =>
        position + sizeOf(baseBytes, edits) > end ? -1 : write(baseBytes, edits, target, position),
    };
  }
}

/** The field's new value; what differs goes to `edits`. Throws ValueProblem. */
function changeField(field: Field, before: unknown, change: unknown, edits: Edit[]): unknown {
  const { parts } = field;
  const slices = change instanceof Slice ? [change] : change;
  if (parts !== undefined && Array.isArray(slices) && slices[0] instanceof Slice) {
    return changeParts(field, before, slices, edits);
  }
  const after = field.normalize(change);
  if (parts !== undefined && isView(before) && isView(after)) {
    const [old, now] = [stored(before), stored(after)];
    if (old.length === now.length) {
      addRanges(field, old, now, 0, now.length, edits);
      return after;
    }
  }
  const bytes = encoded(field, after);
  if (Buffer.compare(bytes, encoded(field, before)) !== 0) {
    edits.push({ field: field.index, offset: undefined, bytes });
  }
  return after;
}

function changeParts(
  field: Field,
  before: unknown,
  slices: readonly unknown[],
  edits: Edit[],
): unknown {
  if (!isView(before)) throw new ValueProblem("it is null, and has no parts");
  const after = copyOf(before);
  const size = after.BYTES_PER_ELEMENT;
  let [from, to] = [after.byteLength, 0];
  for (const part of slices) {
    if (!(part instanceof Slice)) throw new ValueProblem("expected slices and nothing else");
    const { offset, values } = part;
    const isSame = values.constructor === after.constructor;
    if (!isSame && !(field.parts?.kind === "bytes" && values instanceof Uint8Array)) {
      const { name } = after.constructor;
      throw new ValueProblem(`a slice of it has a ${name}, got a ${values.constructor.name}`);
    }
    const end = offset + values.length;
    if (end > after.length) {
      throw new ValueProblem(`it has ${after.length}, and the slice goes from ${offset} to ${end}`);
    }
    bytesOfArray(after as NumberArray).set(bytesOfArray(values as NumberArray), offset * size);
    from = Math.min(from, offset * size);
    to = Math.max(to, end * size);
  }
  addRanges(field, stored(before), stored(after), from, to, edits);
  return after;
}

type View = Uint8Array | NumberArray;

function isView(value: unknown): value is View {
  return ArrayBuffer.isView(value);
}

function copyOf(view: View): View {
  if (view instanceof Uint8Array) return new Uint8Array(view);
  const make = ARRAYS[elementOf(view)];
  const copy = new make(view.length);
  bytesOfArray(copy).set(bytesOfArray(view));
  return copy;
}

function elementOf(array: NumberArray): keyof typeof ARRAYS {
  if (array instanceof Float64Array) return "float64";
  if (array instanceof Float32Array) return "float32";
  return array instanceof Int32Array ? "int32" : "int64";
}

function stored(view: View): Uint8Array {
  return view instanceof Uint8Array ? view : storedBytesOf(view);
}

function encoded({ size, write: writeValue }: Field, value: unknown): Uint8Array {
  const bytes = new Uint8Array(size(value));
  writeValue(bytes, 0, value);
  return bytes;
}

/** Notes where the bytes from `from` to `to` differ, in whole numbers. */
function addRanges(
  { index, parts }: Field,
  before: Uint8Array,
  after: Uint8Array,
  from: number,
  to: number,
  edits: Edit[],
): void {
  const size = parts?.kind === "array" ? ARRAYS[parts.element].BYTES_PER_ELEMENT : 1;
  let [start, end] = [-1, -1];
  const note = (): void => {
    if (start >= 0) edits.push({ field: index, offset: start, bytes: after.slice(start, end) });
  };
  for (let block = from; block < to; block += BLOCK_BYTES) {
    const blockEnd = Math.min(to, block + BLOCK_BYTES);
    const [old, now] = [before.subarray(block, blockEnd), after.subarray(block, blockEnd)];
    if (Buffer.compare(old, now) === 0) continue;
    for (let at = block; at < blockEnd; at++) {
      if (before[at] === after[at]) continue;
      const number = at - (at % size);
      if (start < 0 || number - end > GAP_BYTES) {
        note();
        start = number;
      }
      end = number + size;
      at = end - 1;
    }
  }
  note();
}

function sizeOf(baseBytes: number, edits: readonly Edit[]): number {
  let size = headerSize(edits.length + 1) + integerSize(baseBytes);
  for (const { field, offset, bytes } of edits) {
    size += 1 + integerSize(field);
    size += offset === undefined ? bytes.length : integerSize(offset) + bytesSize(bytes);
  }
  return size;
}

function write(
  baseBytes: number,
  edits: readonly Edit[],
  target: Uint8Array,
  position: number,
): number {
  let at = writeArrayHeader(target, position, edits.length + 1);
  at = writeInteger(target, at, baseBytes);
  for (const { field, offset, bytes } of edits) {
    at = writeArrayHeader(target, at, offset === undefined ? 2 : 3);
    at = writeInteger(target, at, field);
    if (offset === undefined) {
      target.set(bytes, at);
      at += bytes.length;
    } else {
      at = writeInteger(target, at, offset);
      at = writeBytes(target, at, bytes);
    }
  }
  return at;
}

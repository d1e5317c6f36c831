/**
 * How much memory a table's rows take, as V8 lays them out on 64 bits: measured to within a fifth
 * (docs/decisions.md), so that a bound of memory is one.
 */
import type { FieldNode, TypeNode } from "./field-types.js";

/** In bytes. A row takes `entryBytes + rowBytes + perByte * its encoded length`. */
export interface Footprint {
  /** The key, its place in the map, and what is noted of it; all that a deletion takes. */
  readonly entryBytes: number;
  /** The decoded row, texts and bytes apart. */
  readonly rowBytes: number;
  /** For each byte of the encoded row. */
  readonly perByte: number;
}

/** Of a row of which nothing is known but its length. */
export const TYPICAL_FOOTPRINT: Footprint = { entryBytes: 200, rowBytes: 50, perByte: 3 };

const ENTRY_BYTES = 150;
const OBJECT_BYTES = 24;
const SLOT_BYTES = 8;
const NUMBER_BYTES = 16;
const TEXT_BYTES = 20;
/** With its coefficient. */
const DECIMAL_BYTES = 64;
const BUFFER_BYTES = 200;
/** A key of several parts is an array, and beside it a text that stands for it. */
const TUPLE_BYTES = 64 + 40;

/** What a list or a map becomes follows from its length only. */
const PER_BYTE_NESTED = 4;

export function footprintOf(
  key: TypeNode | readonly TypeNode[],
  fields: readonly FieldNode[],
): Footprint {
  const parts = "kind" in key ? [key] : key;
  const tupleBytes = parts.length > 1 ? TUPLE_BYTES : 0;
  const keyBytes = parts.reduce((sum, part) => sum + valueBytes(part), tupleBytes);
  const nested = fields.some(({ type }) => isNested(type));
  return {
    entryBytes: ENTRY_BYTES + keyBytes,
    rowBytes: valueBytes({ kind: "record", fields }),
    perByte: nested ? PER_BYTE_NESTED : 1,
  };
}

/** Beside its slot in what it is part of. */
function valueBytes(type: TypeNode): number {
  switch (type.kind) {
    case "boolean":
    case "enumeration":
      return 0;
    case "integer":
    case "timestamp":
    case "float64":
      return NUMBER_BYTES;
    case "string":
    case "int64":
      return TEXT_BYTES;
    case "decimal":
      return DECIMAL_BYTES;
    case "bytes":
    case "array":
      return BUFFER_BYTES;
    case "nullable":
      return valueBytes(type.item);
    case "list":
    case "map":
      return OBJECT_BYTES;
    case "record":
      return type.fields.reduce(
        (sum, field) => sum + SLOT_BYTES + valueBytes(field.type),
        OBJECT_BYTES,
      );
  }
}

function isNested(type: TypeNode): boolean {
  switch (type.kind) {
    case "list":
    case "map":
      return true;
    case "nullable":
      return isNested(type.item);
    case "record":
      return type.fields.some((field) => isNested(field.type));
    default:
      return false;
  }
}

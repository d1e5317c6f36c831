/** The codec of a whole row: from closures, or generated where the platform allows that. */
import type { FieldNode } from "./field-types.js";
import { generateRecord } from "./record-generate.js";
import { compileValue } from "./value.js";
import type { Cursor } from "./value-read.js";

/** What a row codec is made of. Rows are objects of the record's fields. */
export interface RecordCodec {
  /** The row checked, converted, copied and frozen. Throws ValueProblem. */
  readonly normalize: (input: unknown) => unknown;
  /** Writes a normalised row; the position after it, or -1 if it does not fit before `end`. */
  readonly encode: (row: unknown, target: Uint8Array, position: number, end: number) => number;
  /** Reads and checks one row. Throws ValueProblem. */
  readonly read: (source: Uint8Array, cursor: Cursor) => unknown;
}

/** Fields up to which code is generated: a function much larger is never optimised anyway. */
const GENERATED_FIELDS_MAX = 256;

/** The fastest codec that the platform allows. Both kinds do the same, byte for byte. */
export function compileRecord(fields: readonly FieldNode[]): RecordCodec {
  return fields.length <= GENERATED_FIELDS_MAX && codeGenerationAllowed()
    ? generateRecord(fields, interpretRecord(fields))
    : interpretRecord(fields);
}

/** The codec built from closures. */
export function interpretRecord(fields: readonly FieldNode[]): RecordCodec {
  const { normalize, bound, size, write, read } = compileValue({ kind: "record", fields });
  return {
    normalize,
    encode: (row, target, position, end) => {
      const room = end - position;
      if (bound(row) > room && size(row) > room) return -1;
      return write(target, position, row);
    },
    read,
  };
}

/** False under --disallow-code-generation-from-strings, or a policy that says the same. */
function codeGenerationAllowed(): boolean {
  try {
    return new Function("return true")() === true;
  } catch {
    return false;
  }
}

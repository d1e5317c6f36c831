/** The codec of one value, built from closures; `record-compile.ts` makes the faster form. */
import type { TypeNode } from "./field-types.js";
import { normalizer } from "./value-normalize.js";
import { type Cursor, reader } from "./value-read.js";
import { writer } from "./value-write.js";

export { ValueProblem } from "./value-problem.js";

/** What can be done with the values of one type. */
export interface ValueCodec {
  /** The value checked, converted, copied and frozen. Throws ValueProblem. */
  readonly normalize: (value: unknown) => unknown;
  /** At least the bytes that `write` takes for a normalised value; cheap. */
  readonly bound: (value: unknown) => number;
  /** The bytes that `write` takes for a normalised value. */
  readonly size: (value: unknown) => number;
  /** Writes a normalised value without checking for room; the position after it. */
  readonly write: (target: Uint8Array, position: number, value: unknown) => number;
  /** Reads and checks one value. Throws ValueProblem. */
  readonly read: (source: Uint8Array, cursor: Cursor) => unknown;
}

export function compileValue(type: TypeNode): ValueCodec {
  return { normalize: normalizer(type), ...writer(type), read: reader(type) };
}

/** A part of an array, for patches: what stands there from some place on. */
import { HoldfastError } from "../base/errors.js";
import { show } from "./text.js";
import type { NumberArray } from "./typed-arrays.js";

/** What a field of bytes, or of a typed array, can have a part of. */
export type Sliceable = Uint8Array | NumberArray;

/** Made by `slice`. */
export class Slice<T extends Sliceable = Sliceable> {
  constructor(
    /** The place of the first of `values`, counted in numbers; in bytes where they are bytes. */
    readonly offset: number,
    readonly values: T,
  ) {
    Object.freeze(this);
  }
}

/**
 * What a patch puts into a typed array, or into bytes, from `offset` on: as many numbers as there
 * are `values`. What is around them stays, and the array stays as long as it is. Throws
 * INVALID_ARGUMENT for an offset that is none and for values that are no typed array.
 */
export function slice<T extends Sliceable>(offset: number, values: T): Slice<T> {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    const message = `the offset of a slice is an integer from 0 on, got ${show(offset)}`;
    throw new HoldfastError("INVALID_ARGUMENT", message);
  }
  if (!ArrayBuffer.isView(values) || values instanceof DataView) {
    const message = `the values of a slice are a typed array, got ${show(values)}`;
    throw new HoldfastError("INVALID_ARGUMENT", message);
  }
  return new Slice(offset, values);
}

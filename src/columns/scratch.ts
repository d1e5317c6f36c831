/**
 * Memory of encoding that is used again: to have it zeroed anew for each column, and collected, takes
 * as long as a third of the rest. Nothing in it outlives the column that is being encoded.
 */

/** Longer chunks get memory of their own, so that one of them does not hold it for ever. */
const KEPT_BYTES_MAX = 1 << 20;

let bytes = new Uint8Array(0);
let lanes = new BigInt64Array(0);

/** Room for what is encoded. It may hold anything. */
export function roomFor(count: number): Uint8Array {
  if (count > KEPT_BYTES_MAX) return new Uint8Array(count);
  if (bytes.length < count) bytes = new Uint8Array(count);
  return bytes;
}

/** A copy to work on. */
export function copyOf(source: BigInt64Array): BigInt64Array {
  if (source.byteLength > KEPT_BYTES_MAX) return source.slice();
  if (lanes.length < source.length) lanes = new BigInt64Array(source.length);
  lanes.set(source);
  return lanes.subarray(0, source.length);
}

/**
 * Rows in memory that nobody has asked for yet, as one text of their encoded bytes.
 *
 * A decoded row is some ten objects, and at thousands of writes a second most rows are overwritten
 * before they are read: the collector would copy them all. A text is one object of flat bytes, less
 * than a fifth in size; it costs as little to make, and one decoding if it is read after all.
 */
import { latin1Of, writeLatin1 } from "../base/latin1.js";

/** The bytes of the row that was unpacked last. */
let scratch = new Uint8Array(4096);

/** The encoded row bytes[start, end) as a text, each byte a character. */
export function packRow(bytes: Uint8Array, start: number, end: number): string {
  return latin1Of(bytes, start, end);
}

/** The bytes of a packed row, from 0 to its length; valid until the next call. */
export function unpackRow(packed: string): Uint8Array {
  if (packed.length > scratch.length) scratch = new Uint8Array(2 * packed.length);
  writeLatin1(scratch, packed);
  return scratch;
}

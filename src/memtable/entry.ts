/** One key in memory, with its newest row and, while views are open, the rows they show. */
import type { Footprint } from "../codec/footprint.js";

/** A primitive that stands for a key in a Map. */
export type MapKey = string | number | bigint;

/** Sequence of a row that was read from a run: it can be read again. */
export const FROM_RUN = -1;

/** Sequence of a row that is in no log yet: of a table of tier "cached". */
export const UNLOGGED = Number.MAX_SAFE_INTEGER;

/**
 * One row of a key: until it is first asked for packed, or as bytes[start, end). With neither a row
 * nor bytes it says that the key was deleted.
 */
export interface Version {
  /** Of the transaction that wrote it. */
  sequence: number;
  /** An object, or the text of `packRow`. */
  row: unknown;
  bytes: Uint8Array | undefined;
  start: number;
  end: number;
  /** Of the table, in which the row is. */
  schemaVersion: number;
  /** The same of what log or run have of it; another one where the row was upgraded since. */
  storedVersion: number;
  /** Memory it is thought to take, in bytes. */
  size: number;
  /** What was there before, where a view may ask for it. */
  older: Version | undefined;
}

export class Entry<K> implements Version {
  readonly key: K;
  sequence = 0;
  row: unknown;
  bytes: Uint8Array | undefined;
  start = 0;
  end = 0;
  schemaVersion = 0;
  storedVersion = 0;
  size = 0;
  older: Version | undefined;
  /** Asked for since the sweep last came by. */
  used = false;
  /** It stands in the ordered index, if there is one. */
  ordered = false;

  constructor(key: K) {
    this.key = key;
  }
}

/** False for a deleted key. */
export function isLive(version: Version): boolean {
  return version.row !== undefined || version.bytes !== undefined;
}

/** Memory of an entry whose row has so many bytes when encoded, about, once it was asked for. */
export function sizeOfRow(footprint: Footprint, encodedBytes: number): number {
  const { entryBytes, rowBytes, perByte } = footprint;
  return entryBytes + rowBytes + perByte * encodedBytes;
}

/** What a run file says of itself: for tools, and for whoever has lost the manifest. */
import { encode } from "@msgpack/msgpack";
import { decodeDocument } from "../codec/msgpack-document.js";
import type { ManifestTable } from "../manifest/format.js";

export interface RunTableProperties extends ManifestTable {
  /** Rows of this table in the file, tombstones not counted. */
  readonly rows: number;
  readonly tombstones: number;
}

export interface RunProperties {
  readonly createdMicros: number;
  /** Of the transactions whose changes the file holds. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Tombstones not counted. */
  readonly rows: number;
  readonly tombstones: number;
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
  readonly dataBlocks: number;
  readonly filterLines: number;
  readonly tables: readonly RunTableProperties[];
}

export function encodeProperties(properties: RunProperties): Uint8Array {
  return encode(properties);
}

/** Undefined if the bytes are no properties. Never throws. */
export function decodeProperties(bytes: Uint8Array): RunProperties | undefined {
  let value: unknown;
  try {
    value = decodeDocument(bytes);
  } catch {
    return undefined;
  }
  return isProperties(value) ? value : undefined;
}

function isProperties(value: unknown): value is RunProperties {
  if (typeof value !== "object" || value === null) return false;
  const p = value as Record<string, unknown>;
  const numbers = [p.createdMicros, p.firstSequence, p.lastSequence, p.dataBlocks, p.filterLines];
  return (
    numbers.every(isCount) &&
    hasCounts(p) &&
    p.firstKey instanceof Uint8Array &&
    p.lastKey instanceof Uint8Array &&
    Array.isArray(p.tables) &&
    p.tables.every(isTable)
  );
}

function isTable(value: unknown): value is RunTableProperties {
  if (typeof value !== "object" || value === null) return false;
  const t = value as Record<string, unknown>;
  return isCount(t.id) && typeof t.name === "string" && hasCounts(t) && Array.isArray(t.schemas);
}

function hasCounts(value: Record<string, unknown>): boolean {
  return isCount(value.rows) && isCount(value.tombstones);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

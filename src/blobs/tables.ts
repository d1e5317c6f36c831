/**
 * The tables that say which blobs there are, all blobs of a store in the same three. Chunks are
 * named by their hashes: whoever reads a state, of whatever time, looks for them in the packs that
 * there are then.
 */
import { boolean, bytes, defineTable, integer, map, string, timestamp } from "../codec/schema.js";

/** Numbers of versions are never given twice, whatever was dropped. */
export const blobNames = defineTable({
  name: "blob.names",
  version: 1,
  tier: "critical",
  key: string(),
  fields: { last: integer() },
});

export const blobVersions = defineTable({
  name: "blob.versions",
  version: 1,
  tier: "critical",
  key: [string(), integer()],
  fields: {
    /** Of its pages: no other version ever has the same. */
    id: string(),
    length: integer(),
    /** What comes before the first tensor is cut into chunks by itself: 0 for what has none. */
    headBytes: integer(),
    isTensors: boolean(),
    created: timestamp(),
    tags: map(string()),
    /** Rows that refer to it, as their writers say: it is not dropped while there are any. */
    pins: integer(),
    /** What was new in it, as it is stored. */
    storedBytes: integer(),
  },
});

/** Hashes of the chunks of a version, so many to a row. */
export const blobPages = defineTable({
  name: "blob.pages",
  version: 1,
  tier: "critical",
  key: [string(), integer()],
  fields: { hashes: bytes() },
});

export const HASHES_PER_PAGE = 4096;

export const BLOB_TABLES = [blobNames, blobVersions, blobPages] as const;

/** Every maximum of the project in one place, with its reason. Unit last. */
import { assert } from "./assert.js";

/** One row, encoded. Bounded so that a record of one row always fits a frame. */
export const ROW_BYTES_MAX = 1024 * 1024;

/** One key, encoded. Keys are copied into indexes and error messages, so they stay small. */
export const KEY_BYTES_MAX = 1024;

/** A key behind its table's id, as runs have it. */
export const FULL_KEY_BYTES_MAX = 2 + KEY_BYTES_MAX;

/** Elements of a tuple key. */
export const KEY_PARTS_MAX = 8;

/** Fields of a schema: an encoded row starts with a msgpack array header of at most 16 bits. */
export const FIELDS_MAX = 1000;

/** Depth of nested records, lists and maps: decoding recurses, and a stack is finite. */
export const NESTING_MAX = 16;

/** Digits of a decimal: what a 128-bit two's complement integer always holds. */
export const DECIMAL_DIGITS_MAX = 38;

/** Tables of a store: a table id is a uint16 in a record. */
export const TABLES_MAX = 1024;

/** The description of one table: recovery reads it as it reads a row, and a frame holds it. */
export const SCHEMA_BYTES_MAX = ROW_BYTES_MAX;

/** All descriptions of a store: every manifest holds them, and is at most MANIFEST_BYTES_MAX. */
export const SCHEMAS_BYTES_MAX = 8 * 1024 * 1024;

/** Operations of one transaction: bounds the undo list and the plan of checksums. */
export const TRANSACTION_OPERATIONS_MAX = 100_000;

/**
 * What a transaction says of itself: room for a sentence or two and some ids. All of it together
 * stays below 64 KiB, so that it leaves room for rows in any frame but the very smallest.
 */
export const REASON_BYTES_MAX = 4096;
export const TAGS_MAX = 32;
export const TAG_BYTES_MAX = 1024;

/**
 * One frame (a group commit), with its header and padding. Also the size of a commit slot. Large
 * enough for 10,000 rows of 300 bytes in one transaction; small enough that ten slots are memory
 * nobody misses.
 */
export const FRAME_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Default and bounds of a segment. A multiple of every supported alignment. Recovery reads what is
 * left of the active segment and the spare one to the end, to see whether something later proves a
 * bad place: with 4 MiB that is some 7 ms at 900 MB/s.
 */
export const SEGMENT_BYTES_DEFAULT = 4 * 1024 * 1024;
export const SEGMENT_BYTES_MIN = 64 * 1024;
export const SEGMENT_BYTES_MAX = 1024 * 1024 * 1024;

/** Frames in flight: default (measured, see docs/decisions.md) and bound. */
export const FRAMES_IN_FLIGHT_DEFAULT = 8;
export const FRAMES_IN_FLIGHT_MAX = 64;

/** One manifest, encoded: bounds what recovery reads before it can check anything. */
export const MANIFEST_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Largest content of a block of rows, keys or filters: a row and its key always fit one. Bounds
 * what is decompressed at once.
 */
export const BLOCK_RAW_BYTES_MAX = 1118208;

/** The properties of a run file hold the descriptions of its tables, as a manifest does. */
export const PROPERTIES_BYTES_MAX = MANIFEST_BYTES_MAX;

/**
 * One run file. Merges write some 32 MiB; this bounds what the index of a file can become, however
 * long the keys are and however small their rows become when they are compressed.
 */
export const RUN_FILE_BYTES_MAX = 256 * 1024 * 1024;

/**
 * What is behind the runs, on disk or in memory, in bytes: from the first on acknowledgements wait
 * for the background to catch up, from the second on writes are refused.
 */
export const BACK_PRESSURE_SLOW_BYTES = 96 * 1024 * 1024;
export const BACK_PRESSURE_STOP_BYTES = 256 * 1024 * 1024;

/**
 * An acknowledgement is held back for so long at most: where the background has stopped for good
 * waiting does not help, and whoever waits for ever cannot see why.
 */
export const BACK_PRESSURE_WAIT_MILLIS_MAX = 1000;

/** Named snapshots of a store: every manifest lists them, with their runs. */
export const SNAPSHOTS_MAX = 1000;

/**
 * A file of a run is finished once it is about this long: a merge into the last run goes file by
 * file, and so this is what one step of it costs. An opening maps all files, and reads and writes a
 * manifest that lists them: some 0.1 ms for each, in code that is cold.
 */
export const RUN_FILE_BYTES = 32 * 1024 * 1024;

/** Memory of one flush for rows: two segments' worth, if no key is written twice. */
export const FLUSH_ARENA_BYTES = 32 * 1024 * 1024;

/** The same where flushes run on the thread of the store, which must not stand still for long. */
export const FLUSH_ARENA_INLINE_BYTES = 4 * 1024 * 1024;

/**
 * Runs of a tier that are merged into one of the next. More would make each row be rewritten less
 * often, and each read look into more runs; between 4 and 10 the product of both hardly changes.
 */
export const RUNS_PER_TIER = 8;

/**
 * With so many runs, merges no longer wait for the budget: reads and the memory for open files
 * matter more then. See snapshot/policy.ts for how many there are in a healthy store.
 */
export const RUNS_HURRY = 40;

/**
 * With so many, acknowledgements wait for the merges; and writes are refused, which only happens
 * where merging has stood still for long: a read may have to look into each of them.
 */
export const RUNS_SLOW = 80;
export const RUNS_STOP = 240;

/** Names of tables, fields, environments and writers, in UTF-8 bytes. */
export const NAME_BYTES_MAX = 128;

assert(ROW_BYTES_MAX + KEY_BYTES_MAX + 8192 < FRAME_BYTES_MAX, "a row must fit a frame");
assert(ROW_BYTES_MAX + KEY_BYTES_MAX + 4096 < BLOCK_RAW_BYTES_MAX, "a row must fit a block");

/** Of a hash of the history: SHA-256. */
export const HISTORY_HASH_BYTES = 32;

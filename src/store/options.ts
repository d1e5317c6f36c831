/** The options of `open`, checked once; what is behind trusts them. */
import { hostname } from "node:os";
import {
  FRAME_BYTES_MAX,
  FRAMES_IN_FLIGHT_DEFAULT,
  FRAMES_IN_FLIGHT_MAX,
  SEGMENT_BYTES_DEFAULT,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
} from "../base/limits.js";
import { BLOB_TABLES } from "../blobs/tables.js";
import type { BookDefinition } from "../books/definition.js";
import { BOOK_TABLES } from "../books/tables.js";
import type { TableDefinition } from "../codec/schema.js";
import type { Disk } from "../disk/disk.js";
import { checkMoment, type Moment } from "../history/moments.js";
import type { AnySeries } from "../series/definition.js";
import { SERIES_TABLES } from "../series/tables.js";
import type { History } from "../snapshot/history.js";
import { type BlobRetention, checkRetention } from "./blob-transaction.js";
import { checkBounds, type StoreBounds } from "./bounds.js";
import {
  checkBooks,
  checkChecks,
  checkDistinct,
  checkSeries,
  checkTables,
} from "./check-declarations.js";
import type { ClosingSignal } from "./closing-signals.js";
import { checkHandover, type HandoverOptions } from "./handover.js";
import { checkAligned, checkName, checkRange, checkType, invalid } from "./option-checks.js";
import { checkSnapshotName } from "./snapshots.js";
import { checkTakeover, type TakeoverOptions } from "./takeover.js";
import type { Change, Transaction } from "./transaction-interface.js";
import {
  type BackupOptions,
  type CheckpointOptions,
  checkBackupOptions,
  checkCheckpoints,
  checkSignals,
} from "./upkeep-options.js";

/** A rule over several tables, such as a risk limit: runs inside every transaction it concerns. */
export interface StoreCheck {
  readonly name: string;
  /** Runs when a transaction has changed one of these. */
  // biome-ignore lint/suspicious/noExplicitAny: a list of tables of different types
  readonly tables: readonly TableDefinition<any, any, any>[];
  /**
   * True where the rule is kept; false, or a text that says what is wrong, refuses the transaction.
   * It may read whatever it likes through the transaction, and write nothing.
   */
  holds(transaction: Transaction, changes: readonly Change[]): boolean | string;
}

/** How to open a store. */
export interface OpenOptions {
  /** The tables this program uses. Tables that the store has besides stay as they are. */
  // biome-ignore lint/suspicious/noExplicitAny: a list of tables of different types
  readonly tables?: readonly TableDefinition<any, any, any>[];
  /** The series this program uses; those that the store has besides stay as they are. */
  readonly series?: readonly AnySeries[];
  /**
   * This program uses blobs, `store.blobs`: true, or which of their versions stay when there is a
   * new one. Default: false.
   */
  readonly blobs?: boolean | BlobRetention;
  /** The order books this program uses; the same holds for them. */
  readonly books?: readonly BookDefinition[];
  readonly checks?: readonly StoreCheck[];
  /** A store belongs to one environment. Default: HOLDFAST_ENV, or else "default". */
  readonly environment?: string;
  /** Open a store of another environment, and make it this one's. Default: false. */
  readonly allowEnvironmentChange?: boolean;
  /** Who writes; every transaction keeps it. Default: HOLDFAST_WRITER_ID, or the host's name. */
  readonly writerId?: string;
  /**
   * Which disk to use. "auto", the default, is the best there is: io_uring, or a pool of threads
   * where that is refused, or `node:fs` where the addon cannot be loaded, with a warning.
   */
  readonly backend?: Backend;
  /** Refuse file systems that cannot keep the promise, instead of warning. Default: false. */
  readonly strict?: boolean;
  /** Size of a log segment in bytes: 64 KiB to 1 GiB, a multiple of 4096. Default: 4 MiB. */
  readonly segmentBytes?: number;
  /** Frames that may be on their way to disk at once: 1 to 64. Default: 8. */
  readonly framesInFlight?: number;
  /** How long an "important" write may wait for its flush, in microseconds. Default: 5,000. */
  readonly flushDelayMicros?: number;
  /** How long a "cached" write may wait, in microseconds. Default: 1,000,000. */
  readonly cachedDelayMicros?: number;
  /** Idle time after which the end of the log is sealed, in microseconds. Default: 5,000. */
  readonly sealDelayMicros?: number;
  /**
   * Another process of this user may take the store over while it is open here: it listens at a
   * socket in the directory, and `store.handedOver` tells of it (docs/handover.md). Default: false.
   */
  readonly handover?: boolean | HandoverOptions;
  /**
   * Take the store over from the process that has it, if that has it open with `handover`; open it
   * as ever where nobody has it. Default: false.
   */
  readonly takeover?: boolean | TakeoverOptions;
  /** How long to wait for a dead process's last writes, in milliseconds. Default: 10,000. */
  readonly lockWaitMillis?: number;
  /**
   * How long recovery may take to read the log back, in milliseconds: 1 to 60,000. When the log
   * would take longer, a run is made of it in the background. Default: 50.
   */
  readonly recoveryBudgetMillis?: number;
  /** Make a run of what is new at least so often, in milliseconds; 0, the default: on need only. */
  readonly snapshotEveryMillis?: number;
  /**
   * How long closing may take to make a run of the rest of the log, in milliseconds, so that the
   * next opening has nothing to read back; 0: none is made. Default: 1,000.
   */
  readonly finalSnapshotMillis?: number;
  /**
   * Bytes a second that background work may read and write on average: 64 KiB and more. It is
   * exceeded only where the log itself, or the number of runs, would grow without bound. Default:
   * 10,000,000.
   */
  readonly backgroundBytesPerSecond?: number;
  /**
   * Each file of a run is read through once in so many hours, when little else goes on, so that one
   * that has gone bad is made anew while that can still be done: 0, for never, to 8,760. Default:
   * 24.
   */
  readonly scrubEveryHours?: number;
  /**
   * What becomes of the log when its rows are in runs: "none", the default, and its room is used
   * again; "all", and it is kept, compressed; or it is kept for so many milliseconds, or bytes.
   */
  readonly history?: History;
  /**
   * Named snapshots that the store takes by itself, "checkpoint-" and a sequence, and lets go of
   * again: to look back at, or to go back to. Default: none.
   */
  readonly checkpoints?: CheckpointOptions;
  /**
   * Signals on which the store closes itself, with its last run and checkpoint; the process then
   * ends by the signal, unless the program listens to it as well. A second signal does not wait.
   * Default: none.
   */
  readonly closeOnSignals?: readonly ClosingSignal[];
  /**
   * Backups that the store makes by itself, beside whatever else goes on: see docs/backup.md. One
   * that fails is told by a warning and by `stats().backups`, and tried again. Default: none.
   */
  readonly backup?: BackupOptions;
  /**
   * Memory for rows that were read from disk, and for blocks of runs, in bytes: 1 MiB and more.
   * Rows that no run holds yet, and tables that are resident, come on top. Default: 16 MiB.
   */
  readonly cacheBytes?: number;
  /** Told of what is not an error but should be known. Default: `process.emitWarning`. */
  readonly onWarning?: (warning: StoreWarning) => void;
  /** For tests and experiments: a disk of one's own, instead of `backend`. */
  readonly disk?: Disk;
  /** For tests: a smaller bound of a frame. */
  readonly frameBytesMax?: number;
  /** For tests: other bounds of the background and of memory. */
  readonly bounds?: StoreBounds;
}

/** How to open a named snapshot. Of the other options, those about writing are of no matter. */
export interface SnapshotOpenOptions extends OpenOptions {
  /** Name of the snapshot. */
  readonly at: string;
}

/** How to open a state of the past, as far as the history goes. */
export interface PastOpenOptions extends OpenOptions {
  /** The state after this transaction, or as it was at this time. */
  readonly at: Moment;
}

/** How to fork a store. */
export interface ForkOptions {
  /** Name of the snapshot that it begins with. Default: what the store holds now. */
  readonly at?: string;
  /** Environment of the new store. Default: that of the store. */
  readonly environment?: string;
}

export type Backend = "auto" | "native" | "io_uring" | "threads" | "portable";

export interface StoreWarning {
  readonly code:
    | "PORTABLE_DISK"
    | "WEAK_FILE_SYSTEM"
    | "MANIFEST_REPAIRED"
    | "TORN_TAIL"
    | "SLOW_DISK"
    | "DISK_FULL"
    | "IO"
    | "POISONED"
    | "BACKGROUND"
    | "BACK_PRESSURE"
    | "LATE_RUN"
    | "REPAIRED"
    | "NO_HANDOVER"
    | "BACKUP";
  readonly message: string;
}

export type Options = Required<Omit<OpenOptions, "disk" | "backup" | "checkpoints">> & {
  readonly checkpoints?: CheckpointOptions | undefined;
  readonly backup?: BackupOptions | undefined;
  readonly disk?: Disk | undefined;
  readonly at?: string | Moment | undefined;
};

const BACKENDS: readonly Backend[] = ["auto", "native", "io_uring", "threads", "portable"];

const DEFAULTS = {
  tables: [],
  series: [],
  blobs: false,
  books: [],
  checks: [],
  allowEnvironmentChange: false,
  backend: "auto",
  strict: false,
  handover: false,
  takeover: false,
  segmentBytes: SEGMENT_BYTES_DEFAULT,
  framesInFlight: FRAMES_IN_FLIGHT_DEFAULT,
  flushDelayMicros: 5_000,
  cachedDelayMicros: 1_000_000,
  sealDelayMicros: 5_000,
  lockWaitMillis: 10_000,
  recoveryBudgetMillis: 50,
  snapshotEveryMillis: 0,
  finalSnapshotMillis: 1_000,
  backgroundBytesPerSecond: 10_000_000,
  scrubEveryHours: 24,
  history: "none",
  cacheBytes: 16 * 1024 * 1024,
  closeOnSignals: [],
  frameBytesMax: FRAME_BYTES_MAX,
  bounds: {},
} as const;

/** Throws INVALID_ARGUMENT, naming the option, for anything that is not as documented. */
export function toOptions(given: OpenOptions | SnapshotOpenOptions | PastOpenOptions): Options {
  if (typeof given !== "object" || given === null) throw invalid("the options must be an object");
  const others = ["environment", "writerId", "onWarning", "disk", "at", "backup", "checkpoints"];
  const known = new Set([...Object.keys(DEFAULTS), ...others]);
  for (const name of Object.keys(given)) {
    if (!known.has(name)) throw invalid(`unknown option "${name}"`);
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options = {
    ...DEFAULTS,
    environment: process.env.HOLDFAST_ENV || "default",
    writerId: process.env.HOLDFAST_WRITER_ID || hostname(),
    onWarning: emitWarning,
    ...set,
  } as Options;
  checkTables("tables", options.tables);
  checkSeries(options.series);
  if (typeof options.blobs !== "boolean") {
    checkType("blobs", options.blobs, "object");
    checkRetention("blobs", options.blobs);
  }
  checkBooks(options.books);
  checkChecks(options.checks, options.tables);
  checkType("allowEnvironmentChange", options.allowEnvironmentChange, "boolean");
  checkType("strict", options.strict, "boolean");
  checkType("onWarning", options.onWarning, "function");
  if (options.disk !== undefined) checkType("disk", options.disk, "object");
  if (typeof options.at === "string") checkSnapshotName(options.at);
  else if (options.at !== undefined) checkMoment("at", options.at);
  checkHandover(options.handover);
  checkTakeover(options.takeover);
  const needsSockets = options.handover !== false || options.takeover !== false;
  if (needsSockets && options.disk?.info.kind === "simulated") {
    throw invalid("a simulated disk has no sockets: no handover and no takeover there");
  }
  checkName("environment", options.environment);
  checkName("writerId", options.writerId);
  if (!BACKENDS.includes(options.backend)) {
    throw invalid(`backend must be one of ${BACKENDS.join(", ")}, got ${String(options.backend)}`);
  }
  checkRange("segmentBytes", options.segmentBytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
  checkAligned("segmentBytes", options.segmentBytes);
  checkRange("framesInFlight", options.framesInFlight, 1, FRAMES_IN_FLIGHT_MAX);
  checkRange("flushDelayMicros", options.flushDelayMicros, 0, 60_000_000);
  checkRange("cachedDelayMicros", options.cachedDelayMicros, 0, 3_600_000_000);
  checkRange("sealDelayMicros", options.sealDelayMicros, 1000, 60_000_000);
  checkRange("lockWaitMillis", options.lockWaitMillis, 0, 600_000);
  checkRange("recoveryBudgetMillis", options.recoveryBudgetMillis, 1, 60_000);
  checkRange("snapshotEveryMillis", options.snapshotEveryMillis, 0, 86_400_000);
  checkRange("finalSnapshotMillis", options.finalSnapshotMillis, 0, 600_000);
  const most = Number.MAX_SAFE_INTEGER;
  checkRange("backgroundBytesPerSecond", options.backgroundBytesPerSecond, 65_536, most);
  checkRange("cacheBytes", options.cacheBytes, 1024 * 1024, most);
  checkRange("scrubEveryHours", options.scrubEveryHours, 0, 8_760);
  checkHistory(options.history);
  if (options.backup !== undefined) checkBackupOptions(options.backup);
  if (options.checkpoints !== undefined) checkCheckpoints(options.checkpoints);
  checkSignals(options.closeOnSignals);
  checkRange("frameBytesMax", options.frameBytesMax, 8192, FRAME_BYTES_MAX);
  checkAligned("frameBytesMax", options.frameBytesMax);
  checkBounds(options.bounds);
  const ofSeries = options.series.length > 0 ? SERIES_TABLES : [];
  const ofBlobs = options.blobs === false ? [] : BLOB_TABLES;
  const ofBooks = options.books.length > 0 ? BOOK_TABLES : [];
  const all = { ...options, tables: [...options.tables, ...ofSeries, ...ofBlobs, ...ofBooks] };
  checkDistinct("table", all.tables);
  return all;
}

/** Throws INVALID_ARGUMENT. */
export function checkForkOptions(directory: unknown, options: ForkOptions): ForkOptions {
  if (typeof directory !== "string" || directory === "") throw invalid("the directory is a path");
  if (typeof options !== "object" || options === null) throw invalid("the options are an object");
  for (const name of Object.keys(options)) {
    if (name !== "at" && name !== "environment") throw invalid(`unknown option "${name}"`);
  }
  const { at, environment } = options;
  if (at !== undefined) checkSnapshotName(at);
  if (environment !== undefined) checkName("environment", environment);
  return options;
}

function emitWarning(warning: StoreWarning): void {
  process.emitWarning(warning.message, { type: "HoldfastWarning", code: warning.code });
}

function checkHistory(history: unknown): void {
  if (history === "none" || history === "all") return;
  const entries = Object.entries((history ?? {}) as Record<string, unknown>);
  const [name, value] = entries[0] ?? [];
  if (entries.length === 1 && (name === "keepForMillis" || name === "keepBytes")) {
    checkRange(`history.${name}`, value, 0, Number.MAX_SAFE_INTEGER);
    return;
  }
  throw invalid('history must be "none", "all", { keepForMillis } or { keepBytes }');
}

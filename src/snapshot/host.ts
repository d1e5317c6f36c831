/** What the background asks of the store it works for, and how it is set up. */
import type { ErrorCode } from "../base/errors.js";
import type { Clock, Scheduler } from "../disk/disk.js";
import type { LogEnd } from "../log/pipeline.js";
import type { Manifest } from "../manifest/format.js";
import type { BudgetFigures } from "./budget.js";
import type { History } from "./history.js";
import type { Pressure, TailFigures } from "./trigger.js";

/** The log behind the runs. */
export interface HostTail extends TailFigures {
  readonly lastSequence: number;
  readonly durableSequence: number;
  /** Where the frames end that make `durableSequence` durable. */
  readonly durableEnd: LogEnd;
}

/** A damaged file that is about to be replaced. */
export interface HeldFile {
  /** Renames it, for people to look at; what goes wrong with that harms nobody. */
  setAside(): Promise<void>;
  letGo(): void;
}

export interface SnapshotHost {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly directory: string;
  /**
   * The manifest in force; but `segments` and `tables` as the running log has them: a segment that
   * is full is sealed in it, and a table that was declared is in it, published or not.
   */
  readonly manifest: Manifest;
  readonly tail: HostTail;
  /** Resolves when that sequence is durable; rejects when that can no longer happen. */
  durable(sequence: number): Promise<void>;
  /**
   * Throws MISSING_FILE or FENCED where the directory is not that of this store any more: nothing
   * may then be made there.
   */
  assertOurs(): Promise<void>;
  /**
   * Publishes `edit` of the manifest as it is then, with segments and tables as the running log has
   * them; what the edit makes of the segments is what the log goes on with. Segments, runs and
   * archives that are no longer named are the host's to use again, or to remove. Rejects where it
   * is not known which manifest is in force; that change is never made again.
   */
  change(edit: (manifest: Manifest) => Manifest): Promise<Manifest>;
  /**
   * The state of the manifest has changed and is published: read from its runs from now on.
   */
  adopt(manifest: Manifest): Promise<void>;
  /** Keeps the file of a run where it is, whatever the manifest says of it meanwhile. */
  holdFile(fileId: number): HeldFile;
  warn(code: "BACKGROUND" | "BACK_PRESSURE" | "LATE_RUN" | "REPAIRED", message: string): void;
  /** The level has changed. */
  onPressure(level: Pressure): void;
}

export interface SnapshotterOptions {
  readonly recoveryBudgetMicros: number;
  /** 0: on need only. */
  readonly snapshotEveryMillis: number;
  readonly history: History;
  /** Size of the tail, on disk or in memory, at which writers are to be slowed, and stopped. */
  readonly slowBytes: number;
  readonly stopBytes: number;
  /** Defaults are those of base/limits.ts. */
  readonly fileBytes?: number;
  readonly arenaBytes?: number;
  readonly runsPerTier?: number;
  readonly runsHurry?: number;
  /** Runs at which writers are to be slowed, and stopped. */
  readonly runsSlow?: number;
  readonly runsStop?: number;
  /** Every file of a run is read through once in so long; 0, the default: never. */
  readonly scrubEveryMillis?: number;
}

/** What one kind of work has done, and how it fares. */
export interface ActivityFigures {
  readonly done: number;
  readonly failures: number;
  readonly running: boolean;
  /** Of the last failure; undefined once something has succeeded since. */
  readonly error: { readonly code: ErrorCode | undefined; readonly message: string } | undefined;
  /** It is not tried again by itself. */
  readonly halted: boolean;
}

export interface RepairFigures extends ActivityFigures {
  /** Files that were made anew. */
  readonly repaired: number;
  /** Files that are known to be damaged now. */
  readonly unrepaired: number;
}

export interface ScrubFigures extends ActivityFigures {
  /** Bytes of the files of runs and archives that were read through. */
  readonly bytes: number;
  /** Files that were found to be damaged; each is told of by a warning. */
  readonly findings: number;
  /** When the last file of all was read, in microseconds since 1970; 0: not yet. */
  readonly lastPassMicros: number;
}

export interface SnapshotterFigures {
  readonly flushes: ActivityFigures;
  readonly merges: ActivityFigures;
  readonly archives: ActivityFigures;
  readonly repairs: RepairFigures;
  readonly scrubs: ScrubFigures;
  /** Rows that flushes have read from the log, and the time they took. */
  readonly flushedOperations: number;
  readonly flushMicros: number;
  readonly mergedBytes: number;
  readonly archivedBytes: number;
  readonly crashes: number;
  readonly budget: BudgetFigures;
  readonly tail: TailFigures;
  /** What replaying the tail would take, as a part of the budget. */
  readonly urgency: number;
  readonly pressure: Pressure;
  readonly runs: number;
  readonly runBytes: number;
  readonly where: "thread" | "inline";
}

/** What the background asks of the store it works for, and how it is set up. */
import type { ErrorCode } from "../base/errors.js";
import type { Clock, Scheduler } from "../disk/disk.js";
import type { LogEnd } from "../log/pipeline.js";
import type { Manifest, ManifestSegment } from "../manifest/format.js";
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
   * Publishes `edit` of the manifest as it is then, with segments and tables as the running log has
   * them; what the edit makes of the segments is what the log goes on with. Files of runs and
   * archives that are no longer named are the host's to remove. Rejects where it is not known which
   * manifest is in force; that change is never made again.
   */
  change(edit: (manifest: Manifest) => Manifest): Promise<Manifest>;
  /**
   * The state of the manifest has changed and is published: read from its runs from now on.
   */
  adopt(manifest: Manifest): Promise<void>;
  /** The manifest no longer names these segments: their files may be used again, or removed. */
  release(segments: readonly ManifestSegment[]): Promise<void>;
  warn(code: "BACKGROUND" | "BACK_PRESSURE", message: string): void;
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

export interface SnapshotterFigures {
  readonly flushes: ActivityFigures;
  readonly merges: ActivityFigures;
  readonly archives: ActivityFigures;
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

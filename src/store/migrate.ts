/** Makes all rows of older versions rows of the version in force, for good, in small steps. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { livingVersions } from "../codec/schema-history.js";
import { appendDeclarations } from "./declare.js";
import type { RangeSource } from "./range.js";
import { RunWalk } from "./run-walk.js";
import type { StoreParts } from "./store.js";
import type { TableState } from "./table-state.js";
import type { TransactionRunner } from "./transaction.js";

export interface MigrateOptions {
  /** Stops between two transactions; what is done stays done. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: MigrationProgress) => void;
}

/** How far the migration of a table is. */
export interface MigrationProgress {
  readonly table: string;
  /** Rows that were looked at. */
  readonly rows: number;
  /** Of these, rows that were of an older version and were rewritten. */
  readonly rewritten: number;
}

/** What a migration did to a table. */
export interface MigratedTable extends MigrationProgress {
  readonly version: number;
  /** Rows that could not be rewritten, at most 1,000 of them: they are as they were. */
  readonly failures: readonly HoldfastError[];
  readonly failed: number;
}

export type MigrateParts = Pick<StoreParts, "catalog" | "writer" | "background" | "disk"> & {
  readonly runner: TransactionRunner;
  readonly assertOpen: () => void;
  /** Resolves when everything there is now is in runs. */
  readonly flush: () => Promise<void>;
};

/** One turn of the event loop takes so many rows, or so many bytes of rows: below a millisecond. */
const ROWS_PER_TURN = 200;
const BYTES_PER_TURN = 64 * 1024;

const FAILURES_MAX = 1000;

const EVERYTHING = {
  lower: undefined,
  lowerExclusive: false,
  upper: undefined,
  upperExclusive: false,
  reverse: false,
} as const;

export async function migrateStore(
  parts: MigrateParts,
  options: MigrateOptions,
): Promise<MigratedTable[]> {
  const { signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new HoldfastError("INVALID_ARGUMENT", "signal must be an AbortSignal");
  }
  const tables = [...parts.catalog.tables].filter(
    (table) => table.isBound && livingVersions(table.history).length > 1,
  );
  // What was written by now is in runs then, each row with its version; what comes later is of the
  // version in force.
  if (tables.length > 0) await parts.flush();
  const migrated: MigratedTable[] = [];
  for (const table of tables) migrated.push(await new TableMigration(table, parts, options).run());
  return migrated;
}

class TableMigration {
  readonly #table: TableState;
  readonly #parts: MigrateParts;
  readonly #options: MigrateOptions;
  readonly #through: number;
  readonly #failures: HoldfastError[] = [];
  #failed = 0;
  #rows = 0;
  #rewritten = 0;

  constructor(table: TableState, parts: MigrateParts, options: MigrateOptions) {
    this.#table = table;
    this.#parts = parts;
    this.#options = options;
    this.#through = table.layers.horizon.through;
  }

  async run(): Promise<MigratedTable> {
    const table = this.#table;
    const { definition } = table;
    const { writer, disk, background, assertOpen } = this.#parts;
    const walk = new RunWalk(runsOf(table), EVERYTHING);
    try {
      for (let more = true; more; ) {
        this.#options.signal?.throwIfAborted();
        assertOpen();
        table.assertInForce(definition);
        more = this.#turn(walk);
        this.#options.onProgress?.(this.#progress);
        // As fast as the disk takes it, and others have their turn in between.
        await writer.durable(writer.lastSequence);
        await background.gate;
        await new Promise<void>((resolve) => void disk.scheduler.after(0, resolve, true));
      }
    } finally {
      walk.close();
    }
    if (this.#failed === 0) await this.#declareDone();
    const { version } = definition;
    return { ...this.#progress, version, failures: this.#failures, failed: this.#failed };
  }

  get #progress(): MigrationProgress {
    return { table: this.#table.name, rows: this.#rows, rewritten: this.#rewritten };
  }

  /** One transaction. False when there are no more rows. */
  #turn(walk: RunWalk<unknown, unknown>): boolean {
    const { runner, writer, background } = this.#parts;
    background.assertRoom();
    runner.begin();
    try {
      const more = this.#fill(walk);
      if (runner.operations === 0) runner.rollback();
      else {
        writer.commitRecord();
        runner.settleCached(true);
        runner.end();
        writer.flushSoon();
      }
      this.#rewritten += runner.operations;
      return more;
    } catch (error) {
      if (runner.active) runner.rollback();
      throw error;
    }
  }

  #fill(walk: RunWalk<unknown, unknown>): boolean {
    const { runner, writer } = this.#parts;
    for (let i = 0; i < ROWS_PER_TURN; i++) {
      if (writer.frame.recordBytes >= BYTES_PER_TURN) return true;
      if (!walk.peek()) return false;
      this.#rows++;
      const { key } = walk;
      if (walk.schemaVersion !== this.#table.definition.version && !this.#isNewer(key)) {
        const row = this.#rowOf(walk, key);
        if (row !== undefined) {
          // One that is too large for what is left of this transaction is looked at again.
          if (!this.#store(key, row, runner.operations > 0)) {
            this.#rows--;
            return true;
          }
        }
      }
      walk.pass();
    }
    return true;
  }

  /** Memory knows of the key what no run did when this began. */
  #isNewer(key: unknown): boolean {
    const entry = this.#table.rows.get(this.#table.key.mapKey(key));
    return entry !== undefined && entry.sequence > this.#through;
  }

  #rowOf(walk: RunWalk<unknown, unknown>, key: unknown): unknown {
    try {
      return walk.row();
    } catch (error) {
      this.#fail(error, key);
      return undefined;
    }
  }

  #store(key: unknown, row: unknown, hasOthers: boolean): boolean {
    try {
      this.#parts.runner.storeRow(this.#table, key, row);
    } catch (error) {
      if (!isHoldfastError(error, "TOO_LARGE")) throw error;
      if (hasOthers) return false;
      this.#fail(error, key);
    }
    return true;
  }

  #fail(error: unknown, key: unknown): void {
    if (!isHoldfastError(error)) throw error;
    if (!["MIGRATION_FAILED", "INVALID_ROW", "TOO_LARGE"].includes(error.code)) throw error;
    this.#failed++;
    if (this.#failures.length >= FAILURES_MAX) return;
    const { data } = error;
    this.#failures.push(
      data.key !== undefined
        ? error
        : new HoldfastError(error.code, error.message, { ...data, key }, error.cause),
    );
  }

  /** From here on the older versions, and the code for them, are needed for history only. */
  async #declareDone(): Promise<void> {
    const { catalog, writer } = this.#parts;
    const table = this.#table;
    const inForce = table.history.find(({ version }) => version === table.definition.version);
    if (inForce === undefined) return;
    const description = { ...inForce, migrated: true as const };
    const sequence = appendDeclarations(writer, [{ id: table.id, description }]);
    catalog.declareInForce(table, description, () => writer.durableSequence >= sequence);
    writer.flushSoon();
    await writer.durable(sequence);
  }
}

/** What runs have of a table, whatever memory has of it. */
function runsOf(table: TableState): RangeSource<unknown, unknown> {
  return { table, runs: () => table.layers.runs, visible: () => undefined };
}

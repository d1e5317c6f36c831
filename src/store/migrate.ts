/** Makes all rows of older versions rows of the version in force, for good, in small steps. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";
import { livingVersions } from "../codec/schema-history.js";
import { EVERYTHING, type RangeSource } from "./range.js";
import { RunWalk } from "./run-walk.js";
import type { StoreParts } from "./store.js";
import type { TableState } from "./table-state.js";
import type { TransactionRunner } from "./transaction.js";
import { definitionsOf } from "./upgrades.js";

export interface MigrateOptions {
  /** Stops between two transactions; what is done stays done. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: MigrationProgress) => void;
  /**
   * Go back: definitions of versions before those in force, which their `down` leads to. They are
   * in force at once for this program; for others when all rows have been rewritten.
   */
  // biome-ignore lint/suspicious/noExplicitAny: a list of tables of different types
  readonly back?: readonly TableDefinition<any, any, any>[];
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

export async function migrateStore(
  parts: MigrateParts,
  options: MigrateOptions,
): Promise<MigratedTable[]> {
  const { signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new HoldfastError("INVALID_ARGUMENT", "signal must be an AbortSignal");
  }
  const { back = [] } = options;
  if (!Array.isArray(back)) throw new HoldfastError("INVALID_ARGUMENT", "back must be a list");
  for (const definition of back) await turnBack(definition, parts);
  const tables = [...parts.catalog.tables].filter(({ isBound, history, definition }) => {
    if (!isBound) return false;
    return livingVersions(history).length > 1 || history.at(-1)?.version !== definition.version;
  });
  // What was written by now is in runs then, each row with its version; what comes later is of the
  // version in force.
  if (tables.length > 0) await parts.flush();
  const migrated: MigratedTable[] = [];
  for (const table of tables) migrated.push(await new TableMigration(table, parts, options).run());
  return migrated;
}

/** From here on rows are read, and put, as rows of a version before the one in force. */
async function turnBack(target: TableDefinition, parts: MigrateParts): Promise<void> {
  const { catalog, background, writer, disk } = parts;
  const table = [...catalog.tables].find(({ name }) => name === target?.name);
  const inForce = table?.history.at(-1);
  const coded = table === undefined ? [] : definitionsOf(table.definition);
  if (table === undefined || inForce === undefined || !coded.includes(target)) {
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `table "${target?.name}": going back leads to a definition that is \`previous\` of the one ` +
        "that the store was opened with, or of one before",
    );
  }
  const above = coded.filter((one) => one.version > target.version);
  const without = above.find(({ step }) => step.down === undefined);
  if (without !== undefined) {
    throw new HoldfastError(
      "SCHEMA_MISMATCH",
      `table "${table.name}": version ${without.version} has no \`down\`, so there is no way back`,
      { table: table.name, version: without.version },
    );
  }
  const { version } = table.definition;
  const missing = livingVersions(table.history).find(
    (one) => one.version > target.version && !above.some((two) => two.version === one.version),
  );
  if (missing !== undefined) {
    throw new HoldfastError(
      "SCHEMA_MISMATCH",
      `table "${table.name}": between version ${version} and ${target.version} the store has ` +
        `version ${missing.version}, which the code does not`,
      { table: table.name, version: missing.version },
    );
  }
  const description = { ...inForce, back: true as const };
  await catalog.declareInForce(table, description, writer);
  // What merges had begun before would make rows of the version in force after they were rewritten.
  while (background.stats().merges.running) {
    parts.assertOpen();
    await new Promise<void>((resolve) => void disk.scheduler.after(1, resolve, true));
  }
  catalog.turnBack(table, target);
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
    const { back: _, ...declared } = inForce;
    await catalog.declareInForce(table, { ...declared, migrated: true as const }, writer);
  }
}

/** What runs have of a table, whatever memory has of it. */
function runsOf(table: TableState): RangeSource<unknown, unknown> {
  return { table, runs: () => table.layers.runs, visible: () => undefined };
}

/** The tables of a store: what the manifest and the log declare, and what the code declares. */
import { HoldfastError } from "../base/errors.js";
import { SCHEMA_BYTES_MAX, SCHEMAS_BYTES_MAX, TABLES_MAX } from "../base/limits.js";
import type { TableDefinition } from "../codec/schema.js";
import {
  describeSchema,
  normalSchema,
  parseSchema,
  type SchemaDescription,
} from "../codec/schema-description.js";
import type { SchemaHistory } from "../codec/schema-history.js";
import type { LogWriter } from "../log/writer.js";
import type { ManifestTable } from "../manifest/format.js";
import type { RunSet } from "../run/run-set.js";
import { BookSet } from "./books.js";
import { appendDeclarations } from "./declare.js";
import { planEvolution } from "./evolution.js";
import type { Layers } from "./layers.js";
import { SeriesSet } from "./series.js";
import { TableState } from "./table-state.js";

/** A schema that the log does not hold yet. */
export interface Declaration {
  readonly id: number;
  readonly description: SchemaDescription;
}

interface PendingHistory {
  readonly table: TableState;
  readonly history: SchemaHistory;
  readonly isDurable: () => boolean;
}

export class Catalog {
  readonly layers: Layers;
  readonly series = new SeriesSet();
  readonly books = new BookSet();
  readonly #byId = new Map<number, TableState>();
  readonly #byName = new Map<string, TableState>();
  readonly #byDefinition = new Map<unknown, TableState>();
  #list: readonly ManifestTable[] | undefined;
  /** What the log has, but perhaps not durably: a manifest must not say it yet. */
  readonly #pending: PendingHistory[] = [];

  constructor(layers: Layers) {
    this.layers = layers;
  }

  get tables(): Iterable<TableState> {
    return this.#byId.values();
  }

  /** The runs there are at opening: what they may hold of a table, memory does not have. */
  openRuns(runs: RunSet, through: number): void {
    this.useRuns(runs, through);
    for (const table of this.tables) {
      if (runs.mayHoldTable(table.id)) table.rows.complete = false;
    }
  }

  /** Other runs, which hold all transactions up to `through`, in place of those there were. */
  useRuns(runs: RunSet, through: number): void {
    this.layers.runs = runs;
    this.layers.horizon.advance(through);
  }

  byId(id: number): TableState | undefined {
    return this.#byId.get(id);
  }

  /** A schema that the store holds: from its manifest or its log. Known ones change nothing. */
  declare(id: number, description: unknown): void {
    const definition = parseSchema(description);
    let table = this.#byId.get(id);
    if (table === undefined) {
      table = new TableState(id, definition, this.layers);
      this.#byId.set(id, table);
      this.#byName.set(table.name, table);
    }
    if (!table.declare(normalSchema(description), definition)) return;
    table.published = table.history;
    this.#list = undefined;
  }

  /** The declarations that put another version of a table into force. Errors as for `bind`. */
  planEvolution(table: TableState, definition: TableDefinition): Declaration[] {
    const { id, history } = table;
    const added = planEvolution(history, definition);
    const declarations = added.map((description) => ({ id, description }));
    this.#assertRoomFor(declarations);
    return declarations;
  }

  /** Uses another version of a table, whose declarations the log has. */
  evolve(
    table: TableState,
    definition: TableDefinition,
    declarations: readonly Declaration[],
    isDurable: () => boolean,
  ): void {
    for (const { description } of declarations) table.declare(description, definition);
    table.bind(definition);
    this.#byDefinition.set(definition, table);
    this.#pending.push({ table, history: table.history, isDurable });
  }

  /** Declares a version that is known again, with more to be said of it. */
  async declareInForce(
    table: TableState,
    description: SchemaDescription,
    writer: LogWriter,
  ): Promise<void> {
    const sequence = appendDeclarations(writer, [{ id: table.id, description }]);
    table.declare(description, table.definition);
    const isDurable = () => writer.durableSequence >= sequence;
    this.#pending.push({ table, history: table.history, isDurable });
    writer.flushSoon();
    await writer.durable(sequence);
  }

  /** Rows are made into those of a version before the one in force, by the code's `down`. */
  turnBack(table: TableState, target: TableDefinition): void {
    table.bind(target, table.definition);
    this.#byDefinition.set(target, table);
  }

  /**
   * Joins the tables that the code declares to those of the store. Returns what the log lacks.
   * Throws SCHEMA_MISMATCH, TOO_LARGE or INVALID_ARGUMENT before anything has changed.
   */
  bind(definitions: readonly TableDefinition[]): Declaration[] {
    const declarations: Declaration[] = [];
    let nextId = Math.max(0, ...this.#byId.keys()) + 1;
    for (const definition of definitions) {
      const table = this.#byName.get(definition.name);
      const added =
        table === undefined
          ? [describeSchema(definition)]
          : planEvolution(table.history, definition);
      const id = table === undefined ? nextId++ : table.id;
      for (const description of added) declarations.push({ id, description });
    }
    this.#assertRoomFor(declarations);
    for (const { id, description } of declarations) this.declare(id, description);
    for (const definition of definitions) {
      const table = this.#byName.get(definition.name) as TableState;
      table.bind(definition);
      this.#byDefinition.set(definition, table);
    }
    return declarations;
  }

  #assertRoomFor(added: readonly Declaration[]): void {
    const tables = new Set([...this.#byId.keys(), ...added.map(({ id }) => id)]).size;
    if (tables > TABLES_MAX) {
      throw new HoldfastError(
        "INVALID_ARGUMENT",
        `a store has at most ${TABLES_MAX} tables; this one has ${this.#byId.size}, and ` +
          `${tables - this.#byId.size} more are declared`,
      );
    }
    let total = 0;
    for (const { history } of this.#byId.values()) {
      for (const schema of history) total += sizeOf(schema);
    }
    for (const { description } of added) {
      const { name } = description;
      const bytes = sizeOf(description);
      total += bytes;
      if (bytes > SCHEMA_BYTES_MAX || total > SCHEMAS_BYTES_MAX) {
        throw new HoldfastError(
          "TOO_LARGE",
          `table "${name}": its schema takes ${bytes} bytes; a schema may take ` +
            `${SCHEMA_BYTES_MAX}, and all of a store ${SCHEMAS_BYTES_MAX}`,
          { table: name },
        );
      }
    }
  }

  /** The state of a table that the code declared at opening. */
  of<Key, Row, Input>(definition: TableDefinition<Key, Row, Input>): TableState<Key, Row, Input> {
    const table = this.#byDefinition.get(definition) as TableState<Key, Row, Input> | undefined;
    if (table !== undefined) {
      table.assertInForce(definition);
      return table;
    }
    const name = (definition as { name?: unknown } | undefined)?.name;
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `table ${JSON.stringify(name)} is not among the tables that the store was opened with`,
    );
  }

  /** For the manifest; the same list until a schema comes in. */
  list(): readonly ManifestTable[] {
    while (this.#pending[0]?.isDurable()) {
      const { table, history } = this.#pending.shift() as PendingHistory;
      table.published = history;
      this.#list = undefined;
    }
    this.#list ??= [...this.#byId.values()].map(({ id, name, published }) => ({
      id,
      name,
      schemas: published,
    }));
    return this.#list;
  }
}

function sizeOf(schema: SchemaDescription): number {
  return Buffer.byteLength(JSON.stringify(schema));
}

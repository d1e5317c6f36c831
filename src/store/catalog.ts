/** The tables of a store: what the manifest and the log declare, and what the code declares. */
import { HoldfastError } from "../base/errors.js";
import { SCHEMA_BYTES_MAX, SCHEMAS_BYTES_MAX, TABLES_MAX } from "../base/limits.js";
import type { TableDefinition } from "../codec/schema.js";
import {
  describeSchema,
  parseSchema,
  type SchemaDescription,
  sameSchema,
} from "../codec/schema-description.js";
import type { ManifestTable } from "../manifest/format.js";
import type { RunSet } from "../run/run-set.js";
import type { Layers } from "./layers.js";
import { TableState } from "./table-state.js";

/** A schema that the log does not hold yet. */
export interface Declaration {
  readonly id: number;
  readonly description: SchemaDescription;
}

export class Catalog {
  readonly layers: Layers;
  readonly #byId = new Map<number, TableState>();
  readonly #byName = new Map<string, TableState>();
  readonly #byDefinition = new Map<unknown, TableState>();
  #list: readonly ManifestTable[] | undefined;

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
    const schema = describeSchema(definition);
    let table = this.#byId.get(id);
    if (table === undefined) {
      table = new TableState(id, definition, this.layers);
      this.#byId.set(id, table);
      this.#byName.set(table.name, table);
    } else if (table.schemas.some((known) => sameSchema(known, schema))) {
      return;
    }
    table.schemas.push(schema);
    this.#list = undefined;
  }

  /**
   * Joins the tables that the code declares to those of the store. Returns what the log lacks.
   * Throws SCHEMA_MISMATCH, TOO_LARGE or INVALID_ARGUMENT before anything has changed.
   */
  bind(definitions: readonly TableDefinition[]): Declaration[] {
    const declarations: Declaration[] = [];
    let nextId = Math.max(0, ...this.#byId.keys()) + 1;
    for (const definition of definitions) {
      const stored = this.#byName.get(definition.name)?.schemas.at(-1);
      if (stored !== undefined) assertSameSchema(stored, describeSchema(definition));
    }
    this.#assertRoomFor(definitions.filter(({ name }) => !this.#byName.has(name)));
    for (const definition of definitions) {
      let table = this.#byName.get(definition.name);
      if (table === undefined) {
        const description = describeSchema(definition);
        declarations.push({ id: nextId, description });
        this.declare(nextId, description);
        table = this.#byId.get(nextId) as TableState;
        nextId++;
      }
      table.bind(definition);
      this.#byDefinition.set(definition, table);
    }
    return declarations;
  }

  #assertRoomFor(added: readonly TableDefinition[]): void {
    if (this.#byId.size + added.length > TABLES_MAX) {
      throw new HoldfastError(
        "INVALID_ARGUMENT",
        `a store has at most ${TABLES_MAX} tables; this one has ${this.#byId.size}, and ` +
          `${added.length} more are declared`,
      );
    }
    let total = 0;
    for (const { schemas } of this.#byId.values()) {
      for (const schema of schemas) total += sizeOf(schema);
    }
    for (const definition of added) {
      const { name } = definition;
      const bytes = sizeOf(describeSchema(definition));
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
    const table = this.#byDefinition.get(definition);
    if (table !== undefined) return table as TableState<Key, Row, Input>;
    const name = (definition as { name?: unknown } | undefined)?.name;
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `table ${JSON.stringify(name)} is not among the tables that the store was opened with`,
    );
  }

  /** For the manifest; the same list until a schema comes in. */
  list(): readonly ManifestTable[] {
    this.#list ??= [...this.#byId.values()].map(({ id, name, schemas }) => ({
      id,
      name,
      schemas: [...schemas],
    }));
    return this.#list;
  }
}

function sizeOf(schema: SchemaDescription): number {
  return Buffer.byteLength(JSON.stringify(schema));
}

/** A tier is a matter of the code, not of the rows; anything else must be the same. */
function assertSameSchema(stored: SchemaDescription, declared: SchemaDescription): void {
  if (sameSchema(stored, { ...declared, tier: stored.tier })) return;
  const { name } = declared;
  const how =
    stored.version === declared.version
      ? `both are version ${stored.version}, but they differ: a changed schema needs a new version`
      : `the store holds version ${stored.version}, the code declares version ${declared.version}`;
  throw new HoldfastError(
    "SCHEMA_MISMATCH",
    `table "${name}": ${how} (${differences(stored, declared).join("; ")}). Nothing was changed`,
    { table: name },
  );
}

function differences(stored: SchemaDescription, declared: SchemaDescription): string[] {
  const found: string[] = [];
  const text = (value: unknown) => JSON.stringify(value);
  if (text(stored.key) !== text(declared.key)) {
    found.push(`key: stored ${text(stored.key)}, declared ${text(declared.key)}`);
  }
  const before = new Map(stored.fields.map((field) => [field.name, text(field)]));
  for (const field of declared.fields) {
    const was = before.get(field.name);
    before.delete(field.name);
    if (was === undefined) found.push(`field "${field.name}" is not stored`);
    else if (was !== text(field)) found.push(`field "${field.name}": stored ${was}`);
  }
  for (const name of before.keys()) found.push(`stored field "${name}" is not declared`);
  return found.length > 0 ? found : ["only the order of the fields or the version differs"];
}

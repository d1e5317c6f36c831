/**
 * Tables and schemas as a snapshot knew them. The manifest has those of today: with a schema that
 * was declared since, a program of the snapshot's time would be refused.
 */
import type { ManifestTable } from "../manifest/format.js";
import type { RunProperties } from "../run/properties.js";

/** More than there are. */
const SCHEMA_VERSIONS = 65_536;

interface Schema {
  readonly name: string;
  readonly version: number;
  readonly migrated?: unknown;
}

export class RestoredTables {
  /** Of today, with what the log declares; in the order in which they were declared. */
  readonly #all = new Map<number, { readonly name: string; readonly schemas: Schema[] }>();
  /** Versions that the snapshot has, by table. */
  readonly #known = new Map<number, Set<number>>();
  /** Versions in the order in which they were last declared, as far as that is known. */
  readonly #order = new Map<number, { createdMicros: number; versions: number[] }>();
  #lastTable = -1;
  #lastVersion = -1;

  constructor(tables: readonly ManifestTable[]) {
    for (const { id, name, schemas } of tables) {
      this.#all.set(id, { name, schemas: [...(schemas as readonly Schema[])] });
    }
  }

  /** What a file of a run says: it was made before the snapshot was. */
  addFile({ tables, createdMicros }: RunProperties): void {
    for (const { id, schemas } of tables) {
      const known = schemas.filter(isSchema);
      for (const schema of known) this.#add(id, schema);
      const order = this.#order.get(id);
      if (order !== undefined && order.createdMicros >= createdMicros) continue;
      this.#order.set(id, { createdMicros, versions: known.map(({ version }) => version) });
    }
  }

  /** A declaration in the log; false if it is none. */
  declare(tableId: number, text: string): boolean {
    let schema: unknown;
    try {
      schema = JSON.parse(text);
    } catch {
      return false;
    }
    if (!isSchema(schema)) return false;
    this.#add(tableId, schema);
    const { version } = schema;
    const order = this.#order.get(tableId);
    if (order === undefined) this.#order.set(tableId, { createdMicros: 0, versions: [version] });
    else order.versions = [...order.versions.filter((one) => one !== version), version];
    return true;
  }

  addRow(tableId: number, version: number): void {
    if (tableId === this.#lastTable && version === this.#lastVersion) return;
    this.#lastTable = tableId;
    this.#lastVersion = version;
    this.#know(tableId, version);
  }

  /** With all schemas there are. */
  get all(): ManifestTable[] {
    return [...this.#all].map(([id, { name, schemas }]) => ({ id, name, schemas }));
  }

  get list(): ManifestTable[] {
    const tables: ManifestTable[] = [];
    for (const [id, { name, schemas }] of this.#all) {
      const kept = this.#ordered(id, schemas);
      if (kept.length > 0) tables.push({ id, name, schemas: kept });
    }
    return tables;
  }

  /**
   * Those up to the newest that the snapshot has: rows may have to go through all of them. That
   * there were once rows of one version only is forgotten: the snapshot may be from before.
   */
  #ordered(id: number, schemas: readonly Schema[]): Schema[] {
    const newest = Math.max(0, ...(this.#known.get(id) ?? []));
    const { versions: order = [] } = this.#order.get(id) ?? {};
    const declared = Math.max(0, ...order);
    const rank = ({ version }: Schema): number => {
      if (order.includes(version)) return order.indexOf(version);
      return version < declared ? version - SCHEMA_VERSIONS : SCHEMA_VERSIONS + version;
    };
    return schemas
      .filter(({ version }) => version <= newest)
      .sort((a, b) => rank(a) - rank(b))
      .map(({ migrated: _, ...schema }) => schema);
  }

  #add(id: number, schema: Schema): void {
    const table = this.#all.get(id);
    if (table === undefined) this.#all.set(id, { name: schema.name, schemas: [schema] });
    else if (!table.schemas.some(({ version }) => version === schema.version)) {
      table.schemas.push(schema);
    }
    this.#know(id, schema.version);
  }

  #know(id: number, version: number): void {
    const known = this.#known.get(id);
    if (known === undefined) this.#known.set(id, new Set([version]));
    else known.add(version);
  }
}

function isSchema(value: unknown): value is Schema {
  if (typeof value !== "object" || value === null) return false;
  const { name, version } = value as Record<string, unknown>;
  return typeof name === "string" && typeof version === "number";
}

/** Tables: name, version, tier, key and fields, checked once and then frozen. */
import { HoldfastError } from "../base/errors.js";
import {
  type FieldNode,
  type Fields,
  fieldNodes,
  type InputOfFields,
  type KeyFieldType,
  type RowOfFields,
} from "./field-types.js";
import {
  checkDrops,
  checkedFields,
  checkKey,
  checkTableName,
  checkTier,
  checkVersion,
} from "./schema-check.js";

import { checkStep } from "./schema-step.js";

export * from "./field-types.js";

/** How soon a put of the table is acknowledged, and what it costs: see docs/architecture.md. */
export type Tier = "critical" | "important" | "cached";

/** The type of a key, or of a part of one, as data. */
export interface KeyNode {
  readonly kind: "string" | "integer" | "int64" | "timestamp";
}

/** A rule that every row of a table has to keep. */
export interface TableCheck<Key, Row> {
  readonly name: string;
  /** True where the row keeps the rule; otherwise false, or a text that says what is wrong. */
  holds(row: Row, key: Key): boolean | string;
}

/** Makes a row of another version of the schema of a row, as it is read, and its key. */
export type Migrate = (row: never, key: never) => unknown;

/** How rows of the version before become those of a version. */
export interface SchemaStep {
  /** Fields of the version before that are given up. */
  readonly drops: readonly string[];
  /** The version that `up` is from and `down` leads to. */
  readonly previous: TableDefinition | undefined;
  readonly up: Migrate | undefined;
  readonly down: Migrate | undefined;
}

declare const TYPES: unique symbol;

/** A table as `defineTable` makes it. Frozen, all of it. */
export interface TableDefinition<Key = unknown, Row = unknown, Input = unknown> {
  readonly name: string;
  /** Version of the schema, from 1. */
  readonly version: number;
  readonly tier: Tier;
  /** One part, or two to eight of them for a key that is a tuple. */
  readonly key: KeyNode | readonly KeyNode[];
  readonly fields: readonly FieldNode[];
  readonly checks: readonly TableCheck<Key, Row>[];
  /** All rows stay in memory: no read of the table ever waits for the disk. */
  readonly resident: boolean;
  /** The log may hold patches of its rows: see `TableOptions`. */
  readonly patches: boolean;
  readonly step: SchemaStep;
  /** Exists for type inference only. */
  readonly [TYPES]?: { readonly key: Key; readonly row: Row; readonly input: Input };
}

/** The row read from a table. */
export type RowOf<T> = T extends TableDefinition<infer _Key, infer Row, infer _Input> ? Row : never;

/** The row as it may be written: decimals also as strings, defaulted fields left out. */
export type InputOf<T> =
  T extends TableDefinition<infer _Key, infer _Row, infer Input> ? Input : never;

/** The key of a table. */
export type KeyOf<T> = T extends TableDefinition<infer Key, infer _Row, infer _Input> ? Key : never;

/** One type for a key, or two to eight of them for a tuple. */
export type KeyTypes =
  | KeyFieldType<string | number | bigint>
  | readonly [
      KeyFieldType<string | number | bigint>,
      KeyFieldType<string | number | bigint>,
      ...KeyFieldType<string | number | bigint>[],
    ];

type KeyPartOf<K> = K extends KeyFieldType<infer Value> ? Value : never;

/** The key that `defineTable` infers from its types. */
export type KeyOfTypes<K extends KeyTypes> = K extends readonly unknown[]
  ? { readonly [I in keyof K]: KeyPartOf<K[I]> }
  : KeyPartOf<K>;

/** What `defineTable` takes. */
export interface TableOptions<
  K extends KeyTypes,
  F extends Fields,
  PreviousRow = unknown,
  PreviousInput = unknown,
> {
  /** Letters, digits, "_", "." and "-"; begins with a letter or "_". */
  readonly name: string;
  /** From 1; goes up by one with every change of key or fields. */
  readonly version: number;
  /** "critical" unless said otherwise. */
  readonly tier?: Tier;
  readonly key: K;
  readonly fields: F;
  /**
   * Keep all rows in memory, so that no read ever waits for the disk; opening reads them all.
   * Default: false, which keeps those that are new or in use.
   */
  readonly resident?: boolean;
  /**
   * `patch` logs only what it changes. In return merges leave rows of older versions as they are:
   * `store.migrate()` rewrites them. A matter of the version, as fields are. Default: false, with
   * which a patch logs the whole row.
   */
  readonly patches?: boolean;
  /** Rules by name: true, or false or a text where a row breaks the rule. */
  readonly checks?: Readonly<
    Record<string, (row: RowOfFields<NoInfer<F>>, key: KeyOfTypes<NoInfer<K>>) => boolean | string>
  >;
  /**
   * Fields of the version before that this one gives up with what is in them; one that is in a
   * record as "record.field". A field that is only missing is not dropped: see docs/schemas.md.
   */
  readonly drops?: readonly string[] | undefined;
  /** The definition of the version before; needed for `up` and `down`. */
  readonly previous?: TableDefinition<unknown, PreviousRow, PreviousInput> | undefined;
  /**
   * Makes a row of this version of one of the version before, where the rules of docs/schemas.md
   * do not. The same row must always give the same; it must read and change nothing else. What it
   * returns is checked as a put is.
   */
  readonly up?:
    | ((row: NoInfer<PreviousRow>, key: KeyOfTypes<NoInfer<K>>) => InputOfFields<NoInfer<F>>)
    | undefined;
  /** Makes a row of the version before of one of this version, for going back; as `up`. */
  readonly down?:
    | ((row: RowOfFields<NoInfer<F>>, key: KeyOfTypes<NoInfer<K>>) => NoInfer<PreviousInput>)
    | undefined;
}

/** A step is that of one version: what is left of a definition that was spread is passed over. */
const OPTION_NAMES = [
  ...["name", "version", "tier", "key", "fields", "checks", "resident", "patches"],
  ...["drops", "previous", "up", "down", "step"],
];

/**
 * Defines a table. Throws INVALID_SCHEMA, naming table and field, for what cannot be stored, and
 * for a version that rows of the one before cannot become.
 */
export function defineTable<
  const K extends KeyTypes,
  const F extends Fields,
  PreviousRow = unknown,
  PreviousInput = unknown,
>(
  options: TableOptions<K, F, PreviousRow, PreviousInput>,
): TableDefinition<KeyOfTypes<K>, RowOfFields<F>, InputOfFields<F>> {
  const { name, version, tier = "critical", key, fields, checks = {}, resident = false } = options;
  const { drops = [], previous, up, down, patches } = options;
  checkTableName(name);
  for (const option of Object.keys(options)) {
    if (OPTION_NAMES.includes(option)) continue;
    throw new HoldfastError("INVALID_SCHEMA", `table "${name}": unknown option "${option}"`, {
      table: name,
    });
  }
  const parts: unknown = Array.isArray(key)
    ? key.map((part: KeyFieldType<unknown> | undefined) => part?.node)
    : (key as KeyFieldType<unknown> | undefined)?.node;
  const unchecked = { name, version, tier, key: parts, fields: fieldNodes(fields), checks };
  const table = makeTable<KeyOfTypes<K>, RowOfFields<F>, InputOfFields<F>>({
    ...unchecked,
    ...{ resident, patches, drops, previous, up, down },
  });
  checkStep(table);
  return table;
}

/** A table from data that is not checked yet: from `defineTable`, or from a description. */
export interface UncheckedTable {
  readonly name: string;
  readonly version: number;
  readonly tier: Tier;
  readonly key: unknown;
  readonly fields: readonly FieldNode[];
  readonly checks: Readonly<Record<string, unknown>>;
  readonly resident?: boolean;
  readonly patches?: unknown;
  readonly drops?: unknown;
  readonly previous?: unknown;
  readonly up?: unknown;
  readonly down?: unknown;
}

/** Checks and freezes a table. Throws INVALID_SCHEMA. */
export function makeTable<Key, Row, Input>(
  table: UncheckedTable,
): TableDefinition<Key, Row, Input> {
  const { name } = table;
  checkTableName(name);
  checkVersion(name, table.version);
  checkTier(name, table.tier);
  const { resident = false, patches = false } = table;
  for (const [option, value] of Object.entries({ resident, patches })) {
    if (typeof value === "boolean") continue;
    throw new HoldfastError("INVALID_SCHEMA", `table "${name}": ${option} must be true or false`, {
      table: name,
    });
  }
  const checks = Object.entries(table.checks).map(([check, holds]) => {
    if (typeof holds === "function" && check !== "") {
      return Object.freeze({ name: check, holds: holds as TableCheck<Key, Row>["holds"] });
    }
    throw new HoldfastError("INVALID_SCHEMA", `table "${name}": check "${check}" is no function`, {
      table: name,
      check,
    });
  });
  return Object.freeze({
    name,
    version: table.version,
    tier: table.tier,
    key: checkKey(name, table.key),
    fields: checkedFields(name, table.fields),
    checks: Object.freeze(checks),
    resident,
    patches: patches === true,
    step: Object.freeze({
      drops: checkDrops(name, table.drops ?? []),
      previous: table.previous as TableDefinition | undefined,
      up: table.up as Migrate | undefined,
      down: table.down as Migrate | undefined,
    }),
  });
}

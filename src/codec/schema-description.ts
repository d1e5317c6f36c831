/** Schemas as plain JSON: what stands in the log and the manifest, and what the tools read. */
import { HoldfastError } from "../base/errors.js";
import { NESTING_MAX } from "../base/limits.js";
import type { FieldNode, TypeNode } from "./field-types.js";
import { type KeyNode, makeTable, type TableDefinition, type Tier } from "./schema.js";
import { checkTableName, schemaError } from "./schema-check.js";
import { show } from "./text.js";
import { fromJson, type Json, toJson } from "./value-json.js";
import { ValueProblem } from "./value-problem.js";

/** A type in a description. */
export type TypeDescription =
  | { readonly kind: "string" | "boolean" | "integer" | "int64" | "timestamp" | "bytes" }
  | { readonly kind: "float64"; readonly allowNonFinite?: true }
  | { readonly kind: "decimal"; readonly scale: number }
  | Extract<TypeNode, { readonly kind: "array" }>
  | { readonly kind: "enumeration"; readonly values: readonly string[] }
  | { readonly kind: "list" | "map" | "nullable"; readonly item: TypeDescription }
  | { readonly kind: "record"; readonly fields: readonly FieldDescription[] };

/** A field in a description; the default as `toJson` gives it. */
export interface FieldDescription {
  readonly name: string;
  readonly type: TypeDescription;
  readonly default?: Json;
  readonly was?: string;
}

/** A table as plain JSON: everything but its checks, which are functions. */
export interface SchemaDescription {
  readonly name: string;
  readonly version: number;
  readonly tier: Tier;
  readonly key: KeyNode | readonly KeyNode[];
  readonly fields: readonly FieldDescription[];
  /** Fields of the version before that were given up. */
  readonly drops?: readonly string[];
  /** The log may hold patches of its rows, and merges rewrite none of them. */
  readonly patches?: true;
  /** Rows of the version before become those of this one by the code's `up`, not by the rules. */
  readonly up?: true;
  /** When this was declared there were rows of no other version. */
  readonly migrated?: true;
  /** The store is on its way back from this version: no row is made into one of it by itself. */
  readonly back?: true;
}

/** The description of a table. Its members always stand in the same order. */
export function describeSchema(table: TableDefinition): SchemaDescription {
  return {
    name: table.name,
    version: table.version,
    tier: table.tier,
    key: Array.isArray(table.key) ? table.key.map(describeKey) : describeKey(table.key as KeyNode),
    fields: table.fields.map(describeField),
    ...(table.patches && { patches: true }),
    ...(table.step.drops.length > 0 && { drops: [...table.step.drops] }),
    ...(table.step.up !== undefined && { up: true }),
  };
}

function describeKey({ kind }: KeyNode): KeyNode {
  return { kind };
}

function describeField({ name, type, defaultValue, was }: FieldNode): FieldDescription {
  return {
    name,
    type: describeType(type),
    ...(defaultValue !== undefined && { default: toJson(type, defaultValue) }),
    ...(was !== undefined && { was }),
  };
}

function describeType(type: TypeNode): TypeDescription {
  switch (type.kind) {
    case "float64":
      return type.allowNonFinite ? { kind: "float64", allowNonFinite: true } : { kind: "float64" };
    case "decimal":
      return { kind: "decimal", scale: type.scale };
    case "array":
      return { ...type };
    case "enumeration":
      return { kind: "enumeration", values: [...type.values] };
    case "list":
    case "map":
    case "nullable":
      return { kind: type.kind, item: describeType(type.item) };
    case "record":
      return { kind: "record", fields: type.fields.map(describeField) };
    default:
      return { kind: type.kind };
  }
}

/**
 * The table of a description, without checks; whatever the description may hold. Throws
 * INVALID_SCHEMA.
 */
export function parseSchema(json: unknown): TableDefinition {
  const parsed = members(json, "a schema", SCHEMA_MEMBERS);
  const { name, version, tier, key, fields, drops = [] } = parsed;
  checkTableName(name);
  for (const flag of ["patches", "up", "migrated", "back"]) {
    if (parsed[flag] === undefined || parsed[flag] === true) continue;
    throw schemaError(name, undefined, `${flag} is true or left out, got ${show(parsed[flag])}`);
  }
  try {
    return makeTable({
      name,
      version: version as number,
      tier: tier as Tier,
      key: Array.isArray(key) ? key.map(parseKey) : parseKey(key),
      fields: parseFields(fields, 1),
      checks: {},
      patches: parsed.patches === true,
      drops,
    });
  } catch (error) {
    if (error instanceof ValueProblem) throw schemaError(name, undefined, error.message);
    throw error;
  }
}

/** The one form of a description. Throws INVALID_SCHEMA for what is none. */
export function normalSchema(json: unknown): SchemaDescription {
  const { up, migrated, back } = json as Partial<SchemaDescription>;
  const description = describeSchema(parseSchema(json));
  const flags = { ...(up && { up }), ...(migrated && { migrated }), ...(back && { back }) };
  return { ...description, ...flags };
}

/** True for two descriptions of the same schema, to the last default. */
export function sameSchema(a: SchemaDescription, b: SchemaDescription): boolean {
  return canonicalSchema(a) === canonicalSchema(b);
}

/** The one JSON text of a schema. Throws INVALID_SCHEMA for what is none. */
export function canonicalSchema(description: SchemaDescription): string {
  return JSON.stringify(normalSchema(description));
}

/**
 * What rows and keys of a version are like, as one text: all of a schema but its tier and how rows
 * of the version before become its own. Throws INVALID_SCHEMA.
 */
export function rowsOfSchema(description: SchemaDescription): string {
  const { key, fields, patches } = normalSchema(description);
  return JSON.stringify({ key, fields: fields.map(withoutWas), patches });
}

function withoutWas({ was: _, ...field }: FieldDescription): FieldDescription {
  return { ...field, type: typeWithoutWas(field.type) };
}

function typeWithoutWas(type: TypeDescription): TypeDescription {
  switch (type.kind) {
    case "list":
    case "map":
    case "nullable":
      return { kind: type.kind, item: typeWithoutWas(type.item) };
    case "record":
      return { kind: type.kind, fields: type.fields.map(withoutWas) };
    default:
      return type;
  }
}

/** Goes up when a description can say more: each has a store in test/fixtures. */
export const SCHEMA_GENERATION = 3;

/** What a description of a table, and of a field, can say. */
export const SCHEMA_MEMBERS = [
  ...["name", "version", "tier", "key", "fields"],
  ...["patches", "drops", "up", "migrated", "back"],
];
export const FIELD_MEMBERS = ["name", "type", "default", "was"];

/** An object of these members and no others. */
function members(
  json: unknown,
  what: string,
  names: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new HoldfastError("INVALID_SCHEMA", `expected ${what}, got ${show(json)}`);
  }
  for (const name of Object.keys(json)) {
    if (names.includes(name)) continue;
    throw new HoldfastError("INVALID_SCHEMA", `${what} has no member ${show(name)}`);
  }
  return json as Readonly<Record<string, unknown>>;
}

function parseKey(json: unknown): unknown {
  return members(json, "a key type", ["kind"]);
}

function parseFields(json: unknown, depth: number): readonly FieldNode[] {
  if (!Array.isArray(json)) throw new ValueProblem(`expected a list of fields, got ${show(json)}`);
  return json.map((field: unknown) => {
    const parsed = members(field, "a field", FIELD_MEMBERS);
    const type = parseType(parsed.type, depth);
    const given = parsed.default;
    return {
      // Not checked here: `makeTable` does, and names the table.
      name: parsed.name as string,
      type,
      defaultValue: given === undefined ? undefined : fromJson(type, given),
      ...(parsed.was !== undefined && { was: parsed.was as string }),
    };
  });
}

function parseType(json: unknown, depth: number): TypeNode {
  if (depth > NESTING_MAX) throw new ValueProblem(`nested more than ${NESTING_MAX} deep`);
  const kind = typeof json === "object" && json !== null && "kind" in json ? json.kind : undefined;
  switch (kind) {
    case "float64": {
      const { allowNonFinite } = members(json, "float64", ["kind", "allowNonFinite"]);
      return { kind, allowNonFinite: allowNonFinite === true };
    }
    case "decimal":
      return { kind, scale: members(json, "a decimal", ["kind", "scale"]).scale as number };
    case "array":
      // Whether it is one is looked at by `makeTable`, as for all of them.
      return members(json, "an array", ["kind", "element", "length", "lengthMax"]) as TypeNode;
    case "enumeration": {
      const { values } = members(json, "an enumeration", ["kind", "values"]);
      if (Array.isArray(values)) return { kind, values };
      throw new ValueProblem(`expected the values of an enumeration, got ${show(values)}`);
    }
    case "list":
    case "map":
    case "nullable":
      return { kind, item: parseType(members(json, kind, ["kind", "item"]).item, depth + 1) };
    case "record":
      return {
        kind,
        fields: parseFields(members(json, "a record", ["kind", "fields"]).fields, depth + 1),
      };
    default:
      members(json, "a type", ["kind"]);
      // Not checked here: `makeTable` does, and names table and field.
      return json as TypeNode;
  }
}

/** What makes a legal schema. Every function throws INVALID_SCHEMA naming table and field. */
import { HoldfastError } from "../base/errors.js";
import {
  FIELDS_MAX,
  KEY_PARTS_MAX,
  NAME_BYTES_MAX,
  NESTING_MAX,
  ROW_BYTES_MAX,
} from "../base/limits.js";
import { DECIMAL_SCALE_MAX } from "./decimal.js";
import type { FieldNode, TypeNode } from "./field-types.js";
import type { KeyNode } from "./schema.js";
import { isWellFormed, show } from "./text.js";
import { ARRAY_ELEMENTS, type ArrayNode } from "./typed-arrays.js";
import { compileValue, ValueProblem } from "./value.js";

/** Versions of one table: a version is a uint16 in a record. */
export const SCHEMA_VERSION_MAX = 65_535;

/** Values of an enumeration: an index is at most a uint16. */
export const ENUMERATION_VALUES_MAX = 65_536;

const TABLE_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
const FIELD_NAME = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
const TIERS: readonly unknown[] = ["critical", "important", "cached"];
const KEY_KINDS: readonly unknown[] = ["string", "integer", "int64", "timestamp"];

/** An INVALID_SCHEMA error about a table, and about a field of it where one is named. */
export function schemaError(table: string, field: string | undefined, reason: string) {
  const place = field === undefined ? `table "${table}"` : `table "${table}", field "${field}"`;
  return new HoldfastError(
    "INVALID_SCHEMA",
    `${place}: ${reason}`,
    field === undefined ? { table } : { table, field },
  );
}

export function checkTableName(name: unknown): asserts name is string {
  if (typeof name === "string" && name.length <= NAME_BYTES_MAX && TABLE_NAME.test(name)) return;
  throw new HoldfastError(
    "INVALID_SCHEMA",
    `${show(name)} is not a table name: letters, digits, "_", "." and "-", ` +
      `beginning with a letter or "_", at most ${NAME_BYTES_MAX}`,
    typeof name === "string" ? { table: name } : {},
  );
}

export function checkVersion(table: string, version: unknown): void {
  if (Number.isInteger(version) && (version as number) >= 1) {
    if ((version as number) <= SCHEMA_VERSION_MAX) return;
  }
  throw schemaError(
    table,
    undefined,
    `a version is an integer from 1 to ${SCHEMA_VERSION_MAX}, got ${show(version)}`,
  );
}

export function checkTier(table: string, tier: unknown): void {
  if (TIERS.includes(tier)) return;
  throw schemaError(table, undefined, `a tier is one of ${TIERS.join(", ")}, got ${show(tier)}`);
}

/** The key of a table, checked and frozen. */
export function checkKey(table: string, key: unknown): KeyNode | readonly KeyNode[] {
  if (!Array.isArray(key)) return checkKeyPart(table, key);
  if (key.length < 2 || key.length > KEY_PARTS_MAX) {
    throw schemaError(
      table,
      undefined,
      `a key that is a tuple has 2 to ${KEY_PARTS_MAX} parts, got ${key.length}`,
    );
  }
  return Object.freeze(key.map((part: unknown) => checkKeyPart(table, part)));
}

function checkKeyPart(table: string, part: unknown): KeyNode {
  const kind = typeof part === "object" && part !== null && "kind" in part ? part.kind : undefined;
  if (KEY_KINDS.includes(kind)) return Object.freeze({ kind: kind as KeyNode["kind"] });
  const got = typeof kind === "string" ? kind : show(part);
  throw schemaError(table, undefined, `a key is made of ${KEY_KINDS.join(", ")}, got ${got}`);
}

/** The fields of a table, checked, with their defaults normalised, and frozen. */
export function checkedFields(table: string, fields: readonly FieldNode[]): readonly FieldNode[] {
  return checkFields(table, "", fields, 1);
}

function checkFields(
  table: string,
  prefix: string,
  fields: readonly FieldNode[],
  depth: number,
): readonly FieldNode[] {
  if (fields.length < 1 || fields.length > FIELDS_MAX) {
    throw schemaError(
      table,
      prefix === "" ? undefined : prefix.slice(0, -1),
      `1 to ${FIELDS_MAX} fields are needed, got ${fields.length}`,
    );
  }
  const names = new Set<string>();
  const before = new Set<string>();
  const checked = fields.map(({ name, type, defaultValue, was }) => {
    checkFieldName(table, prefix, name);
    const path = prefix + name;
    if (names.has(name)) throw schemaError(table, path, "the name is used twice");
    names.add(name);
    const node = checkType(table, path, type, depth);
    const field = {
      name,
      type: node,
      defaultValue: checkDefault(table, path, node, defaultValue),
    };
    if (was === undefined) return Object.freeze(field);
    checkFieldName(table, prefix, was);
    if (was === name) throw schemaError(table, path, "it was called the same before");
    if (before.has(was)) throw schemaError(table, path, `another field was "${was}", too`);
    before.add(was);
    return Object.freeze({ ...field, was });
  });
  return Object.freeze(checked);
}

/** Names of fields that a version drops, with those of the records around them: "inner.note". */
export function checkDrops(table: string, drops: unknown): readonly string[] {
  const isPath = (path: unknown) =>
    typeof path === "string" && path.split(".").every((name) => FIELD_NAME.test(name));
  if (Array.isArray(drops) && drops.every(isPath)) return Object.freeze([...new Set(drops)]);
  throw schemaError(table, undefined, `drops is a list of names of fields, got ${show(drops)}`);
}

function checkFieldName(table: string, prefix: string, name: unknown): void {
  if (typeof name === "string" && name.length <= NAME_BYTES_MAX && FIELD_NAME.test(name)) {
    if (name !== "__proto__") return;
  }
  // What is not a text is shown, never converted: an object may refuse that.
  throw schemaError(
    table,
    prefix + (typeof name === "string" ? name : show(name)),
    `a field name is an identifier of at most ${NAME_BYTES_MAX} characters, not "__proto__"`,
  );
}

function checkDefault(table: string, path: string, type: TypeNode, value: unknown): unknown {
  if (value === undefined) return undefined;
  try {
    return compileValue(type).normalize(value);
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    throw schemaError(table, path + error.path, `the default is not valid: ${error.message}`);
  }
}

/** Copies of the nodes are returned, so that a caller's object cannot change under the codec. */
function checkType(table: string, path: string, type: unknown, depth: number): TypeNode {
  if (depth > NESTING_MAX) {
    throw schemaError(table, path, `nested more than ${NESTING_MAX} deep`);
  }
  const node = type as TypeNode | undefined | null;
  switch (node?.kind) {
    case "string":
    case "boolean":
    case "integer":
    case "int64":
    case "timestamp":
    case "bytes":
      return Object.freeze({ kind: node.kind });
    case "float64":
      return Object.freeze({ kind: "float64", allowNonFinite: node.allowNonFinite === true });
    case "decimal":
      return checkDecimal(table, path, node.scale);
    case "array":
      return checkArray(table, path, node);
    case "enumeration":
      return checkEnumeration(table, path, node.values);
    case "list":
    case "map":
      return Object.freeze({
        kind: node.kind,
        item: checkType(table, path, node.item, depth + 1),
      });
    case "nullable": {
      const item = checkType(table, path, node.item, depth + 1);
      if (item.kind === "nullable") throw schemaError(table, path, "nullable twice");
      return Object.freeze({ kind: "nullable", item });
    }
    case "record": {
      const fields = checkFields(table, `${path}.`, node.fields, depth + 1);
      return Object.freeze({ kind: "record", fields });
    }
    default:
      throw schemaError(table, path, `not a field type: ${show(type)}`);
  }
}

function checkDecimal(table: string, path: string, scale: number): TypeNode {
  if (Number.isInteger(scale) && scale >= 0 && scale <= DECIMAL_SCALE_MAX) {
    return Object.freeze({ kind: "decimal", scale });
  }
  throw schemaError(
    table,
    path,
    `the scale of a decimal is an integer from 0 to ${DECIMAL_SCALE_MAX}, got ${show(scale)}`,
  );
}

function checkArray(table: string, path: string, node: ArrayNode): TypeNode {
  const { element, length, lengthMax } = node;
  if (!ARRAY_ELEMENTS.includes(element)) {
    const known = ARRAY_ELEMENTS.join(", ");
    throw schemaError(table, path, `elements of an array are ${known}, got ${show(element)}`);
  }
  for (const [name, value] of Object.entries({ length, lengthMax })) {
    if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= ROW_BYTES_MAX)) {
      continue;
    }
    const what = `${name} of an array is an integer from 0 to ${ROW_BYTES_MAX}`;
    throw schemaError(table, path, `${what}, got ${show(value)}`);
  }
  if (length !== undefined && lengthMax !== undefined) {
    throw schemaError(table, path, "an array has a length or a lengthMax, not both");
  }
  return Object.freeze({
    kind: "array",
    element,
    ...(length !== undefined && { length }),
    ...(lengthMax !== undefined && { lengthMax }),
  });
}

function checkEnumeration(table: string, path: string, values: readonly string[]): TypeNode {
  if (values.length < 1 || values.length > ENUMERATION_VALUES_MAX) {
    throw schemaError(
      table,
      path,
      `an enumeration has 1 to ${ENUMERATION_VALUES_MAX} values, got ${values.length}`,
    );
  }
  const seen = new Set<string>();
  for (const value of values as readonly unknown[]) {
    if (typeof value !== "string" || value === "" || !isWellFormed(value)) {
      throw schemaError(table, path, `a value of an enumeration is a text, got ${show(value)}`);
    }
    if (seen.has(value)) throw schemaError(table, path, `the value ${show(value)} stands twice`);
    seen.add(value);
  }
  return Object.freeze({ kind: "enumeration", values: Object.freeze([...values]) });
}

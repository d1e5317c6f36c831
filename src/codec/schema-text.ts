/** Schemas and their differences as people write them: in the words of `defineTable`. */
import type { FieldNode, TypeNode } from "./field-types.js";
import type { KeyNode, TableDefinition } from "./schema.js";
import type { Difference } from "./schema-compare.js";
import { ARRAYS, type ArrayNode } from "./typed-arrays.js";
import { toJson } from "./value-json.js";

/** The call that makes a type: "nullable(decimal(8))". */
export function typeCall(type: TypeNode): string {
  switch (type.kind) {
    case "decimal":
      return `decimal(${type.scale})`;
    case "float64":
      return type.allowNonFinite ? "float64({ allowNonFinite: true })" : "float64()";
    case "array":
      return arrayCall(type);
    case "enumeration":
      return `enumeration(${JSON.stringify(type.values)})`;
    case "list":
    case "map":
    case "nullable":
      return `${type.kind}(${typeCall(type.item)})`;
    case "record":
      return `record({ ${type.fields.map(fieldLine).join(", ")} })`;
    default:
      return `${type.kind}()`;
  }
}

function arrayCall({ element, length, lengthMax }: ArrayNode): string {
  const name = ARRAYS[element].name;
  const options = Object.entries({ length, lengthMax }).filter(([, value]) => value !== undefined);
  const inside = options.map(([option, value]) => `${option}: ${value}`).join(", ");
  return `${name[0]?.toLowerCase()}${name.slice(1)}(${inside === "" ? "" : `{ ${inside} }`})`;
}

function fieldLine(field: FieldNode): string {
  return `${field.name}: ${fieldCall(field)}`;
}

function fieldCall({ type, defaultValue }: FieldNode): string {
  const call = typeCall(type);
  return defaultValue === undefined
    ? call
    : `withDefault(${call}, ${valueText(type, defaultValue)})`;
}

/** As it would stand in code. */
function valueText(type: TypeNode, value: unknown): string {
  if (type.kind === "int64") return `${String(value)}n`;
  if (type.kind === "float64") return Object.is(value, -0) ? "-0" : String(value);
  if (type.kind === "bytes") return `Uint8Array.of(${[...(value as Uint8Array)].join(", ")})`;
  if (type.kind === "array") {
    const unit = type.element === "int64" ? "n" : "";
    const items = Array.from(value as Float64Array, (item) =>
      Object.is(item, -0) ? "-0" : `${item}${unit}`,
    );
    return `${ARRAYS[type.element].name}.of(${items.join(", ")})`;
  }
  if (type.kind === "nullable" && value !== null) return valueText(type.item, value);
  return JSON.stringify(toJson(type, value));
}

export function keyCall(key: TableDefinition["key"]): string {
  const call = ({ kind }: KeyNode) => `${kind}()`;
  return Array.isArray(key) ? `[${key.map(call).join(", ")}]` : call(key as KeyNode);
}

/** One line: what differs, and what can be done about it where the rules are not enough. */
export function differenceText({ rule, path, before, after }: Difference): string {
  const field = `field "${path}"`;
  switch (rule) {
    case "field missing":
      return (
        `stored field "${path}" is not declared (${fieldCall(before as FieldNode)}): say which ` +
        `field it is now with was(..., "${before?.name}"), or give it up with drops: ["${path}"]`
      );
    case "field added without a default":
      return (
        `${field} is not stored: declared ${fieldCall(after as FieldNode)}, for which there must ` +
        "be a default, or null, or the field that it was"
      );
    case "another key":
      return "the key differs: rows cannot be given another key; copy them to another table";
    case "fields in another order":
      return path === ""
        ? "the fields are in another order"
        : `${field}: its fields are in another order`;
    default:
      return [
        `${field}:`,
        before === undefined ? "not stored," : `stored ${fieldCall(before)},`,
        after === undefined ? "not declared:" : `declared ${fieldCall(after)}:`,
        rule,
      ].join(" ");
  }
}

/** The beginning of a migration, to be pasted: the old definition, and an `up` with every field. */
export function migrationSkeleton(
  before: TableDefinition,
  after: TableDefinition,
  differences: readonly Difference[],
): string {
  const old = `v${before.version}`;
  const fields = after.fields.map(({ name, type, was }) => {
    const own = differences.filter(({ path }) => path === name || path.startsWith(`${name}.`));
    const byName = before.fields.find((field) => field.name === name);
    const stored = byName ?? before.fields.find((field) => field.name === was);
    if (own.every(({ verdict }) => verdict === "rules")) {
      return stored && `    ${name}: row.${stored.name},`;
    }
    const from = stored ? `from row.${stored.name}, ${typeCall(stored.type)}` : "new";
    return `    ${name}: /* ${typeCall(type)}, ${from} */,`;
  });
  return [
    `const ${old} = defineTable({`,
    `  name: ${JSON.stringify(before.name)},`,
    `  version: ${before.version},`,
    `  key: ${keyCall(before.key)},`,
    "  fields: {",
    ...before.fields.map((field) => `    ${fieldLine(field)},`),
    "  },",
    "});",
    `// and in version ${after.version}:`,
    `  previous: ${old},`,
    "  up: (row, key) => ({",
    ...fields.filter((line) => line !== undefined),
    "  }),",
  ].join("\n");
}

/**
 * How a version of a schema may differ from the one before: the table of docs/schemas.md, which a
 * test holds against this one. In Avro's terms the version before is the writer's schema, and the
 * later one the reader's.
 */
import { Decimal } from "./decimal.js";
import type { TypeNode } from "./field-types.js";
import type { ArrayNode } from "./typed-arrays.js";
import { normalizeDecimal } from "./value-normalize.js";

/** By the rules alone; by the `up` of the table; or not at all. */
export type Verdict = "rules" | "up" | "never";

/** Every way in which two versions can differ, and what it takes. */
export const RULES = {
  // Fields.
  "field added with a default": "rules",
  "nullable field added": "rules",
  "field renamed with was": "rules",
  "field dropped with drops": "rules",
  "fields in another order": "rules",
  "another default": "rules",
  "field added without a default": "up",
  "field missing": "up",
  // Types.
  "integer to int64": "rules",
  "integer to float64": "rules",
  "integer to decimal": "rules",
  "int64 to decimal": "rules",
  "decimal to more digits": "rules",
  "float64 to allowNonFinite": "rules",
  "typed array with more room": "rules",
  "enumeration with more values": "rules",
  "enumeration to string": "rules",
  "type to nullable": "rules",
  "any other type": "up",
  // Keys.
  "another key": "never",
} as const satisfies Readonly<Record<string, Verdict>>;

export type Rule = keyof typeof RULES;

/** Makes a value of the reader's type of one of the writer's. */
export type Convert = (value: unknown) => unknown;

/** Two types without parts that differ. */
interface Widening<W extends TypeNode["kind"], R extends TypeNode["kind"]> {
  readonly rule: Rule;
  readonly from: W;
  readonly to: R;
  /** Undefined where the types are so that the rule does not hold. */
  readonly convert: (
    writer: Extract<TypeNode, { kind: W }>,
    reader: Extract<TypeNode, { kind: R }>,
  ) => Convert | undefined;
}

const same: Convert = (value) => value;

/** Every one is exact: no value becomes another, or is rounded. */
const WIDENINGS: readonly Widening<TypeNode["kind"], TypeNode["kind"]>[] = [
  widening("integer to int64", "integer", "int64", () => (value) => BigInt(value as number)),
  // Up to 2^53 - 1, which a double holds.
  widening("integer to float64", "integer", "float64", () => same),
  widening("integer to decimal", "integer", "decimal", (_, { scale }) => toDecimal(scale)),
  widening("int64 to decimal", "int64", "decimal", (_, { scale }) => toDecimal(scale)),
  widening("decimal to more digits", "decimal", "decimal", (writer, reader) =>
    writer.scale < reader.scale ? (value) => normalizeDecimal(value, reader.scale) : undefined,
  ),
  widening("float64 to allowNonFinite", "float64", "float64", (writer, reader) =>
    !writer.allowNonFinite && reader.allowNonFinite ? same : undefined,
  ),
  widening("typed array with more room", "array", "array", (writer, reader) =>
    writer.element === reader.element &&
    mostOf(writer) <= mostOf(reader) &&
    reader.length === undefined
      ? same
      : undefined,
  ),
  widening("enumeration with more values", "enumeration", "enumeration", (writer, reader) => {
    const known = new Set(reader.values);
    return writer.values.every((value) => known.has(value)) ? same : undefined;
  }),
  widening("enumeration to string", "enumeration", "string", () => same),
];

function widening<W extends TypeNode["kind"], R extends TypeNode["kind"]>(
  rule: Rule,
  from: W,
  to: R,
  convert: Widening<W, R>["convert"],
): Widening<TypeNode["kind"], TypeNode["kind"]> {
  return { rule, from, to, convert } as unknown as Widening<TypeNode["kind"], TypeNode["kind"]>;
}

/** Numbers that an array of that type can have. */
function mostOf({ length, lengthMax }: ArrayNode): number {
  return length ?? lengthMax ?? Number.POSITIVE_INFINITY;
}

function toDecimal(scale: number): Convert {
  return (value) => normalizeDecimal(Decimal.fromCoefficient(value as number | bigint, 0), scale);
}

/** The widening of one type without parts to another one; undefined if there is none. */
export function widen(
  writer: TypeNode,
  reader: TypeNode,
): { readonly rule: Rule; readonly convert: Convert } | undefined {
  for (const { rule, from, to, convert } of WIDENINGS) {
    if (from !== writer.kind || to !== reader.kind) continue;
    const found = convert(writer as never, reader as never);
    if (found !== undefined) return { rule, convert: found };
  }
  return undefined;
}

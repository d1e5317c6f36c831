/** Two versions of a schema, compared by the rules: every difference, and how rows cross it. */
import type { FieldNode, TypeNode } from "./field-types.js";
import type { TableDefinition } from "./schema.js";
import { type Convert, RULES, type Rule, type Verdict, widen } from "./schema-rules.js";

export interface Difference {
  readonly rule: Rule;
  readonly verdict: Verdict;
  /** Of the field, with the records around it: "inner.price"; "" for the key. */
  readonly path: string;
  /** The field of the version before, and of the later one; undefined where there is none. */
  readonly before: FieldNode | undefined;
  readonly after: FieldNode | undefined;
}

export interface Comparison {
  readonly differences: readonly Difference[];
  /** The most that any difference takes. */
  readonly verdict: Verdict;
  /** A row of the version before as one of the later one; only where the verdict is "rules". */
  readonly convert: Convert;
}

type Comparable = Pick<TableDefinition, "key" | "fields" | "step">;

const WEIGHT: Readonly<Record<Verdict, number>> = { rules: 0, up: 1, never: 2 };

/** Compares a version, the writer's, with a later one, the reader's. */
export function compareSchemas(writer: Comparable, reader: Comparable): Comparison {
  const comparing = new Comparing(new Set(reader.step.drops));
  if (JSON.stringify(writer.key) !== JSON.stringify(reader.key)) {
    comparing.note("another key", "", undefined, undefined);
  }
  const convert = comparing.fields(writer.fields, reader.fields, "");
  const { differences } = comparing;
  const weight = Math.max(0, ...differences.map(({ verdict }) => WEIGHT[verdict]));
  const verdict = (["rules", "up", "never"] as const)[weight] as Verdict;
  return { differences, verdict, convert };
}

const NOTHING: Convert = (value) => value;

/** Where in a record the value of a field comes from. */
interface Source {
  readonly name: string;
  /** Undefined: from no field of the version before. */
  readonly from: string | undefined;
  readonly convert: Convert;
}

class Comparing {
  readonly differences: Difference[] = [];
  readonly #drops: ReadonlySet<string>;

  constructor(drops: ReadonlySet<string>) {
    this.#drops = drops;
  }

  note(rule: Rule, path: string, before?: FieldNode, after?: FieldNode): void {
    this.differences.push({ rule, verdict: RULES[rule], path, before, after });
  }

  /** The fields of the table, or of a record in it. */
  fields(writers: readonly FieldNode[], readers: readonly FieldNode[], prefix: string): Convert {
    const pairs = pairUp(writers, readers);
    const sources = readers.map((reader) => this.#source(pairs.get(reader), reader, prefix));
    const taken = new Set([...pairs.values()]);
    for (const writer of writers) {
      if (taken.has(writer)) continue;
      const path = prefix + writer.name;
      const rule = this.#drops.has(path) ? "field dropped with drops" : "field missing";
      this.note(rule, path, writer, undefined);
    }
    const order = readers.map((reader) => pairs.get(reader)).filter((writer) => writer);
    const stored = writers.filter((writer) => taken.has(writer));
    if (order.some((writer, i) => writer !== stored[i])) {
      this.note("fields in another order", prefix.slice(0, -1));
    }
    return recordConverter(sources);
  }

  #source(writer: FieldNode | undefined, reader: FieldNode, prefix: string): Source {
    const path = prefix + reader.name;
    const { name, defaultValue, type } = reader;
    if (writer === undefined) {
      const [rule, value] = absent(type, defaultValue);
      this.note(rule, path, undefined, reader);
      return { name, from: undefined, convert: () => value };
    }
    if (writer.name !== name) this.note("field renamed with was", path, writer, reader);
    if (!sameValue(writer.defaultValue, defaultValue)) {
      this.note("another default", path, writer, reader);
    }
    const convert = this.#type(writer.type, type, path, writer, reader);
    return { name, from: writer.name, convert };
  }

  #type(
    writer: TypeNode,
    reader: TypeNode,
    path: string,
    before: FieldNode,
    after: FieldNode,
  ): Convert {
    const inside = (w: TypeNode, r: TypeNode) => this.#type(w, r, path, before, after);
    if (reader.kind === "nullable") {
      if (writer.kind !== "nullable") this.note("type to nullable", path, before, after);
      const item = inside(writer.kind === "nullable" ? writer.item : writer, reader.item);
      return item === NOTHING ? NOTHING : (value) => (value === null ? null : item(value));
    }
    if (writer.kind === "list" && reader.kind === "list") {
      const item = inside(writer.item, reader.item);
      return item === NOTHING ? NOTHING : (value) => (value as readonly unknown[]).map(item);
    }
    if (writer.kind === "map" && reader.kind === "map") {
      const item = inside(writer.item, reader.item);
      return item === NOTHING ? NOTHING : (value) => mapConverted(value as object, item);
    }
    if (writer.kind === "record" && reader.kind === "record") {
      return this.fields(writer.fields, reader.fields, `${path}.`);
    }
    if (JSON.stringify(writer) === JSON.stringify(reader)) return NOTHING;
    const widened = widen(writer, reader);
    this.note(widened?.rule ?? "any other type", path, before, after);
    return widened?.convert ?? NOTHING;
  }
}

/**
 * Which field of the version before each one is. A name that is new takes the field it was; so a
 * name that is given up by one field may be used by another at once.
 */
function pairUp(
  writers: readonly FieldNode[],
  readers: readonly FieldNode[],
): Map<FieldNode, FieldNode> {
  const byName = new Map(writers.map((writer) => [writer.name, writer]));
  const pairs = new Map<FieldNode, FieldNode>();
  const taken = new Set<FieldNode>();
  const pair = (reader: FieldNode, name: string | undefined): void => {
    const writer = name === undefined ? undefined : byName.get(name);
    if (writer === undefined || taken.has(writer)) return;
    pairs.set(reader, writer);
    taken.add(writer);
  };
  for (const reader of readers) if (!byName.has(reader.name)) pair(reader, reader.was);
  for (const reader of readers) if (byName.has(reader.name)) pair(reader, reader.name);
  return pairs;
}

/** What a row gets for a field that the version before has not. */
function absent(type: TypeNode, defaultValue: unknown): [Rule, unknown] {
  if (defaultValue !== undefined) return ["field added with a default", defaultValue];
  if (type.kind === "nullable") return ["nullable field added", null];
  return ["field added without a default", undefined];
}

function recordConverter(sources: readonly Source[]): Convert {
  return (value) => {
    const row = value as Readonly<Record<string, unknown>>;
    const made: Record<string, unknown> = {};
    for (const { name, from, convert } of sources) {
      made[name] = convert(from === undefined ? undefined : row[from]);
    }
    return made;
  };
}

function mapConverted(value: object, item: Convert): Record<string, unknown> {
  const made: Record<string, unknown> = Object.create(null);
  for (const [key, entry] of Object.entries(value)) made[key] = item(entry);
  return made;
}

/** Defaults are normal: values of one type that are equal have one text. */
function sameValue(a: unknown, b: unknown): boolean {
  return a === b || valueText(a) === valueText(b);
}

function valueText(value: unknown): string {
  return JSON.stringify(value, (_, part) => {
    if (typeof part === "bigint") return `bigint ${part}`;
    if (typeof part === "number") return Object.is(part, -0) ? "number -0" : `number ${part}`;
    if (part instanceof Uint8Array) return `bytes ${Buffer.from(part).toString("hex")}`;
    return part;
  });
}

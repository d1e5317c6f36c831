/** Random tables that go from version to version, beside a plain model of what becomes of rows. */

import type { FieldType } from "../../src/codec/schema.js";
import {
  Decimal,
  decimal,
  defineTable,
  enumeration,
  int64,
  integer,
  list,
  nullable,
  string,
  type TableDefinition,
  was,
  withDefault,
} from "../../src/index.js";
import type { Random } from "../sim/disk.js";

export type PlainRow = Readonly<Record<string, unknown>>;
export type AnyTable = TableDefinition<number, PlainRow, PlainRow>;
type AnyType = FieldType<unknown, unknown, false>;
type Kind = "integer" | "int64" | "decimal2" | "decimal4" | "enumeration" | "string" | "list";

interface Field {
  readonly name: string;
  readonly kind: Kind;
  readonly nullable: boolean;
  readonly was?: string;
  readonly added?: unknown;
}

export interface Version {
  readonly table: AnyTable;
  /** Without the versions before it, where it needs none. */
  readonly alone: AnyTable | undefined;
  /** A row of the version before, as one of this. */
  readonly upgrade: (row: PlainRow, key: number) => PlainRow;
  readonly row: (random: Random) => PlainRow;
}

const TYPES: Readonly<Record<Kind, () => AnyType>> = {
  integer,
  int64,
  decimal2: () => decimal(2),
  decimal4: () => decimal(4),
  enumeration: () => enumeration(["x", "y"]),
  string,
  list: () => list(integer()),
};

const VALUES: Readonly<Record<Kind, (n: number) => unknown>> = {
  integer: (n) => n,
  int64: (n) => BigInt(n) * 2n ** 40n,
  decimal2: (n) => Decimal.of(`${n}.25`),
  decimal4: (n) => Decimal.of(`${n}.0625`),
  enumeration: (n) => (n % 2 === 0 ? "x" : "y"),
  string: (n) => "s".repeat(n % 60) + n,
  list: (n) => [n, n - 500],
};

const WIDER: Partial<Readonly<Record<Kind, readonly [Kind, (value: unknown) => unknown]>>> = {
  integer: ["int64", (value) => BigInt(value as number)],
  int64: ["decimal2", (value) => Decimal.of(`${value as bigint}.00`)],
  decimal2: ["decimal4", (value) => Decimal.of(`${value as Decimal}00`)],
  enumeration: ["string", (value) => value],
};

function typeOf({ kind, nullable: isNullable, was: before, added }: Field): AnyType {
  const plain = TYPES[kind]();
  const type = isNullable ? nullable(plain) : plain;
  const named = before === undefined ? type : was(type, before);
  return (added === undefined ? named : withDefault(named, added)) as AnyType;
}

/** Versions 1 to `count`, some of them by the rules and some by code. */
export function randomVersions(random: Random, count: number): Version[] {
  const kinds = Object.keys(TYPES) as Kind[];
  let made = 0;
  const field = (): Field => {
    return { name: `f${made++}`, kind: random.pick(kinds), nullable: random.chance(0.3) };
  };
  let fields: Field[] = [field(), field(), field()];
  const versions: Version[] = [];
  for (let version = 1; version <= count; version++) {
    const before = fields.map(({ was: _, ...one }) => one);
    const drops: string[] = [];
    const steps: ((row: Record<string, unknown>) => void)[] = [];
    const byCode = version > 1 && random.chance(0.3);
    fields = version === 1 ? before : change(before, random, { byCode, drops, steps, field });
    const previous = versions.at(-1)?.table;
    const names = fields.map(({ name }) => name);
    const upgrade = (row: PlainRow): PlainRow => {
      const made = { ...row };
      for (const step of steps) step(made);
      return Object.fromEntries(names.map((name) => [name, made[name]]));
    };
    const options = {
      ...{ name: "any", version, key: integer() },
      fields: Object.fromEntries(fields.map((one) => [one.name, typeOf(one)])),
    };
    const up = byCode ? { up: (row: PlainRow) => upgrade(row) } : { drops };
    const table = defineTable({ ...options, previous, ...(up as object) }) as AnyTable;
    const needsCode = versions.some((one) => one.table.step.up !== undefined) || byCode;
    versions.push({
      table,
      alone: needsCode ? undefined : (defineTable({ ...options, drops }) as AnyTable),
      upgrade,
      row: rowMaker(fields),
    });
  }
  return versions;
}

function rowMaker(fields: readonly Field[]): Version["row"] {
  return (random) =>
    Object.fromEntries(
      fields.map(({ name, kind, nullable: isNullable }) => {
        const isNull = isNullable && random.chance(0.4);
        return [name, isNull ? null : VALUES[kind](random.below(1000))];
      }),
    );
}

interface Changes {
  readonly byCode: boolean;
  readonly drops: string[];
  readonly steps: ((row: Record<string, unknown>) => void)[];
  readonly field: () => Field;
}

function change(
  before: readonly Field[],
  random: Random,
  { byCode, drops, steps, field }: Changes,
): Field[] {
  let fields = [...before];
  for (let i = random.below(3) + 1; i > 0; i--) {
    const at = random.below(fields.length);
    const one = fields[at] as Field;
    // What one version has changed it does not change again: the rules see only both ends.
    const isNew = !before.includes(one);
    const kind = random.below(byCode ? 7 : 6);
    const added = field();
    if (kind === 0) {
      const value = VALUES[added.kind](random.below(9));
      fields.push({ ...added, nullable: false, added: value });
      steps.push((row) => {
        row[added.name] = value;
      });
    } else if (kind === 1) {
      fields.push({ ...added, nullable: true });
      steps.push((row) => {
        row[added.name] = null;
      });
    } else if (kind === 2 && !isNew) {
      fields[at] = { ...one, name: added.name, was: one.name };
      steps.push((row) => {
        row[added.name] = row[one.name];
      });
    } else if (kind === 3 && !isNew && fields.length > 1) {
      fields.splice(at, 1);
      if (!byCode) drops.push(one.name);
    } else if (kind === 4 && !isNew && WIDER[one.kind] !== undefined && one.added === undefined) {
      const [wider, convert] = WIDER[one.kind] as readonly [Kind, (value: unknown) => unknown];
      fields[at] = { ...one, kind: wider };
      steps.push((row) => {
        row[one.name] = row[one.name] === null ? null : convert(row[one.name]);
      });
    } else if (kind === 5) {
      fields = [...fields.slice(at), ...fields.slice(0, at)];
    } else if (kind === 6 && !isNew) {
      // Whatever it was, of which the rules know nothing.
      fields[at] = { name: one.name, kind: "string", nullable: false };
      steps.push((row) => {
        row[one.name] = `was ${String(row[one.name])}`;
      });
    }
  }
  return fields;
}

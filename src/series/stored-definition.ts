/** The definition of a series as it is stored, and whether another one can take its place. */
import { HoldfastError } from "../base/errors.js";
import { Decimal } from "../codec/decimal.js";
import type { AnySeries, ColumnKind, ColumnNode } from "./definition.js";

interface StoredColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly scale?: number;
  readonly allowNonFinite?: true;
  /** As text. */
  readonly default?: string;
}

/** As JSON: what reads the series without the program that made it. */
export function describeSeries(definition: AnySeries): string {
  const { tier, capacity, late, chunkRows } = definition;
  return JSON.stringify({
    columns: definition.columns.map(describeColumn),
    ...{ capacity, late, tier, chunkRows },
  });
}

function describeColumn(column: ColumnNode): StoredColumn {
  const { name, kind, scale, allowNonFinite, defaultValue } = column;
  return {
    name,
    kind,
    ...(kind === "decimal" && { scale }),
    ...(allowNonFinite && { allowNonFinite }),
    ...(defaultValue !== undefined && {
      default: Object.is(defaultValue, -0) ? "-0" : String(defaultValue),
    }),
  };
}

/** The definition that a text of `describeSeries` stands for. Throws CORRUPT_LOG for any other. */
export function parseSeries(name: string, text: string): AnySeries {
  try {
    const stored = JSON.parse(text) as AnySeries & { columns: StoredColumn[] };
    return Object.freeze({ ...stored, name, columns: stored.columns.map(parseColumn) });
  } catch (error) {
    const message = `the stored definition of series "${name}" cannot be read`;
    throw new HoldfastError("CORRUPT_LOG", message, { series: name }, error);
  }
}

function parseColumn(stored: StoredColumn): ColumnNode {
  const { name, kind, scale = 0, allowNonFinite = false } = stored;
  const text = stored.default;
  const defaultValue = text === undefined ? undefined : parseValue(kind, scale, text);
  return { name, kind, scale, allowNonFinite, defaultValue };
}

function parseValue(kind: ColumnKind, scale: number, text: string): unknown {
  switch (kind) {
    case "string":
      return text;
    case "boolean":
      return text === "true";
    case "int64":
      return BigInt(text);
    case "decimal":
      return Decimal.of(text, scale);
    default:
      return Number(text);
  }
}

/**
 * Throws SCHEMA_MISMATCH, naming every difference, where rows that are stored could not be read by
 * the columns that the code declares. New columns may follow behind those there were, if they say
 * what older rows have; capacity, tier and policies are the code's alone.
 */
export function assertReadable(stored: AnySeries, declared: AnySeries): void {
  const problems = stored.columns.flatMap((column, i) => differences(column, declared, i));
  for (const column of declared.columns.slice(stored.columns.length)) {
    if (stored.columns.some(({ name }) => name === column.name)) continue;
    if (column.defaultValue !== undefined) continue;
    problems.push(`column "${column.name}" is new, and nothing says what older rows have in it`);
  }
  if (problems.length === 0) return;
  const { name } = declared;
  throw new HoldfastError(
    "SCHEMA_MISMATCH",
    `series "${name}": ${problems.join("; ")}. Columns keep their place, name and type; new ones ` +
      "follow behind them, withDefault. Nothing was changed",
    { series: name },
  );
}

function differences(stored: ColumnNode, { columns }: AnySeries, place: number): string[] {
  const { name } = stored;
  const declared = columns.find((column) => column.name === name);
  if (declared === undefined) return [`column "${name}" is stored, and not declared`];
  const types = [stored, declared].map(typeText) as [string, string];
  if (types[0] !== types[1]) {
    return [`column "${name}" is stored as ${types[0]}, and declared as ${types[1]}`];
  }
  if (columns[place] === declared) return [];
  return [`column "${name}" is stored as number ${place + 1}, and declared elsewhere`];
}

/** What of a type decides whether its stored values can be read. */
function typeText({ kind, scale }: ColumnNode): string {
  return kind === "decimal" ? `decimal(${scale})` : kind;
}

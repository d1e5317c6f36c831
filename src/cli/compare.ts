/** `holdfast compare`: what two stores hold, table by table, row by row, field by field. */

import { resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import { compareRows, type RowChange } from "../codec/compare-rows.js";
import { compileKey, inspectKey } from "../codec/key.js";
import type { TableDefinition } from "../codec/schema.js";
import { describeSchema } from "../codec/schema-description.js";
import { chooseDisk } from "../disk/choose.js";
import { openStoredState, type StoredState } from "../store/stored-state.js";
import {
  describeError,
  EXIT_COULD_NOT_LOOK,
  EXIT_DAMAGED,
  EXIT_SOUND,
  formatNumber,
  formatTable,
  write,
  writeLine,
} from "./output.js";
import { keyToJson } from "./readable-tables.js";

interface Flags {
  readonly at?: string;
  readonly otherAt?: string;
  readonly table?: string;
  readonly limit: number;
  readonly json?: boolean;
}

interface TableCounts {
  readonly table: string;
  /** "same", or who alone has the table, or that the key types differ: then no row is compared. */
  schema: "same" | "differs" | "other key" | "only in the first" | "only in the second";
  added: number;
  removed: number;
  changed: number;
}

/** Rows between two turns of the event loop. */
const ROWS_PER_TURN = 1_000;

/** Adds the command to a program. */
export function registerCompare(program: Command): void {
  program
    .command("compare")
    .summary("what differs between what two stores hold")
    .description(
      "Compares what two stores hold, table by table: rows that were added, removed and\n" +
        "changed from the first to the second, field by field. Reads both without their locks,\n" +
        "whoever writes them, and changes nothing. Exit codes: 0 they hold the same, 1 they do\n" +
        "not, 2 could not look.",
    )
    .argument("<dir>", "directory of the first store")
    .argument("<other>", "directory of the second one, such as a fork of it")
    .option("--at <name>", "the first as a named snapshot has it")
    .option("--other-at <name>", "the second as a named snapshot has it")
    .option("--table <name>", "only this table")
    .option("--limit <n>", "rows to show of each table", countOf, 20)
    .option("--json", "one JSON object a line: all changes, then the counts of each table")
    .action(async (directory: string, other: string, flags: Flags) => {
      try {
        process.exitCode = await compare(directory, other, flags);
      } catch (error) {
        // Not 1, which would say that they differ.
        process.stderr.write(`${describeError(error)}\n`);
        process.exitCode = EXIT_COULD_NOT_LOOK;
      }
    });
}

function countOf(text: string): number {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("a whole number is asked for");
}

async function compare(directory: string, other: string, flags: Flags): Promise<number> {
  const disk = chooseDisk("auto", () => {});
  const first = await openStoredState(disk, resolve(directory), flags.at);
  try {
    const second = await openStoredState(disk, resolve(other), flags.otherAt);
    try {
      return await compareStates(first, second, flags);
    } finally {
      await second.close();
    }
  } finally {
    await first.close();
  }
}

async function compareStates(
  first: StoredState,
  second: StoredState,
  flags: Flags,
): Promise<number> {
  const names = [...new Set([...first.tables.keys(), ...second.tables.keys()])].sort();
  const counts: TableCounts[] = [];
  for (const name of names) {
    if (flags.table !== undefined && name !== flags.table) continue;
    counts.push(await compareTable(name, first, second, flags));
  }
  const same = counts.every(isSame);
  if (flags.json === true) for (const one of counts) await writeLine(JSON.stringify(one));
  else await print(counts, same);
  return same ? EXIT_SOUND : EXIT_DAMAGED;
}

function isSame({ schema, added, removed, changed }: TableCounts): boolean {
  return schema === "same" && added + removed + changed === 0;
}

async function compareTable(
  table: string,
  first: StoredState,
  second: StoredState,
  flags: Flags,
): Promise<TableCounts> {
  const [a, b] = [first.tables.get(table), second.tables.get(table)];
  const counts: TableCounts = { table, schema: "same", added: 0, removed: 0, changed: 0 };
  counts.schema = schemasOf(a, b);
  if (counts.schema === "other key") return counts;
  const { key } = (a ?? b) as TableDefinition;
  const changes = compareRows(
    a === undefined ? [] : first.table(a).entries(),
    b === undefined ? [] : second.table(b).entries(),
    compileKey(key).compare,
    a?.fields ?? [],
    b?.fields ?? [],
  );
  let rows = 0;
  for (const change of changes) {
    counts[change.change]++;
    rows++;
    if (flags.json === true) await writeLine(JSON.stringify(jsonOf(table, change)));
    else if (rows <= flags.limit) await write(textOf(table, change));
    else if (rows === flags.limit + 1) await writeLine(`table "${table}": and more`);
    if (rows % ROWS_PER_TURN === 0) await nextTurn();
  }
  return counts;
}

function schemasOf(
  a: TableDefinition | undefined,
  b: TableDefinition | undefined,
): TableCounts["schema"] {
  if (a === undefined) return "only in the second";
  if (b === undefined) return "only in the first";
  if (JSON.stringify(a.key) !== JSON.stringify(b.key)) return "other key";
  const text = (table: TableDefinition) => JSON.stringify({ ...describeSchema(table), tier: "" });
  return text(a) === text(b) ? "same" : "differs";
}

function jsonOf(table: string, { change, key, fields }: RowChange): object {
  return { table, change, key: keyToJson(key), fields };
}

const SIGNS = { added: "+", removed: "-", changed: "~" } as const;

function textOf(table: string, { change, key, fields }: RowChange): string {
  const text = (value: unknown) => (value === undefined ? "nothing" : JSON.stringify(value));
  const parts = fields.map(({ field, before, after }) => {
    if (change === "added") return `${field} ${text(after)}`;
    if (change === "removed") return `${field} ${text(before)}`;
    return `${field} ${text(before)} -> ${text(after)}`;
  });
  return `${SIGNS[change]} ${table} ${inspectKey(key)}: ${parts.join(", ")}\n`;
}

async function print(counts: readonly TableCounts[], same: boolean): Promise<void> {
  const columns = [
    { title: "table" },
    { title: "added", right: true },
    { title: "removed", right: true },
    { title: "changed", right: true },
    { title: "schema" },
  ];
  const lines = counts.map(({ table, added, removed, changed, schema }) => [
    table,
    ...[added, removed, changed].map(formatNumber),
    schema,
  ]);
  await write(`${same ? "" : "\n"}${formatTable(columns, lines)}`);
  await writeLine(same ? "they hold the same" : "they differ");
}

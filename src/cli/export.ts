/** `holdfast export`: the rows of a table as a file, in the order of their keys. */
import { open as openFile, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { HoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";
import { describeSchema } from "../codec/schema-description.js";
import { chooseDisk } from "../disk/choose.js";
import type { ReadTable } from "../index.js";
import { openStoredState, type StoredState } from "../store/stored-state.js";
import type { AuditSource } from "../trading/index.js";
import { formatNumber, formatTable, write, writeLine } from "./output.js";
import { type RowFormat, rowFormat } from "./row-file.js";
import { RowText } from "./row-text.js";

interface Flags {
  readonly table?: string;
  readonly trading?: boolean;
  readonly format?: string;
  readonly key?: string;
  readonly at?: string;
  readonly schema?: boolean;
  readonly json?: boolean;
}

/** Text that is given to the system at once. */
const PIECE_CHARS = 64 * 1024;

/** Adds the command to a program. */
export function registerExport(program: Command): void {
  program
    .command("export")
    .summary("write rows as JSON, JSON lines or CSV; or a trading state as SQLite")
    .description(
      "Writes the rows of a table, in the order of their keys, to a file or to stdout. Reads\n" +
        "the state of one moment, beside whoever writes the store, and changes nothing in it.\n" +
        "`holdfast import` makes the same rows of the file, to the bit. With --trading it makes\n" +
        "a SQLite file of portfolio, trades, risk events, signals and pending orders, by\n" +
        "better-sqlite3 or by what Node.js 22 has. Exit codes: 0 done, 1 failed or damaged,\n" +
        "2 could not look.",
    )
    .argument("<dir>", "directory of the store")
    .argument("[file]", "where to; replaced when all of it is written (default: stdout)")
    .option("--table <name>", "the table")
    .option("--trading", "the state of holdfast/trading, as a SQLite file")
    .option("--format <format>", "json, jsonl or csv (default: by the file's extension, or jsonl)")
    .option("--key <names>", "names for the parts of the key, with commas between them")
    .option("--at <name>", "the rows of a named snapshot")
    .option("--schema", "write the description of the table instead, as import --schema takes it")
    .option("--json", "tell what a file got as one JSON object")
    .action(async (directory: string, file: string | undefined, flags: Flags) => {
      const disk = chooseDisk("auto", () => {});
      const state = await openStoredState(disk, resolve(directory), flags.at);
      try {
        if (flags.trading === true) await exportTrading(state, directory, file, flags);
        else await exportTable(state, directory, file, flags);
      } finally {
        await state.close();
      }
    });
}

async function exportTable(
  state: StoredState,
  directory: string,
  file: string | undefined,
  flags: Flags,
): Promise<void> {
  if (flags.table === undefined) {
    throw new HoldfastError("INVALID_ARGUMENT", "give a table with --table, or --trading");
  }
  const table = tableOf(state, directory, flags.table);
  if (flags.schema === true) {
    const text = `${JSON.stringify(describeSchema(table), null, 2)}\n`;
    await toFile(file, (sink) => sink(text));
    return;
  }
  const format = file === undefined ? (flags.format ?? "jsonl") : flags.format;
  const text = new RowText(table, flags.key?.split(","));
  const rows = rowsOf(state.table(table), text, rowFormat(format, file));
  const count = await toFile(file, (sink) => writeRows(rows, sink));
  if (file === undefined) return;
  const { sequence } = state;
  if (flags.json === true) await writeLine(JSON.stringify({ file, rows: count, sequence }));
  else await writeLine(`${formatNumber(count)} rows are in ${file}`);
}

async function exportTrading(
  state: StoredState,
  directory: string,
  file: string | undefined,
  { table, json }: Flags,
): Promise<void> {
  if (file === undefined || table !== undefined) {
    const message = "with --trading a file is needed, and all of its tables are written";
    throw new HoldfastError("INVALID_ARGUMENT", message);
  }
  const source: AuditSource = {
    table: ({ name }) => state.table(tableOf(state, directory, name)) as never,
  };
  // Only now: no other command needs it.
  const { exportSqlite } = await import("../trading/index.js");
  const { rows } = await exportSqlite(source, file);
  const { sequence } = state;
  if (json === true) {
    await writeLine(JSON.stringify({ file, rows, sequence }));
    return;
  }
  const lines = Object.entries(rows).map(([name, count]) => [name, formatNumber(count)]);
  await write(formatTable([{ title: "table" }, { title: "rows", right: true }], lines));
}

function tableOf(state: StoredState, directory: string, name: string): TableDefinition {
  const table = state.tables.get(name);
  if (table !== undefined) return table;
  const names = [...state.tables.keys()].map((one) => JSON.stringify(one)).join(", ");
  const message = `${directory} has no table "${name}"; it has ${names || "none"}`;
  throw new HoldfastError("INVALID_ARGUMENT", message, { table: name });
}

/** Texts, of which `row` tells those that are rows from what stands around them. */
function* rowsOf(
  table: ReadTable<unknown, unknown>,
  text: RowText,
  format: RowFormat,
): Generator<{ readonly text: string; readonly row: boolean }, void, void> {
  if (format === "csv") yield { text: `${text.csvHeader()}\n`, row: false };
  if (format === "json") yield { text: "[", row: false };
  let before = "\n";
  for (const [key, row] of table.entries()) {
    if (format === "csv") yield { text: `${text.csv(key, row)}\n`, row: true };
    else if (format === "jsonl") yield { text: `${text.json(key, row)}\n`, row: true };
    else yield { text: `${before}${text.json(key, row)}`, row: true };
    before = ",\n";
  }
  if (format === "json") yield { text: "\n]\n", row: false };
}

/** Takes text, and resolves when more may follow. */
type Sink = (text: string) => Promise<void>;

async function writeRows(rows: ReturnType<typeof rowsOf>, sink: Sink): Promise<number> {
  let count = 0;
  let piece = "";
  for (const { text, row } of rows) {
    piece += text;
    if (row) count++;
    if (piece.length < PIECE_CHARS) continue;
    await sink(piece);
    piece = "";
  }
  if (piece !== "") await sink(piece);
  return count;
}

/** A file has its name only once it is whole and durable. */
async function toFile<T>(file: string | undefined, fill: (sink: Sink) => Promise<T>): Promise<T> {
  if (file === undefined) return fill(write);
  const partial = `${file}.partial`;
  try {
    const handle = await openFile(partial, "w");
    let result: T;
    try {
      result = await fill((text) => handle.writeFile(text));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, file);
    await syncDirectory(dirname(resolve(file)));
    return result;
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {});
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await openFile(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

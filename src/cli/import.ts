/** `holdfast import`: rows of a file into a table, all of them or none. */
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { HoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";
import { parseSchema } from "../codec/schema-description.js";
import { chooseDisk } from "../disk/choose.js";
import { open, type Store } from "../index.js";
import { openStoredState } from "../store/stored-state.js";
import {
  checkRows,
  type Imported,
  type ImportSource,
  putRows,
  type Reject,
} from "./import-rows.js";
import { useStore, withStore } from "./open-store.js";
import { EXIT_DAMAGED, EXIT_SOUND, formatBytes, formatNumber, write, writeLine } from "./output.js";
import { ProgressLine } from "./progress.js";
import { rowFormat } from "./row-file.js";
import { JsonLines } from "./salvage-export.js";

interface Flags {
  readonly table: string;
  readonly format?: string;
  readonly key?: string;
  readonly schema?: string;
  readonly environment?: string;
  readonly rejects?: string;
  readonly json?: boolean;
}

/** Bad rows that are told one by one where nobody asked for a file of them. */
const TOLD_MAX = 20;

/** Adds the command to a program. */
export function registerImport(program: Command): void {
  program
    .command("import")
    .summary("put the rows of a file into a table")
    .description(
      "Puts the rows of a JSON array, of JSON lines or of CSV into a table. The whole file is\n" +
        "checked against the table's schema before anything is written: with one bad row none\n" +
        "goes in, unless --rejects says where the bad ones are to be put. A row whose key is in\n" +
        "the table replaces it. Up to 4 MiB of rows are one transaction; of more, a crash may\n" +
        "leave the first part, and the same command then makes it whole.\n" +
        "docs/moving-data.md has the form of each type. Needs the lock. Exit codes: 0 all rows\n" +
        "are in, 1 not all or none, 2 could not look.",
    )
    .argument("<dir>", "directory of the store; made, with --schema, if it is not there")
    .argument("<file>", "the rows")
    .requiredOption("--table <name>", "the table")
    .option("--format <format>", "json, jsonl or csv (default: by the file's extension)")
    .option("--key <names>", "members or columns that hold the key, with commas between them")
    .option("--schema <file>", "JSON description of the table, for one that is not there yet")
    .option("--environment <name>", "environment of a store that is made")
    .option("--rejects <file>", "put the good rows, and write the others here, with reasons")
    .option("--json", "one JSON object")
    .action(async (directory: string, file: string, flags: Flags) => {
      const progress = new ProgressLine();
      process.exitCode = await importFile(directory, file, flags, progress).finally(() =>
        progress.clear(),
      );
    });
}

async function importFile(
  directory: string,
  file: string,
  flags: Flags,
  progress: ProgressLine,
): Promise<number> {
  const format = rowFormat(flags.format, file);
  const isThere = existsSync(directory) && readdirSync(directory).length > 0;
  const table = await tableOf(directory, isThere, flags);
  const source: ImportSource = { file, format, table, keyNames: flags.key?.split(",") };
  const rejects = flags.rejects === undefined ? undefined : new JsonLines(flags.rejects);
  const told: Reject[] = [];
  const onReject = (reject: Reject) => {
    if (rejects !== undefined) rejects.add(reject);
    else if (told.length < TOLD_MAX) told.push(reject);
  };
  const checked = await checkRows(source, onReject, (bytes) =>
    progress.show(() => `${formatBytes(bytes)} of the file checked`),
  );
  rejects?.end();
  if (checked.rejected > 0 && rejects === undefined) {
    progress.clear();
    await report(flags, { rows: 0, replaced: 0, transactions: 0 }, checked.rejected, told);
    return EXIT_DAMAGED;
  }
  const put = (store: Store) =>
    putRows(store, source, checked, (bytes) =>
      progress.show(() => `${formatBytes(bytes)} of the file imported`),
    );
  const done = isThere
    ? await withStore(directory, [table], put)
    : await useStore(await create(directory, table, flags), put);
  progress.clear();
  await report(flags, done, checked.rejected, []);
  return checked.rejected > 0 ? EXIT_DAMAGED : EXIT_SOUND;
}

function create(directory: string, table: TableDefinition, flags: Flags): Promise<Store> {
  const { environment } = flags;
  return open(directory, {
    tables: [table],
    onWarning: () => {},
    backgroundBytesPerSecond: Number.MAX_SAFE_INTEGER,
    ...(environment && { environment }),
  });
}

/** As the store has it, or else as the description says. */
async function tableOf(
  directory: string,
  isThere: boolean,
  { table: name, schema }: Flags,
): Promise<TableDefinition> {
  const described = schema === undefined ? undefined : await readSchema(schema, name);
  if (isThere) {
    const disk = chooseDisk("auto", () => {});
    const state = await openStoredState(disk, directory);
    const { tables } = state;
    await state.close();
    const stored = tables.get(name);
    // Whether it is the same as the one described, opening the store says.
    if (stored !== undefined || described !== undefined) return described ?? (stored as never);
    const names = [...tables.keys()].map((one) => JSON.stringify(one)).join(", ");
    const message = `${directory} has no table "${name}" (it has ${names}): --schema can add one`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { table: name });
  }
  if (described !== undefined) return described;
  const message = `${directory} holds no store: --schema can make one`;
  throw new HoldfastError("INVALID_ARGUMENT", message, { file: directory });
}

async function readSchema(file: string, name: string): Promise<TableDefinition> {
  const text = await readFile(file, "utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const message = `${file} is no JSON: ${(error as Error).message}`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { file }, error);
  }
  const table = parseSchema(json);
  if (table.name === name) return table;
  const message = `${file} describes table "${table.name}", and not "${name}"`;
  throw new HoldfastError("INVALID_ARGUMENT", message, { file });
}

async function report(
  { table, rejects, json }: Flags,
  done: Imported,
  rejected: number,
  told: readonly Reject[],
): Promise<void> {
  const { rows, replaced, transactions } = done;
  if (json === true) {
    await writeLine(JSON.stringify({ table, rows, replaced, transactions, rejected, told }));
    return;
  }
  if (rejected > 0 && rejects === undefined) {
    for (const { line, reason } of told) await writeLine(`line ${line}: ${reason}`);
    const more = rejected > told.length ? `, the first ${told.length} of them above` : "";
    await writeLine(`nothing was imported: ${formatNumber(rejected)} bad rows${more}`);
    return;
  }
  const others = replaced > 0 ? `, ${formatNumber(replaced)} of them in place of others` : "";
  await write(`${formatNumber(rows)} rows are in table "${table}"${others}\n`);
  if (rejected > 0) await write(`${formatNumber(rejected)} bad rows are in ${rejects}\n`);
}

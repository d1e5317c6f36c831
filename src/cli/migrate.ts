/** `holdfast migrate`: all rows of older versions become rows of the version in force, now. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";
import { chooseDisk } from "../disk/choose.js";
import { type MigratedTable, type OpenOptions, open } from "../index.js";
import type { Manifest } from "../manifest/format.js";
import { toOptions } from "../store/options.js";
import { openNewest } from "../store/read-only.js";
import { definitionsOf } from "../store/upgrades.js";
import { EXIT_DAMAGED, formatNumber, formatTable, write, writeLine } from "./output.js";
import { ProgressLine } from "./progress.js";
import { readStore } from "./read-store.js";
import { keyToJson } from "./readable-tables.js";
import { tablesOfModule } from "./table-module.js";

interface Flags {
  readonly module: string;
  readonly check?: boolean;
  readonly back?: readonly string[];
  readonly json?: boolean;
}

/** Failures that are written out; the others are counted. */
const FAILURES_SHOWN = 20;

/** Rows between two turns of the event loop. */
const ROWS_PER_TURN = 1_000;

/** Adds the command to a program. */
export function registerMigrate(program: Command): void {
  program
    .command("migrate")
    .summary("make all rows of older versions rows of the newest one, now")
    .description(
      "Opens a store with the tables that a module of the application exports, and rewrites\n" +
        "every row of an older version of them, in small transactions. Stopped or killed, it\n" +
        "goes on where it was when it is started again. Needs the lock; a program that has the\n" +
        "store open calls `store.migrate()` itself. --check writes nothing, needs no lock, and\n" +
        "works beside a running program: it runs `up` for every row, twice, and reports those\n" +
        "that fail. Exit codes: 0 all rows are of the newest version (or would be), 1 some\n" +
        "failed, 2 could not look.",
    )
    .argument("<dir>", "directory of the store")
    .requiredOption("--module <file>", "module that exports the tables")
    .option("--check", "write nothing, and report the rows that would fail")
    .option(
      "--back <table=version>",
      "go back to an older version of a table, by `down`; more than once for more tables",
      (value: string, before: readonly string[] = []) => [...before, value],
    )
    .option("--json", "one JSON object")
    .action(async (directory: string, flags: Flags) => {
      if (flags.check === true && flags.back !== undefined) {
        throw new HoldfastError("INVALID_ARGUMENT", "--check and --back do not go together");
      }
      const tables = await tablesOfModule(flags.module);
      const back = (flags.back ?? []).map((given) => definitionOf(given, tables));
      const report =
        flags.check === true
          ? await check(directory, tables)
          : await migrate(directory, tables, back);
      if (report.some(({ failed }) => failed > 0)) process.exitCode = EXIT_DAMAGED;
      if (flags.json === true) await writeLine(JSON.stringify(report.map(toJson)));
      else await write(format(report, flags));
    });
}

function definitionOf(given: string, tables: readonly TableDefinition[]): TableDefinition {
  const [name, version] = given.split("=");
  const table = tables.find((one) => one.name === name);
  const found = table && definitionsOf(table).find((one) => String(one.version) === version);
  if (found !== undefined) return found;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `--back ${given}: the module has no such version, as \`previous\` of a later one`,
  );
}

async function manifestOf(directory: string): Promise<Manifest> {
  const { manifest } = await readStore(directory);
  if (manifest !== undefined) return manifest;
  throw new HoldfastError("CORRUPT_MANIFEST", `neither manifest of ${directory} can be read`, {
    file: directory,
  });
}

/** As the store's own program would open it, as far as the manifest tells. */
function optionsFor(manifest: Manifest, tables: readonly TableDefinition[]): OpenOptions {
  const { environment, segments } = manifest;
  const segmentBytes = segments.findLast(({ state }) => state !== "sealed")?.bytes;
  return {
    ...{ tables, environment, onWarning: () => {} },
    // Nothing of it is to go because of a migration.
    history: "all",
    ...(segmentBytes !== undefined && { segmentBytes }),
  };
}

async function migrate(
  directory: string,
  tables: readonly TableDefinition[],
  back: readonly TableDefinition[],
): Promise<MigratedTable[]> {
  const options = optionsFor(await manifestOf(directory), tables);
  const stop = new AbortController();
  const interrupt = (): void =>
    stop.abort(new HoldfastError("CLOSED", "interrupted: start it again"));
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  const line = new ProgressLine();
  const store = await open(directory, options);
  try {
    return await store.migrate({
      back,
      signal: stop.signal,
      onProgress: ({ table, rows, rewritten }) =>
        line.show(
          () => `${table}: ${formatNumber(rows)} rows, ${formatNumber(rewritten)} rewritten`,
        ),
    });
  } finally {
    line.clear();
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
    await store.close();
  }
}

/** Reads every row as the code would, and writes nothing. */
async function check(
  directory: string,
  tables: readonly TableDefinition[],
): Promise<MigratedTable[]> {
  const options = toOptions(optionsFor(await manifestOf(directory), tables));
  const disk = chooseDisk("auto", () => {});
  const store = await openNewest(disk, resolve(directory), options, true);
  const line = new ProgressLine();
  const reports: MigratedTable[] = [];
  try {
    for (const definition of tables) {
      const table = store.table(definition);
      const failures: HoldfastError[] = [];
      let [rows, failed] = [0, 0];
      for (const key of table.keys()) {
        rows++;
        try {
          table.get(key);
        } catch (error) {
          if (!isHoldfastError(error) || !FAILURES.has(error.code)) throw error;
          failed++;
          if (failures.length < 1000) failures.push(error);
        }
        if (rows % ROWS_PER_TURN !== 0) continue;
        line.show(() => `${table.name}: ${formatNumber(rows)} rows, ${formatNumber(failed)} fail`);
        await new Promise((next) => setImmediate(next));
      }
      const { name, version } = definition;
      reports.push({ table: name, version, rows, rewritten: 0, failed, failures });
    }
  } finally {
    line.clear();
    await store.close();
  }
  return reports;
}

const FAILURES: ReadonlySet<string> = new Set([
  "MIGRATION_FAILED",
  "SCHEMA_MISMATCH",
  "INVALID_ROW",
]);

function toJson({ failures, ...report }: MigratedTable) {
  return {
    ...report,
    failures: failures.map(({ code, message, data }) => ({
      code,
      message,
      version: data.version,
      key: keyToJson(data.key),
    })),
  };
}

function format(report: readonly MigratedTable[], { check: isCheck }: Flags): string {
  if (report.length === 0) return "every row is of the version in force\n";
  const columns = [
    { title: "table" },
    { title: "version", right: true },
    { title: "rows", right: true },
    ...(isCheck === true ? [] : [{ title: "rewritten", right: true }]),
    { title: "failed", right: true },
  ];
  const rows = report.map((one) => [
    one.table,
    String(one.version),
    formatNumber(one.rows),
    ...(isCheck === true ? [] : [formatNumber(one.rewritten)]),
    formatNumber(one.failed),
  ]);
  const failures = report.flatMap((one) => one.failures).slice(0, FAILURES_SHOWN);
  const failed = report.reduce((sum, one) => sum + one.failed, 0);
  const more = failed - failures.length;
  return [
    formatTable(columns, rows),
    ...failures.map(({ message }) => `${message}\n`),
    ...(more > 0 ? [`and ${formatNumber(more)} more\n`] : []),
  ].join("");
}

/** `holdfast at`: the state of a store as it was. */
import type { Command } from "commander";
import type { PastState } from "../index.js";
import type { AnyTable } from "../store/past-state.js";
import { asJson, asText, openPastOf, pointOf, tableNamed } from "./history-text.js";
import { formatNumber, formatTable, write, writeLine } from "./output.js";

/** Rows in one table of the terminal: columns are as wide as these need. */
const PAGE_ROWS = 500;

interface Flags {
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerAt(program: Command): void {
  program
    .command("at")
    .summary("print the state of a store as it was")
    .description(
      "Prints the state after a transaction: the tables and how many rows they had, or the\n" +
        "rows of one. POINT is a sequence, a time (ISO 8601), or the name of a snapshot. Reads\n" +
        "only; needs neither the application nor the lock. Exit codes: 0 printed, 1 failed,\n" +
        "2 could not look.",
    )
    .argument("<dir>", "directory of the store")
    .argument("<point>", "sequence, time or snapshot")
    .argument("[table]", "print the rows of this table")
    .option("--json", "JSON: one object, or one line for each row")
    .action(async (directory: string, point: string, name: string | undefined, flags: Flags) => {
      const history = await openPastOf(directory);
      const state = await history.at(pointOf(point));
      try {
        if (name === undefined) await printTables(state, flags);
        else await printRows(state, tableNamed(state.tables, name), flags);
      } finally {
        await state.close();
        history.close();
      }
    });
}

async function printTables(state: PastState, { json }: Flags): Promise<void> {
  const tables = state.tables.map((table) => ({
    name: table.name,
    rows: state.table(table).count(),
  }));
  const { sequence } = state;
  if (json === true) return writeLine(JSON.stringify({ sequence, tables }));
  await writeLine(`after transaction ${sequence}`);
  const rows = tables.map((table) => [table.name, formatNumber(table.rows)]);
  await write(formatTable([{ title: "table" }, { title: "rows", right: true }], rows));
}

async function printRows(state: PastState, table: AnyTable, { json }: Flags): Promise<void> {
  const fields = table.fields.map(({ name }) => name);
  const columns = ["key", ...fields].map((title) => ({ title }));
  let page: string[][] = [];
  for (const [key, row] of state.table(table).entries()) {
    if (json === true) {
      await writeLine(JSON.stringify({ key: asJson(key), row: asJson(row) }));
      continue;
    }
    const values = row as Readonly<Record<string, unknown>>;
    page.push([asText(key), ...fields.map((field) => asText(values[field]))]);
    if (page.length < PAGE_ROWS) continue;
    await write(formatTable(columns, page));
    page = [];
  }
  if (page.length > 0) await write(formatTable(columns, page));
}

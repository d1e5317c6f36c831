/** `holdfast history`: what became of one key. */
import type { Command } from "commander";
import type { RowChange } from "../index.js";
import { fieldsThatDiffer } from "../store/state-difference.js";
import { asJson, asText, keyOf, openPastOf, tableNamed, timeOf } from "./history-text.js";
import { formatTable, formatTime, write, writeLine } from "./output.js";
import { boundsOf, type RangeFlags, withRange } from "./range-flags.js";

/** Changes in one table of the terminal. */
const PAGE_ROWS = 500;

/** Adds the command to a program. */
export function registerHistory(program: Command): void {
  withRange(
    program
      .command("history")
      .summary("print every change of one key")
      .description(
        "Prints every change of a key that is in the history kept, the oldest first: sequence,\n" +
          "time, writer, and the fields that changed. A key of several parts is a JSON list.\n" +
          "Reads only; needs neither the application nor the lock. Exit codes: 0 printed,\n" +
          "1 failed, 2 could not look.",
      )
      .argument("<dir>", "directory of the store")
      .argument("<table>", "name of the table")
      .argument("<key>", "the key"),
  ).action(async (directory: string, name: string, text: string, flags: RangeFlags) => {
    const history = await openPastOf(directory);
    const table = tableNamed(await history.tables(), name);
    const key = keyOf(table, text);
    let page: string[][] = [];
    for await (const change of history.history(name, key, boundsOf(flags))) {
      if (flags.json === true) await writeLine(JSON.stringify(toJson(change)));
      else page.push(cellsOf(change));
      if (page.length < PAGE_ROWS) continue;
      await write(formatTable(COLUMNS, page));
      page = [];
    }
    if (page.length > 0) await write(formatTable(COLUMNS, page));
  });
}

const COLUMNS = [
  { title: "sequence", right: true },
  { title: "time" },
  { title: "writer" },
  { title: "change" },
];

function toJson({ sequence, timeMicros, writer, before, beforeIsKnown, after }: RowChange) {
  return {
    sequence,
    ...timeOf(timeMicros),
    writer,
    ...(beforeIsKnown ? { before: asJson(before) } : {}),
    after: asJson(after),
  };
}

function cellsOf(change: RowChange): string[] {
  const { sequence, timeMicros, writer } = change;
  return [String(sequence), formatTime(timeMicros), writer, textOf(change)];
}

function textOf({ before, beforeIsKnown, after }: RowChange): string {
  if (after === undefined) return "deleted";
  if (before === undefined) return `${beforeIsKnown ? "new" : "put"} ${asText(after)}`;
  const fields = fieldsThatDiffer(before, after);
  if (fields.length === 0) return "put as it was";
  return fields
    .map((one) => `${one.field}: ${asText(one.before)} → ${asText(one.after)}`)
    .join(", ");
}

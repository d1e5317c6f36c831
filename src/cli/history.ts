/** `holdfast history`: what became of one key. */
import type { Command } from "commander";
import { isHoldfastError } from "../base/errors.js";
import type { LoggedTransaction, RowChange, StoreHistory } from "../index.js";
import { fieldsThatDiffer } from "../store/state-difference.js";
import { annotationIn, annotationText } from "./annotation-text.js";
import { asJson, asText, keyOf, openPastOf, tableNamed, timeOf } from "./history-text.js";
import { formatTable, formatTime, write, writeLine } from "./output.js";
import { boundsOf, type RangeFlags, withRange } from "./range-flags.js";

/** Changes in one table of the terminal. */
const PAGE_ROWS = 500;

interface Flags extends RangeFlags {
  readonly causes?: boolean;
}

/** Adds the command to a program. */
export function registerHistory(program: Command): void {
  withRange(
    program
      .command("history")
      .summary("print every change of one key")
      .description(
        "Prints every change of a key that is in the history kept, the oldest first: sequence,\n" +
          "time, writer, the fields that changed, and why. A key of several parts is a JSON\n" +
          "list. With --causes each change is followed by the transaction that caused it, the\n" +
          "one that caused that, and so on. Reads only; needs neither the application nor the\n" +
          "lock. Exit codes: 0 printed, 1 failed, 2 could not look.",
      )
      .argument("<dir>", "directory of the store")
      .argument("<table>", "name of the table")
      .argument("<key>", "the key")
      .option("--causes", "what caused each change, up to where that began"),
  ).action(async (directory: string, name: string, text: string, flags: Flags) => {
    const history = await openPastOf(directory);
    const table = tableNamed(await history.tables(), name);
    const key = keyOf(table, text);
    let page: string[][] = [];
    for await (const change of history.history(name, key, boundsOf(flags))) {
      const causes = flags.causes === true ? await causesOf(history, change) : undefined;
      if (flags.json === true) await writeLine(JSON.stringify(toJson(change, causes)));
      else page.push(cellsOf(change), ...(causes ?? []).map(causeCells));
      if (page.length < PAGE_ROWS) continue;
      await write(formatTable(COLUMNS, page));
      page = [];
    }
    if (page.length > 0) await write(formatTable(COLUMNS, page));
  });
}

/** Without the change itself. */
async function causesOf(
  history: StoreHistory,
  { causedBy }: RowChange,
): Promise<LoggedTransaction[]> {
  const causes: LoggedTransaction[] = [];
  if (causedBy === undefined) return causes;
  try {
    for await (const cause of history.causes(causedBy)) causes.push(cause);
  } catch (error) {
    // What is known is told; a change names a cause that is no longer kept.
    if (!isHoldfastError(error, "HISTORY_GONE")) throw error;
  }
  return causes;
}

const COLUMNS = [
  { title: "sequence", right: true },
  { title: "time" },
  { title: "writer" },
  { title: "change" },
  { title: "why" },
];

function toJson(change: RowChange, causes: readonly LoggedTransaction[] | undefined) {
  const { sequence, timeMicros, writer, before, beforeIsKnown, after, afterIsKnown } = change;
  return {
    sequence,
    ...timeOf(timeMicros),
    writer,
    ...annotationIn(change),
    ...(beforeIsKnown ? { before: asJson(before) } : {}),
    ...(afterIsKnown ? { after: asJson(after) } : {}),
    ...(causes !== undefined && { causes: causes.map(causeJson) }),
  };
}

function causeJson(cause: LoggedTransaction) {
  const { sequence, timeMicros, writer } = cause;
  return { sequence, ...timeOf(timeMicros), writer, ...annotationIn(cause) };
}

function cellsOf(change: RowChange): string[] {
  const { sequence, timeMicros, writer } = change;
  const why = annotationText(change);
  return [String(sequence), formatTime(timeMicros), writer, textOf(change), why];
}

function causeCells(cause: LoggedTransaction): string[] {
  const { sequence, timeMicros, writer, operations } = cause;
  const done = operations.map(({ kind, table }) => `${kind} ${table}`).join(", ");
  const why = annotationText(cause);
  return [String(sequence), formatTime(timeMicros), writer, `← ${done}`, why];
}

function textOf({ before, beforeIsKnown, after, afterIsKnown }: RowChange): string {
  if (!afterIsKnown) return "patched: what it was before is not kept";
  if (after === undefined) return "deleted";
  if (before === undefined) return `${beforeIsKnown ? "new" : "put"} ${asText(after)}`;
  const fields = fieldsThatDiffer(before, after);
  if (fields.length === 0) return "put as it was";
  return fields
    .map((one) => `${one.field}: ${asText(one.before)} → ${asText(one.after)}`)
    .join(", ");
}

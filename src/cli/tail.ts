/** `holdfast tail`: the transactions of a store as they happen. */
import type { Command } from "commander";
import type { LoggedOperation, LoggedTransaction, Moment } from "../index.js";
import { annotationIn, annotationLines } from "./annotation-text.js";
import { asJson, asText, openPastOf, tableNamed, timeOf } from "./history-text.js";
import { formatTime, writeLine } from "./output.js";
import { countOf, momentOf } from "./range-flags.js";

interface Flags {
  readonly from?: Moment;
  readonly table?: string;
  readonly limit?: number;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerTail(program: Command): void {
  program
    .command("tail")
    .summary("print transactions as they become durable")
    .description(
      "Prints each transaction once it is durable, in order, and waits for the next; --from\n" +
        "begins earlier. It follows a store that another process writes: it takes no lock and\n" +
        "changes nothing. Ends with an interrupt, or after --limit transactions. Exit codes:\n" +
        "0 ended, 1 failed, 2 could not look.",
    )
    .argument("<dir>", "directory of the store")
    .option("--from <moment>", "begin with this sequence or time", momentOf)
    .option("--table <name>", "only what concerns this table")
    .option("--limit <count>", "end after so many transactions", countOf)
    .option("--json", "one JSON object a line")
    .action(async (directory: string, flags: Flags) => {
      const history = await openPastOf(directory);
      const { from, table, limit = Number.POSITIVE_INFINITY } = flags;
      const tables = table === undefined ? undefined : [tableNamed(await history.tables(), table)];
      const stop = new AbortController();
      const end = (): void => stop.abort();
      process.once("SIGINT", end).once("SIGTERM", end);
      const options = {
        signal: stop.signal,
        ...(from !== undefined && { from }),
        ...(tables !== undefined && { tables }),
      };
      let left = limit;
      for await (const transaction of history.changes(options)) {
        await writeLine(flags.json === true ? jsonOf(transaction) : textOf(transaction));
        if (--left <= 0) break;
      }
      process.off("SIGINT", end).off("SIGTERM", end);
    });
}

function jsonOf(transaction: LoggedTransaction): string {
  const { sequence, timeMicros, writer, operations } = transaction;
  return JSON.stringify({
    sequence,
    ...timeOf(timeMicros),
    writer,
    ...annotationIn(transaction),
    operations: operations.map((operation) => ({
      operation: operation.kind,
      table: operation.table,
      ...(operation.kind !== "declare" && { key: asJson(operation.key) }),
      ...(operation.kind === "put" && { row: asJson(operation.row) }),
      ...(operation.kind === "patch" && { fields: asJson(operation.fields) }),
    })),
  });
}

function textOf(transaction: LoggedTransaction): string {
  const { sequence, timeMicros, writer, operations } = transaction;
  const head = `${sequence}  ${formatTime(timeMicros)}  ${writer}`;
  const lines = [...annotationLines(transaction), ...operations.map(operationText)];
  return [head, ...lines.map((line) => `  ${line}`)].join("\n");
}

function operationText(operation: LoggedOperation): string {
  const { kind, table } = operation;
  if (kind === "declare") return `declare ${table} version ${operation.version}`;
  const name = `${kind} ${table} ${asText(operation.key)}`;
  if (kind === "patch") return `${name} ${asText(operation.fields)}`;
  return kind === "put" ? `${name} ${asText(operation.row)}` : name;
}

/** `holdfast rollback`: the state of a store becomes what it was, and the history stays. */
import type { Command } from "commander";
import { HoldfastError } from "../base/errors.js";
import type { PastPoint, RollbackInfo } from "../index.js";
import type { AnyTable } from "../store/past-state.js";
import { tagOf } from "./annotation-text.js";
import { differenceJson, differenceText } from "./diff.js";
import { openPastOf, pointOf } from "./history-text.js";
import { withStore } from "./open-store.js";
import { formatNumber, formatRange, formatTable, write, writeLine } from "./output.js";
import { ProgressLine } from "./progress.js";
import { tablesOfModule } from "./table-module.js";

interface Flags {
  readonly to: string;
  readonly reason?: string;
  readonly tag?: Readonly<Record<string, string>>;
  readonly module?: string;
  readonly check?: boolean;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerRollback(program: Command): void {
  program
    .command("rollback")
    .summary("make the state what it was, by new transactions")
    .description(
      "Makes the state what it was after a transaction, at a time (ISO 8601), or in a\n" +
        "snapshot, by new transactions that carry the reason: nothing of the history goes, and\n" +
        "a rollback can be rolled back. One transaction where that can hold it; otherwise parts\n" +
        "that say so: stopped or killed in between, the same command does the rest. Refused,\n" +
        "with a list, where a version of a table came into force since that has no `down`;\n" +
        "--module names a module of the application that exports the tables. Needs the lock.\n" +
        "--check writes nothing, needs no lock, and prints the rows that would change, as\n" +
        "`diff` does. Exit codes: 0 done (or could be), 1 refused or failed, 2 could not look.",
    )
    .argument("<dir>", "directory of the store")
    .requiredOption("--to <point>", "sequence, time or snapshot")
    .option("--reason <text>", "why; it stands in the log (needed without --check)")
    .option("--tag <name=value>", "a tag to find it by; more than once for more tags", tagOf)
    .option("--module <file>", "module that exports the tables")
    .option("--check", "write nothing, and print what would change")
    .option("--json", "JSON: one object, or with --check one for each row")
    .action(async (directory: string, flags: Flags) => {
      const coded = flags.module === undefined ? [] : await tablesOfModule(flags.module);
      const to = pointOf(flags.to);
      if (flags.check === true) return check(directory, coded, to, flags);
      const { reason } = flags;
      if (reason !== undefined) return rollBack(directory, coded, to, reason, flags);
      throw new HoldfastError("INVALID_ARGUMENT", "a rollback needs a reason: --reason <text>");
    });
}

async function check(
  directory: string,
  coded: readonly AnyTable[],
  to: PastPoint,
  { json }: Flags,
): Promise<void> {
  const history = await openPastOf(directory, coded);
  let rows = 0;
  for await (const difference of history.rollbackCheck(to)) {
    rows++;
    await writeLine(json === true ? differenceJson(difference) : differenceText(difference));
  }
  const count = rows === 1 ? "1 row" : `${formatNumber(rows)} rows`;
  if (json !== true) await writeLine(`${count} would change`);
}

async function rollBack(
  directory: string,
  coded: readonly AnyTable[],
  to: PastPoint,
  reason: string,
  { tag, json }: Flags,
): Promise<void> {
  const named = new Set(coded.map(({ name }) => name));
  const stored = await (await openPastOf(directory)).tables();
  const tables = [...coded, ...stored.filter(({ name }) => !named.has(name))];
  const line = new ProgressLine();
  let rows = 0;
  const onRow = () => {
    rows++;
    line.show(() => `${formatNumber(rows)} rows`);
  };
  try {
    const info = await withStore(directory, tables, (store) =>
      store.rollback(to, {
        reason,
        onRow,
        ...(tag !== undefined && { tags: tag }),
      }),
    );
    line.clear();
    if (json === true) await writeLine(JSON.stringify(info));
    else await write(textOf(info));
  } finally {
    line.clear();
  }
}

function textOf({ to, tables, transactions, firstSequence, lastSequence }: RollbackInfo): string {
  if (firstSequence === undefined) return `the state is what it was after transaction ${to}\n`;
  const columns = [
    { title: "table" },
    { title: "added", right: true },
    { title: "removed", right: true },
    { title: "changed", right: true },
  ];
  const rows = tables.map(({ table, added, removed, changed }) => [
    table,
    ...[added, removed, changed].map(formatNumber),
  ]);
  const done = formatRange(firstSequence, lastSequence);
  const written = `${transactions === 1 ? "transaction" : "transactions"} ${done}`;
  return `${formatTable(columns, rows)}as it was after transaction ${to}, by ${written}\n`;
}

/** `holdfast diff`: what differs between two states of a store. */
import type { Command } from "commander";
import type { RowDifference } from "../index.js";
import { asJson, asText, openPastOf, pointOf, tableNamed } from "./history-text.js";
import { writeLine } from "./output.js";

interface Flags {
  readonly table?: string;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerDiff(program: Command): void {
  program
    .command("diff")
    .summary("print what differs between two states of a store")
    .description(
      "Prints what differs between two states: rows added (+), removed (-), changed (~), field\n" +
        "by field. A and B are a sequence, a time (ISO 8601), or the name of a snapshot. Reads\n" +
        "only; needs neither the application nor the lock. Exit codes: 0 compared, whatever was\n" +
        "found, 1 failed, 2 could not look.",
    )
    .argument("<dir>", "directory of the store")
    .argument("<a>", "sequence, time or snapshot")
    .argument("<b>", "sequence, time or snapshot")
    .option("--table <name>", "only this table")
    .option("--json", "one JSON object a line")
    .action(async (directory: string, a: string, b: string, flags: Flags) => {
      const history = await openPastOf(directory);
      const { table } = flags;
      const options =
        table === undefined ? {} : { tables: [tableNamed(await history.tables(), table)] };
      for await (const difference of history.diff(pointOf(a), pointOf(b), options)) {
        await writeLine(
          flags.json === true ? differenceJson(difference) : differenceText(difference),
        );
      }
    });
}

/** One line for `--json`. */
export function differenceJson({ table, key, kind, before, after, fields }: RowDifference): string {
  return JSON.stringify({
    table,
    key: asJson(key),
    kind,
    before: asJson(before),
    after: asJson(after),
    fields: fields.map((one) => ({
      field: one.field,
      before: asJson(one.before),
      after: asJson(one.after),
    })),
  });
}

/** One line for people. */
export function differenceText({ table, key, kind, before, after, fields }: RowDifference): string {
  const name = `${table} ${asText(key)}`;
  if (kind === "added") return `+ ${name}: ${asText(after)}`;
  if (kind === "removed") return `- ${name}: ${asText(before)}`;
  const changes = fields.map((one) => `${one.field}: ${asText(one.before)} → ${asText(one.after)}`);
  return `~ ${name}: ${changes.join(", ")}`;
}

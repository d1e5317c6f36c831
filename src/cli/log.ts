/** `holdfast log`: the transactions of a store as rows that people and machines can read. */
import { type Command, InvalidArgumentError } from "commander";
import { type LogRecord, walkRecords } from "../log/record.js";
import { EXIT_DAMAGED, formatRange, formatTime, write, writeLine } from "./output.js";
import { readStore, type SegmentView, type StoreView } from "./read-store.js";
import { type ReadableOperation, ReadableTables } from "./readable-tables.js";
import type { FrameBytes } from "./segment-frames.js";
import { type Gap, walkLog } from "./walk-log.js";

interface Flags {
  readonly from?: number;
  readonly to?: number;
  readonly table?: string;
  readonly limit?: number;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerLog(program: Command): void {
  program
    .command("log")
    .summary("print the transactions of a store")
    .description(
      "Prints the transactions of a store, oldest first: sequence, time, writer, and what each " +
        "put or deleted. Reads only; needs neither the application nor the lock. What is " +
        "readable before and after a damaged place is printed, the place itself is named, and " +
        "the exit code is 1.",
    )
    .argument("<dir>", "directory of the store")
    .option("--from <sequence>", "begin with this transaction", sequenceOf)
    .option("--to <sequence>", "end with this transaction", sequenceOf)
    .option("--table <name>", "only what concerns this table")
    .option("--limit <count>", "print at most so many transactions", sequenceOf)
    .option("--json", "one JSON object a line")
    .action(async (directory: string, flags: Flags) => {
      process.exitCode = await printLog(await readStore(directory), flags);
    });
}

function sequenceOf(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("It must be a whole number.");
}

async function printLog(store: StoreView, flags: Flags): Promise<number> {
  const printer = new LogPrinter(store, flags);
  let exitCode = 0;
  for await (const event of walkLog(store)) {
    if (event.kind === "gap") {
      exitCode = EXIT_DAMAGED;
      await printGap(event.gap, flags);
    } else if (event.kind === "frame") {
      await write(printer.frame(event.segment, event.frame));
      if (printer.done) break;
    } else if (event.kind === "end" && event.end.verdict === "torn") {
      const { file, offset, tornBytes } = event.end;
      note(`${file} ends in an unfinished write at offset ${offset} (${tornBytes} bytes)`);
    }
  }
  return exitCode;
}

function note(text: string): void {
  process.stderr.write(`holdfast: ${text}\n`);
}

async function printGap(gap: Gap, flags: Flags): Promise<void> {
  const { file, offset, resumesAt, sequence, lastSequence, why } = gap;
  const until = resumesAt === undefined ? "to the end" : `to ${resumesAt.offset}`;
  const where = resumesAt !== undefined && resumesAt.file !== file ? ` of ${resumesAt.file}` : "";
  const missing = formatRange(sequence, lastSequence);
  note(
    `CORRUPT_LOG: ${file} is damaged from offset ${offset} ${until}${where}: ${why}; ` +
      `transactions that cannot be read: ${missing}`,
  );
  if (flags.json) await writeLine(JSON.stringify({ gap }));
  else await writeLine(`-- gap: transactions that cannot be read: ${missing} (${why})`);
}

/** Turns frames into text. */
class LogPrinter {
  /** Nothing that comes later is wanted. */
  done = false;
  readonly #tables: ReadableTables;
  readonly #flags: Flags;
  readonly #writerOfStore: string | undefined;
  #printed = 0;

  constructor(store: StoreView, flags: Flags) {
    this.#tables = new ReadableTables(store.manifest);
    this.#flags = flags;
    this.#writerOfStore = store.manifest?.writer.writerId;
    if (flags.limit === 0) this.done = true;
  }

  frame(segment: SegmentView, { header, bytes, view, position }: FrameBytes): string {
    const lines: string[] = [];
    walkRecords(bytes, view, position, header, (record) => {
      if (!this.done) this.#record(segment, header.offset, record, lines);
    });
    return lines.join("");
  }

  #record(segment: SegmentView, offset: number, record: LogRecord, lines: string[]): void {
    const { from = 0, to = Number.MAX_SAFE_INTEGER, limit, table, json } = this.#flags;
    if (record.sequence > to) {
      this.done = true;
      return;
    }
    // Always read, so that schemas declared on the way are known.
    const operations: ReadableOperation[] = [];
    const wanted = record.sequence >= from;
    const problem = this.#tables.walk(record, (operation) => {
      if (wanted && (table === undefined || operation.table === table)) operations.push(operation);
    });
    if (!wanted || (table !== undefined && operations.length === 0)) return;
    const entry = {
      sequence: record.sequence,
      time: formatTime(record.timeMicros),
      writer: segment.header?.writerId ?? this.#writerOfStore ?? null,
      epoch: segment.place?.epoch ?? null,
      file: segment.name,
      offset,
      operations,
      ...(problem !== undefined && { problem }),
    };
    lines.push(json ? `${JSON.stringify(entry)}\n` : formatEntry(entry));
    this.#printed++;
    if (this.#printed === limit || record.sequence === to) this.done = true;
  }
}

function formatEntry(entry: {
  readonly sequence: number;
  readonly time: string;
  readonly writer: string | null;
  readonly operations: readonly ReadableOperation[];
  readonly problem?: string;
}): string {
  const { sequence, time, writer, operations, problem } = entry;
  const lines = [`${sequence}  ${time}  ${writer ?? "unknown writer"}`];
  for (const operation of operations) lines.push(`    ${formatOperation(operation)}`);
  if (problem !== undefined) lines.push(`    malformed: ${problem}`);
  return `${lines.join("\n")}\n`;
}

function formatOperation({
  operation,
  table,
  version,
  key,
  row,
  problem,
  schema,
}: ReadableOperation) {
  const parts: string[] = [operation, table];
  if (operation === "declare") parts.push(`version ${version}`, JSON.stringify(schema));
  else parts.push(JSON.stringify(key));
  if (row !== undefined) parts.push(JSON.stringify(row));
  if (problem !== undefined) parts.push(`(${problem})`);
  return parts.join(" ");
}

/** `holdfast log`: the transactions of a store as rows that people and machines can read. */
import { type Command, InvalidArgumentError } from "commander";
import type { ManifestArchive } from "../manifest/format.js";
import { readManifestSlots } from "../manifest/manifest.js";
import { tagOf } from "./annotation-text.js";
import { readArchiveLines } from "./archive-lines.js";
import { type LogFlags, LogPrinter } from "./log-printer.js";
import { EXIT_DAMAGED, EXIT_SOUND, formatRange, write, writeLine } from "./output.js";
import { readStore, type StoreView } from "./read-store.js";
import { type Gap, type LogEnd, walkLog } from "./walk-log.js";

type Flags = LogFlags;

/** Adds the command to a program. */
export function registerLog(program: Command): void {
  program
    .command("log")
    .summary("print the transactions of a store")
    .description(
      "Prints the transactions of a store, oldest first: sequence, time, writer, and what each " +
        "put or deleted; archives, where history is kept, come before the log. Where history " +
        "begins is said. Reads only; needs neither the application nor the lock. What is " +
        "readable before and after a damaged place is printed, the place itself is named, and " +
        "the exit code is 1.",
    )
    .argument("<dir>", "directory of the store")
    .option("--from <sequence>", "begin with this transaction", sequenceOf)
    .option("--to <sequence>", "end with this transaction", sequenceOf)
    .option("--table <name>", "only what concerns this table")
    .option("--caused-by <sequence>", "only what names this transaction as its cause", sequenceOf)
    .option("--tag <name=value>", "only what has this tag; more than once for more tags", tagOf)
    .option("--limit <count>", "print at most so many transactions", sequenceOf)
    .option("--json", "one JSON object a line")
    .action(async (directory: string, flags: Flags) => {
      process.exitCode = await printLog(directory, flags);
    });
}

function sequenceOf(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("It must be a whole number.");
}

/** Readings of a store in use before a place that seems damaged is believed to be. */
const READINGS = 6;

/** What is let go of while it is read is no gap: then it goes on in what there is now. */
async function printLog(directory: string, flags: Flags): Promise<number> {
  let store = await readStore(directory);
  const printer = new LogPrinter(store, flags, note);
  const printedGaps = new Set<string>();
  for (let reading = 1; ; reading++) {
    const last = reading === READINGS;
    const pass = new LogPass(store, printer, flags, last, printedGaps);
    if (await pass.run()) return printedGaps.size === 0 ? EXIT_SOUND : EXIT_DAMAGED;
    store = await readStore(directory);
  }
}

/** One reading: archives and segments in their order. */
class LogPass {
  readonly #store: StoreView;
  readonly #printer: LogPrinter;
  readonly #flags: Flags;
  /** Whatever is found now is told. */
  readonly #last: boolean;
  readonly #printedGaps: Set<string>;
  /** That are still to be printed, the oldest first. */
  readonly #archives: ManifestArchive[];

  constructor(
    store: StoreView,
    printer: LogPrinter,
    flags: Flags,
    last: boolean,
    printedGaps: Set<string>,
  ) {
    this.#store = store;
    this.#printer = printer;
    this.#flags = flags;
    this.#last = last;
    this.#printedGaps = printedGaps;
    this.#archives = [...(store.manifest?.archives ?? [])].sort((a, b) => a.id - b.id);
  }

  /** False if the store has moved on, and should be read anew. */
  async run(): Promise<boolean> {
    for await (const event of walkLog(this.#store)) {
      if (event.kind === "segment") {
        if (!(await this.#archivesBefore(event.segment.id))) return false;
      } else if (event.kind === "gap") {
        if (!(await this.#gap(event.gap))) return false;
      } else if (event.kind === "frame") {
        await write(this.#printer.frame(event.segment, event.frame));
      } else {
        if (!(await this.#archivesBefore(Number.POSITIVE_INFINITY))) return false;
        this.#end(event.end);
      }
      if (this.#printer.done) break;
    }
    return true;
  }

  async #archivesBefore(segmentId: number): Promise<boolean> {
    for (;;) {
      const next = this.#archives[0];
      if (next === undefined || next.id >= segmentId || this.#printer.done) return true;
      this.#archives.shift();
      if (!this.#printer.wants(next)) continue;
      const { lines, gap } = await readArchiveLines(this.#store, next, this.#printer);
      // A text may not be as long as a large archive's.
      for (const line of lines) await write(line);
      if (gap !== undefined && !(await this.#gap(gap))) return false;
    }
  }

  async #gap(gap: Gap): Promise<boolean> {
    if (!this.#last && (await this.#hasMoved())) return false;
    if (this.#printer.hasPassed(gap)) return true;
    this.#printer.gap(gap);
    this.#printedGaps.add(`${gap.file} ${gap.offset}`);
    await printGap(gap, this.#flags);
    return true;
  }

  async #hasMoved(): Promise<boolean> {
    const { disk, directory, manifest } = this.#store;
    const { newest } = await readManifestSlots(disk, directory);
    return newest?.generation !== manifest?.generation;
  }

  #end(end: LogEnd): void {
    const { verdict, file, offset, tornBytes, lastSequence } = end;
    if (verdict === "torn") {
      note(`${file} ends in an unfinished write at offset ${offset} (${tornBytes} bytes)`);
    }
    this.#printer.end(lastSequence);
  }
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

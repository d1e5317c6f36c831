/** `holdfast replay`: the main job, from the command line. */
import { writeSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Backend, HoldfastError, isHoldfastError } from "../index.js";
import { type ReplayOptions, replay } from "../replay/replay.js";
import type { RunProgress } from "../replay/run.js";
import { formatSummary } from "./replay-summary.js";

/** Exit code after SIGINT, as shells have it. */
const EXIT_INTERRUPTED = 130;

interface Flags {
  readonly dir: string;
  readonly limit?: number;
  readonly digest?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly backend?: Backend;
  readonly inFlight?: number;
  readonly environment?: string;
  readonly segmentBytes?: number;
  readonly ackFd?: number;
}

/** Adds the command to a program. */
export function registerReplay(program: Command): void {
  program
    .command("replay")
    .summary("run a trading engine over a recorded tape, every event a durable transaction")
    .description(
      "Replays a recorded tape (Binance streams as JSON lines, or trades as CSV; plain or\n" +
        "gzip) through a small trading engine: order book, strategy, orders, position,\n" +
        "balances, risk. Every event is one transaction; where the engine acts, the next event\n" +
        "waits until that is on disk. Started again on the same directory, it goes on where it\n" +
        "was durable.",
    )
    .argument("<tape>", "the recorded tape")
    .requiredOption("--dir <dir>", "directory of the store; created if it is not there")
    .option("--limit <events>", "stop after so many events of the tape, over all runs", whole)
    .option("--digest", "print a SHA-256 of the whole state at the end")
    .option("--json", "print one JSON object instead of the summary")
    .option("--quiet", "no progress on stderr")
    .addOption(
      new Option("--backend <name>", "which disk to use").choices([
        "auto",
        "native",
        "io_uring",
        "threads",
        "portable",
      ]),
    )
    .option("--in-flight <frames>", "frames that may be on their way to disk at once", whole)
    .option("--environment <name>", "the environment that the store belongs to")
    .option("--segment-bytes <bytes>", "size of a log segment", whole)
    .option(
      "--ack-fd <fd>",
      'write "SEQUENCE EVENT" to this file descriptor when that is durable',
      whole,
    )
    .action(run);
}

async function run(tape: string, flags: Flags): Promise<void> {
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  const progress = flags.json || flags.quiet ? undefined : new ProgressLine();
  try {
    const result = await replay(toOptions(tape, flags, stop.signal, progress));
    progress?.clear();
    console.log(flags.json ? JSON.stringify(result) : formatSummary(result));
    if (stop.signal.aborted) process.exitCode = EXIT_INTERRUPTED;
  } catch (error) {
    progress?.clear();
    if (!isHoldfastError(error)) throw error;
    console.error(`holdfast: ${error.code}: ${error.message}`);
    process.exitCode = 1;
  } finally {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}

function toOptions(
  tape: string,
  flags: Flags,
  signal: AbortSignal,
  progress: ProgressLine | undefined,
): ReplayOptions {
  const { ackFd } = flags;
  return {
    tape,
    dir: flags.dir,
    limit: flags.limit,
    signal,
    // A program that reads the object wants to know what it has got.
    digest: flags.digest === true || flags.json === true,
    onProgress: progress && ((figures) => progress.show(figures)),
    onAcknowledged:
      ackFd === undefined
        ? undefined
        : (sequence, event) => writeFully(ackFd, `${sequence} ${event}\n`),
    store: {
      ...(flags.backend !== undefined && { backend: flags.backend }),
      ...(flags.inFlight !== undefined && { framesInFlight: flags.inFlight }),
      ...(flags.environment !== undefined && { environment: flags.environment }),
      ...(flags.segmentBytes !== undefined && { segmentBytes: flags.segmentBytes }),
    },
  };
}

function whole(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("It must be a whole number.");
}

/** Writes all of a line before it returns, also to a pipe whose reader is slow. */
function writeFully(fd: number, line: string): void {
  let rest = Buffer.from(line);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EAGAIN") {
        throw new HoldfastError("IO", `cannot write to descriptor ${fd}: ${code}`, {}, error);
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** How far it is: one line that is written over on a terminal, a line now and then elsewhere. */
class ProgressLine {
  static readonly #TERMINAL_MILLIS = 100;
  static readonly #PLAIN_MILLIS = 5_000;
  readonly #terminal = process.stderr.isTTY === true;
  #nextMillis = this.#terminal ? 0 : ProgressLine.#PLAIN_MILLIS;
  #shown = false;

  show({ event, startedAtEvent, millis, tapeMicros }: RunProgress): void {
    if (millis < this.#nextMillis) return;
    const pause = this.#terminal ? ProgressLine.#TERMINAL_MILLIS : ProgressLine.#PLAIN_MILLIS;
    this.#nextMillis = millis + pause;
    const rate = Math.round(((event - startedAtEvent) / millis) * 1000);
    const tapeTime = new Date(tapeMicros / 1000).toISOString();
    const line = `event ${grouped(event)}, ${grouped(rate)} a second, tape at ${tapeTime}`;
    process.stderr.write(this.#terminal ? `\r\x1b[K${line}` : `${line}\n`);
    this.#shown = this.#terminal;
  }

  clear(): void {
    if (this.#shown) process.stderr.write("\r\x1b[K");
  }
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** The main job: a tape replayed through an engine whose state is a store. */
import { type OpenOptions, open, type StoreStats } from "../index.js";
import { accountChecks } from "./checks.js";
import { stateDigest } from "./digest.js";
import { Engine } from "./engine.js";
import type { LatencyMicros } from "./latency.js";
import { type RunFigures, type RunOptions, runTape } from "./run.js";
import { type AccountSummary, summarise } from "./summary.js";
import { REPLAY_TABLES } from "./tables.js";
import { Tape } from "./tape.js";

export interface ReplayOptions extends RunOptions {
  readonly tape: string;
  readonly dir: string;
  /** Work out the digest of the whole state at the end. */
  readonly digest?: boolean;
  /** Passed on to `open`. */
  readonly store?: Pick<
    OpenOptions,
    "backend" | "environment" | "framesInFlight" | "segmentBytes" | "onWarning"
  >;
}

/** What a replay did, and what it left behind. */
export interface ReplayResult {
  readonly tape: string;
  readonly symbol: string;
  readonly format: string;
  /** Events of the tape applied, over all runs. */
  readonly events: number;
  /** The event after which this run went on; 0 for a new directory. */
  readonly resumedAtEvent: number;
  /** Transactions of this run: one for every event it applied. */
  readonly transactions: number;
  /** The tape was read to its end. */
  readonly complete: boolean;
  readonly digest: string | null;
  /** Durable commits that were waited for, in microseconds from the call to the resumption. */
  readonly latencyMicros: LatencyMicros;
  readonly transactionsPerSecond: number;
  /** Time of the run without opening and closing, in seconds. */
  readonly seconds: number;
  /** Opening a store that was there, from the call until it can be read and written; else 0. */
  readonly recoveryMillis: number;
  /** Opening, whether the store was there or not. */
  readonly openMillis: number;
  readonly transactionsRecovered: number;
  readonly tornBytes: number;
  /** Bytes of the records of this run, and of the frames they were written in. */
  readonly logicalBytes: number;
  readonly writtenBytes: number;
  readonly disk: StoreStats["disk"];
  readonly account: AccountSummary | null;
}

/**
 * Replays a tape into the store in a directory, from where that store is.
 *
 * @throws HoldfastError `BAD_TAPE` for a tape that cannot be read or is not the one replayed there
 *   before; and whatever `open` and the store throw.
 */
export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const tape = await Tape.open(options.tape);
  const before = performance.now();
  const store = await open(options.dir, {
    ...options.store,
    tables: REPLAY_TABLES,
    checks: accountChecks(tape.info.symbol),
  });
  const openMillis = performance.now() - before;
  let result: ReplayResult;
  try {
    const engine = await Engine.open(store, tape);
    const figures = await runTape(engine, options);
    result = resultOf(engine, options, figures, openMillis);
  } catch (error) {
    // The first error is the one to tell; a store that failed may fail to close as well.
    await store.close().catch(() => {});
    throw error;
  }
  await store.close();
  return result;
}

function resultOf(
  { trading, tape }: Engine,
  options: ReplayOptions,
  figures: RunFigures,
  openMillis: number,
): ReplayResult {
  const { store } = trading;
  const { disk, log } = store.stats();
  const { created, transactionsReplayed, tornBytes } = store.recovery;
  return {
    tape: tape.file,
    symbol: tape.info.symbol,
    format: tape.info.format,
    events: figures.endedAtEvent,
    resumedAtEvent: figures.startedAtEvent,
    transactions: figures.transactions,
    complete: figures.complete,
    digest: options.digest ? stateDigest(store) : null,
    latencyMicros: figures.durableLatency,
    transactionsPerSecond: perSecond(figures.transactions, figures.millis),
    seconds: round(figures.millis / 1000, 3),
    recoveryMillis: created ? 0 : round(openMillis, 1),
    openMillis: round(openMillis, 1),
    transactionsRecovered: transactionsReplayed,
    tornBytes,
    logicalBytes: log.logicalBytes,
    writtenBytes: log.writtenBytes,
    disk,
    account: summarise(trading, tape.info.symbol),
  };
}

function perSecond(count: number, millis: number): number {
  return count === 0 || millis <= 0 ? 0 : Math.round((count / millis) * 1000);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** Measures the ways of writing durably that a disk and file system offer, and chooses one. */
import { assert } from "../base/assert.js";
import { errnoCode } from "../base/errors.js";
import type { CommitQueue, Disk, LogFile, WriteMethod } from "./disk.js";

/** Enough for a stable median; all methods together take some tens of milliseconds. */
const SAMPLES = 48;
const WARM_UP = 4;

/**
 * O_DIRECT is kept unless another way takes less than this part of its time: past the page cache
 * there is nothing in memory that can differ from what the device has after a failure.
 */
export const DIRECT_PREFERENCE = 0.5;

export interface Measured {
  readonly method: WriteMethod;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

export interface ProbeOptions {
  readonly disk: Disk;
  readonly queue: CommitQueue;
  /** A file of written extents; the range is overwritten with what the queue's first slot holds. */
  readonly path: string;
  readonly offset: number;
  readonly blockBytes: number;
  readonly blocks: number;
}

/**
 * One synchronous durable write of a block at a time, by every method that can be opened. The
 * methods take turns, so that whatever else the machine does hits all of them alike.
 */
export async function measureMethods(options: ProbeOptions): Promise<Measured[]> {
  const contenders: Contender[] = [];
  try {
    for (const method of options.disk.writeMethods) {
      const log = await openOrUndefined(options, method);
      if (log !== undefined) contenders.push({ method, log, micros: [] });
    }
    for (let turn = 0; turn < WARM_UP + SAMPLES; turn++) {
      for (const contender of contenders) writeOnce(options, contender, turn);
    }
  } finally {
    for (const { log } of contenders) await log.close();
  }
  return contenders.map(summarize);
}

interface Contender {
  readonly method: WriteMethod;
  readonly log: LogFile;
  readonly micros: number[];
}

function writeOnce(options: ProbeOptions, { log, micros }: Contender, turn: number): void {
  const { disk, queue, offset, blockBytes, blocks } = options;
  const start = disk.clock.monotonicMicros();
  queue.writeNow(log, 0, blockBytes, offset + (turn % blocks) * blockBytes);
  if (turn >= WARM_UP) micros.push(disk.clock.monotonicMicros() - start);
}

function summarize({ method, micros }: Contender): Measured {
  micros.sort((a, b) => a - b);
  const at = (q: number) => Math.round(micros[Math.floor(q * (micros.length - 1))] as number);
  return { method, p50Micros: at(0.5), p99Micros: at(0.99) };
}

async function openOrUndefined(
  { queue, path }: ProbeOptions,
  method: WriteMethod,
): Promise<LogFile | undefined> {
  try {
    return await queue.openLog(path, method);
  } catch (error) {
    const code = errnoCode(error);
    if (code === "EINVAL" || code === "EOPNOTSUPP" || code === "ENOSYS") return undefined;
    throw error;
  }
}

/** The best of what was measured. */
export function chooseMethod(measured: readonly Measured[]): WriteMethod {
  let best = measured[0];
  assert(best !== undefined, "every disk offers at least one way of writing");
  for (const one of measured) if (one.p50Micros < best.p50Micros) best = one;
  const direct = measured.find((one) => one.method === "direct-dsync");
  if (direct !== undefined && best.p50Micros > DIRECT_PREFERENCE * direct.p50Micros) best = direct;
  return best.method;
}

/**
 * How many writes may be under way at once. The kernel reports a failed write-back of the page
 * cache once for a descriptor, to whichever sync asks first: with several under way one could fail
 * for the pages of another, which would then be told that all is well. So past the page cache as
 * many as are wanted, through it one. (The portable disk holds to that by itself, for each of its
 * descriptors.)
 */
export function writesInFlight(disk: Disk, method: WriteMethod, wanted: number): number {
  return disk.info.kind === "native" && method !== "direct-dsync" ? 1 : wanted;
}

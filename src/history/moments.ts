/** Places in the history: transactions by their number, and by the time. */
import { HoldfastError } from "../base/errors.js";
import type { Manifest } from "../manifest/format.js";
import { historyGone, LogReader, provenBy } from "./log-reader.js";
import type { LogSource } from "./log-source.js";
import { look } from "./moving.js";
import { lastOf, oldestOf, piecesOf, startOf } from "./pieces.js";

/** A sequence, or the last one up to a time: microseconds since 1970, or a Date. */
export type Moment = number | { readonly time: number | Date };

/** Throws INVALID_ARGUMENT for what is none. */
export function checkMoment(name: string, moment: unknown): asserts moment is Moment {
  if (isSequence(moment)) return;
  if (typeof moment === "object" && moment !== null && "time" in moment) {
    const { time } = moment;
    if (time instanceof Date ? !Number.isNaN(time.getTime()) : isSequence(time)) return;
  }
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `${name} must be a sequence, or { time } in microseconds or as a Date; got ${show(moment)}`,
  );
}

function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function show(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  return JSON.stringify(value) ?? String(value);
}

/** Microseconds since 1970. */
export function microsOf(time: number | Date): number {
  return time instanceof Date ? time.getTime() * 1000 : time;
}

/** The last transaction that is known to be durable. */
export async function lastDurable(source: LogSource): Promise<number> {
  const durable = source.durable();
  if (durable !== undefined) return durable.sequence;
  const manifest = await source.manifest();
  if (manifest.closed) return manifest.durableThrough;
  // What a manifest says is old: the log itself knows more.
  const known = provenBy(manifest);
  const reader = new LogReader(source, known + 1);
  for await (const _ of reader.read(Number.MAX_SAFE_INTEGER - 1));
  return Math.max(known, reader.next - 1);
}

/** The first transaction from which the log is there without a gap; undefined if there is none. */
export async function oldest(source: LogSource): Promise<number | undefined> {
  return look(source, (manifest) => oldestOf(source.disk, source.directory, manifest));
}

/**
 * The last transaction that is not later than a time; 0 if the very first one is. Throws
 * HISTORY_GONE where that cannot be told, because what was before is gone.
 */
export async function sequenceAt(source: LogSource, timeMicros: number): Promise<number> {
  const first = await oldest(source);
  if (first === undefined) {
    const last = await lastDurable(source);
    if (last === 0) return 0;
    throw historyGone(last, undefined);
  }
  const from = await look(source, (now) => searchFrom(source, now, first, timeMicros));
  const reader = new LogReader(source, from);
  let found = from - 1;
  search: for await (const { records } of reader.read(await lastDurable(source))) {
    for (const record of records) {
      if (record.timeMicros > timeMicros) break search;
      found = record.sequence;
    }
  }
  if (found >= first || first === 1) return found;
  throw historyGone(found, first);
}

/** A transaction from which on to look for a time: that of the last piece that begins before it. */
async function searchFrom(
  { disk, directory }: LogSource,
  manifest: Manifest,
  first: number,
  timeMicros: number,
): Promise<number> {
  for (const piece of piecesOf(manifest).reverse()) {
    if (lastOf(piece) < first) break;
    if (piece.kind === "archive") {
      if (piece.archive.lastMicros <= timeMicros) return piece.archive.lastSequence;
      continue;
    }
    const start = await startOf(disk, directory, manifest.storeId, piece.segment);
    if (start !== undefined && start.timeMicros <= timeMicros) {
      return Math.max(first, start.firstSequence);
    }
  }
  return first;
}

/** Checks a whole store: every checksum, chain and reference, past every damaged place. */
import type { Disk } from "../disk/disk.js";
import { sleep } from "../disk/sleep.js";
import type { WholeFiles } from "./check-runs.js";
import { type Finding, isSameFinding } from "./findings.js";
import { readStore, type StoreView } from "./read-store.js";
import { readOnce } from "./verify-reading.js";
import type { LogEnd } from "./walk-log.js";

/** What `verify --json` prints. */
export interface Verification {
  readonly directory: string;
  readonly verdict: "sound" | "damaged";
  readonly findings: readonly Finding[];
  /** The store is open somewhere: what came after the check began is not in it. */
  readonly inUse: boolean;
  readonly segments: number;
  readonly frames: number;
  readonly transactions: number;
  readonly operations: number;
  /** Files of runs, those of snapshots too, and the rows in them, tombstones included. */
  readonly runFiles: number;
  readonly rows: number;
  /** Archives, and the transactions in them. */
  readonly archives: number;
  readonly archivedTransactions: number;
  readonly snapshots: number;
  /** Files with chunks of blobs, and the chunks in them. */
  readonly packs: number;
  readonly chunks: number;
  /** Bytes of manifests, headers, frames, runs, archives and packs that were checked. */
  readonly bytes: number;
  /** Last transaction of the log, as far as it can be read. */
  readonly lastSequence: number;
  /** The first transaction from which on all are in the log or in archives; 0 if none is. */
  readonly historyFrom: number;
  readonly end: LogEnd;
  /** Implementations of CRC32C that were asked. */
  readonly checksums: readonly string[];
  readonly millis: number;
}

export interface Progress {
  /** What is being read, which one of how many. */
  readonly what: "archive" | "segment" | "run file" | "pack";
  readonly index: number;
  readonly count: number;
  readonly bytes: number;
}

/** Readings of a store in use before what they all found is believed. */
const READINGS = 3;
const PAUSE_MILLIS = 50;

/**
 * Throws NOT_A_STORE, FORMAT_VERSION, or the system's error if there is no looking. Changes
 * nothing.
 *
 * In a store in use files change while they are read, so that what is whole can look torn: a place
 * that is really damaged is found by every reading.
 */
export async function verifyStore(
  directory: string,
  onProgress: (progress: Progress) => void = () => {},
  disk?: Disk,
): Promise<Verification> {
  const start = performance.now();
  const whole: WholeFiles = new Map();
  let store = await readStore(directory, disk);
  let reading = await readOnce(store, whole, onProgress);
  let findings = reading.findings;
  for (let count = 1; findings.length > 0 && count < READINGS; count++) {
    const before = store;
    store = await readStore(directory, store.disk);
    if (!mayHaveMoved(before, store)) break;
    await sleep(store.disk, PAUSE_MILLIS);
    store = await readStore(directory, store.disk);
    reading = await readOnce(store, whole, onProgress);
    findings = reading.findings.filter((one) => findings.some((two) => isSameFinding(one, two)));
  }
  const isDamaged = findings.some(({ severity }) => severity === "damage");
  const { log, archives, runs, end, bytes } = reading;
  const isNative = store.disk.info.kind === "native";
  return {
    directory: store.directory,
    verdict: isDamaged ? "damaged" : "sound",
    findings,
    inUse: store.lock.holder !== undefined,
    segments: store.segments.length,
    frames: log.frames,
    transactions: log.transactions,
    operations: log.operations,
    runFiles: runs?.files ?? 0,
    rows: runs?.rows ?? 0,
    archives: store.manifest?.archives.length ?? 0,
    archivedTransactions: archives.transactions,
    snapshots: store.manifest?.snapshots.length ?? 0,
    packs: store.manifest?.packs?.length ?? 0,
    chunks: reading.chunks,
    bytes,
    lastSequence: end.lastSequence,
    historyFrom: reading.historyFrom,
    end,
    checksums: isNative ? ["native", "crc-32"] : ["crc-32"],
    millis: Math.round(performance.now() - start),
  };
}

/** A writer may have been at it meanwhile. None makes both manifests unreadable. */
function mayHaveMoved(before: StoreView, now: StoreView): boolean {
  if (now.manifest === undefined) return false;
  return (
    before.lock.holder !== undefined ||
    now.lock.holder !== undefined ||
    before.lock.claims?.bytes !== now.lock.claims?.bytes ||
    before.manifest?.generation !== now.manifest?.generation
  );
}

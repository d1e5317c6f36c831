/** Checks a whole store: every checksum, chain and reference, past every damaged place. */
import { setTimeout as sleep } from "node:timers/promises";
import { checkFiles, isHalfCreated } from "./check-files.js";
import { FrameChecker } from "./check-frames.js";
import { examineGap } from "./check-gap.js";
import { checkManifest } from "./check-manifest.js";
import { type Finding, isSameFinding, note } from "./findings.js";
import { formatBytes } from "./output.js";
import { readStore, type StoreView } from "./read-store.js";
import { type LogEnd, walkLog } from "./walk-log.js";

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
  /** Bytes of manifests, headers and frames that were checked. */
  readonly bytes: number;
  /** Last transaction of the log, as far as it can be read. */
  readonly lastSequence: number;
  readonly end: LogEnd;
  /** Implementations of CRC32C that were asked. */
  readonly checksums: readonly string[];
  readonly millis: number;
}

export interface Progress {
  readonly segment: number;
  readonly segments: number;
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
): Promise<Verification> {
  const start = performance.now();
  let store = await readStore(directory);
  let reading = await readOnce(store, onProgress);
  let findings = reading.findings;
  for (let count = 1; findings.length > 0 && count < READINGS; count++) {
    const before = store;
    store = await readStore(directory);
    if (!mayHaveMoved(before, store)) break;
    await sleep(PAUSE_MILLIS);
    store = await readStore(directory);
    reading = await readOnce(store, onProgress);
    findings = reading.findings.filter((one) => findings.some((two) => isSameFinding(one, two)));
  }
  const isDamaged = findings.some(({ severity }) => severity === "damage");
  const { checker, end, bytes } = reading;
  const isNative = store.disk.info.kind === "native";
  return {
    directory: store.directory,
    verdict: isDamaged ? "damaged" : "sound",
    findings,
    inUse: store.lock.holder !== undefined,
    segments: store.segments.length,
    frames: checker.frames,
    transactions: checker.transactions,
    operations: checker.operations,
    bytes,
    lastSequence: end.lastSequence,
    end,
    checksums: isNative ? ["native", "crc-32"] : ["crc-32"],
    millis: Math.round(performance.now() - start),
  };
}

function mayHaveMoved(before: StoreView, now: StoreView): boolean {
  return (
    before.lock.holder !== undefined ||
    now.lock.holder !== undefined ||
    before.lock.claims?.bytes !== now.lock.claims?.bytes ||
    before.manifest?.generation !== now.manifest?.generation
  );
}

interface Reading {
  readonly checker: FrameChecker;
  readonly findings: Finding[];
  readonly end: LogEnd;
  readonly bytes: number;
}

async function readOnce(
  store: StoreView,
  onProgress: (progress: Progress) => void,
): Promise<Reading> {
  const checker = new FrameChecker(store);
  const ofLog: Finding[] = [];
  const withFrames = new Set<number>();
  let segment = 0;
  let end: LogEnd | undefined;
  for await (const event of walkLog(store)) {
    if (event.kind === "segment") segment++;
    else if (event.kind === "gap") {
      checker.gap();
      ofLog.push(...(await examineGap(store, event.gap)));
    } else if (event.kind === "frame") {
      withFrames.add(event.segment.id);
      checker.frame(event.segment, event.frame);
    } else end = event.end;
    onProgress({ segment, segments: store.segments.length, bytes: checker.bytes });
  }
  const { transactions } = checker;
  const walked = { findings: ofLog, withFrames, transactions };
  const ofFiles = await checkFiles(store, walked);
  const all =
    isHalfCreated(store) && transactions === 0
      ? ofFiles.filter(isOfMarker)
      : [
          ...(await checkManifest(store)),
          ...ofFiles,
          ...ofLog.filter((one) => !ofFiles.some((two) => isSameLoss(one, two))),
          ...checker.findings,
          ...tailNote(end as LogEnd, store),
        ];
  const bytes = checker.bytes + bytesAround(store);
  return { checker, findings: all.sort(inOrder), end: end as LogEnd, bytes };
}

function isOfMarker({ kind }: Finding): boolean {
  return kind === "creating";
}

/** A file that is missing or cut off says so itself; that the log breaks off in it says no more. */
function isSameLoss(ofLog: Finding, ofFile: Finding): boolean {
  if (ofLog.file !== ofFile.file) return false;
  if (ofFile.kind === "missing-file") return true;
  const isAtEnd = ["truncated", "sealed-end", "frame-missing"].includes(ofLog.kind);
  return ofFile.kind === "truncated" && isAtEnd;
}

/** By file, as they stand in a directory, and by place. */
function inOrder(a: Finding, b: Finding): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.offset - b.offset;
}

function tailNote(end: LogEnd, { lock }: StoreView): Finding[] {
  if (end.verdict !== "torn" || end.file === undefined) return [];
  const how = lock.holder === undefined ? "opening sets it aside" : "or is being written just now";
  const message =
    `the log ends in an unfinished write of ${formatBytes(end.tornBytes)} that was never ` +
    `acknowledged (${end.why}): ${how}`;
  return [note("torn-tail", end.file, end.offset, message)];
}

function bytesAround({ segments, slots }: StoreView): number {
  const headers = segments.reduce((sum, { header }) => sum + (header?.alignment ?? 0), 0);
  return headers + slots.slots.filter(({ state }) => state === "valid").length * 4096;
}

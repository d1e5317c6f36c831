/**
 * A log that is written, made into runs and used again, without a store on top: what recovery, the
 * segment supply and the ledger do together, and nothing else. Records and run files hold their own
 * sequences, so that what a crash leaves can be told from what was there.
 */
import { expect } from "vitest";
import type { CompletionHandler, Disk, DiskLock } from "../../src/disk/disk.js";
import { segmentFileName } from "../../src/log/format.js";
import { SegmentSupply } from "../../src/log/segments.js";
import { LogWriter } from "../../src/log/writer.js";
import type { Manifest, ManifestFile, ManifestRun } from "../../src/manifest/format.js";
import type { OpenedLog } from "../../src/recovery/opening.js";
import { openLog } from "../../src/recovery/recover.js";
import { runFileName } from "../../src/run/format.js";
import { IoBudget } from "../../src/snapshot/budget.js";
import { FileIdSource } from "../../src/snapshot/file-ids.js";
import { LogCursor } from "../../src/snapshot/log-cursor.js";
import { StoreLedger } from "../../src/store/ledger.js";
import type { SimulatedMachine } from "../sim/disk.js";

export const DIRECTORY = "/data/log";
export const ALIGNMENT = 4096;
const SETTINGS = {
  environment: "test",
  allowEnvironmentChange: false,
  writerId: "tester",
  segmentBytes: 64 * 1024,
  frameBytesMax: 16 * 1024,
  framesInFlight: 4,
  alignment: ALIGNMENT,
};

/** Rows of the file, so that the file tells which transactions it stands for. */
const FILE_BYTES = 600;

export interface RunningLog {
  readonly disk: Disk;
  readonly opened: OpenedLog;
  readonly writer: LogWriter;
  readonly supply: SegmentSupply;
  readonly ledger: StoreLedger;
  readonly fileIds: FileIdSource;
  /** Sequences that recovery handed out. */
  readonly replayed: readonly number[];
  /** What the supply and the ledger complained about. */
  readonly failures: string[];
  close(): Promise<void>;
}

export interface LogKnobs {
  readonly keepForHistory?: () => boolean;
}

export async function openRunning(disk: Disk, knobs: LogKnobs = {}): Promise<RunningLog> {
  await disk.createDirectory(DIRECTORY);
  for (const ancestor of ["/data", "/"]) await disk.syncDirectory(ancestor);
  const lock = await lockOf(disk);
  const replayed: number[] = [];
  const opened = await openLog(disk, DIRECTORY, SETTINGS, {
    record: (record) => {
      const text = record.view.getUint32(record.operationsStart, true);
      expect(text, "a record says which one it is").toBe(record.sequence);
      replayed.push(record.sequence);
    },
  });
  const handler: { target: CompletionHandler | undefined } = { target: undefined };
  const queue = disk.openCommitQueue({
    slotBytes: SETTINGS.frameBytesMax,
    slotCount: SETTINGS.framesInFlight + 1,
    lock,
    handler: {
      completed: (slot, error) => handler.target?.completed(slot, error),
      deliver: () => handler.target?.deliver() ?? false,
    },
  });
  const failures: string[] = [];
  const method = "direct-dsync" as const;
  const path = `${DIRECTORY}/${segmentFileName(opened.active.id)}`;
  const segment = { ...opened.active, log: await queue.openLog(path, method) };
  const ledger: StoreLedger = new StoreLedger({
    keeper: opened.keeper,
    alignment: ALIGNMENT,
    epoch: opened.epoch,
    tables: () => [],
    durableSequence: () => writer.durableSequence,
    lastMicros: () => writer.lastTimeMicros,
    keepForHistory: knobs.keepForHistory ?? (() => false),
    retire: (id) => supply.retire(id),
    remove: (name) => disk.remove(`${DIRECTORY}/${name}`),
  });
  const supply: SegmentSupply = new SegmentSupply({
    disk,
    queue,
    directory: DIRECTORY,
    method,
    header: {
      storeId: opened.storeId,
      epoch: opened.epoch,
      alignment: ALIGNMENT,
      segmentBytes: SETTINGS.segmentBytes,
      writerId: SETTINGS.writerId,
    },
    nextId: opened.nextSegmentId,
    spares: opened.spares,
    assertOurs: () => opened.keeper.assertOurs(),
    publish: (spare) => ledger.addSpare(spare),
    onReady: () => writer.resume(),
    onFailure: (error) => void failures.push(error.code),
    onFatal: (error) => {
      failures.push(error.code);
      writer.halt(error);
    },
  });
  const writer: LogWriter = new LogWriter(
    {
      queue,
      checksum: disk.checksum,
      clock: disk.clock,
      scheduler: disk.scheduler,
      storeId: opened.storeId,
      epoch: opened.epoch,
      alignment: ALIGNMENT,
      frameBytesMax: SETTINGS.frameBytesMax,
      framesInFlight: SETTINGS.framesInFlight,
      flushDelayMicros: 5000,
      sealDelayMicros: 60_000_000,
      start: {
        segment,
        offset: ALIGNMENT,
        nextSequence: opened.lastSequence + 1,
        previousChecksum: opened.previousChecksum,
      },
      segments: supply,
      onRotate: (id, lastSequence, bytes) => ledger.rotated(id, lastSequence, bytes),
      onDurable: () => {},
      onPoison: () => {},
      onSlowWrite: () => {},
    },
    opened.lastTimeMicros,
  );
  handler.target = writer;
  supply.start();
  const close = async (): Promise<void> => {
    await writer.drain();
    await supply.close();
    await ledger.close();
    await queue.close();
    await opened.keeper.close();
    await writer.closeSegment();
    await lock.release();
  };
  const fileIds = new FileIdSource(ledger.current);
  return { disk, opened, writer, supply, ledger, fileIds, replayed, failures, close };
}

/** Waits until the last writes of a program that was killed have landed. */
async function lockOf(disk: Disk): Promise<DiskLock> {
  for (;;) {
    const lock = await disk.lock(`${DIRECTORY}/LOCK`);
    if (lock !== undefined) return lock;
    await new Promise<void>((resolve) => void disk.scheduler.after(10, resolve, true));
  }
}

/** One transaction of so many bytes, durable. The bytes are other ones each time. */
export async function put({ writer, disk }: RunningLog, bytes: number): Promise<number> {
  writer.beginRecord();
  while (writer.frame.position + bytes > writer.frame.end) writer.growRecord();
  const { frame } = writer;
  frame.bytes.set(disk.randomBytes(bytes), frame.position);
  frame.view.setUint32(frame.position, writer.lastSequence + 1, true);
  frame.position += bytes;
  frame.operationCount = 1;
  let sequence: number;
  try {
    sequence = writer.commitRecord();
  } catch (error) {
    writer.abandonRecord();
    throw error;
  }
  writer.flushSoon();
  await writer.fillingPromise;
  return sequence;
}

function contentOf(first: number, last: number): Uint8Array {
  const bytes = new Uint8Array(FILE_BYTES);
  bytes.set(Buffer.from(`${first}-${last}`));
  return bytes;
}

async function writeRunFile(log: RunningLog, first: number, last: number): Promise<ManifestFile> {
  const { first: id } = log.fileIds.reserve(1);
  const path = `${DIRECTORY}/${runFileName(id)}`;
  const file = await log.disk.open(path, { write: true, create: true, exclusive: true });
  await file.write(0, contentOf(first, last));
  await file.sync();
  await file.close();
  await log.disk.syncDirectory(DIRECTORY);
  const key = (sequence: number) => Uint8Array.from([0, 1, sequence >> 8, sequence & 255]);
  return {
    id,
    bytes: FILE_BYTES,
    rows: last - first + 1,
    tombstones: 0,
    firstKey: key(first),
    lastKey: key(last),
    checksum: 0,
  };
}

/** Makes a run of all that is durable. */
export async function flush(log: RunningLog): Promise<void> {
  const { state, storeId, segments } = log.ledger.current;
  const through = log.writer.durableSequence;
  if (through === state.runsThrough) return;
  const end = log.writer.durableEnd;
  const signal = new AbortController().signal;
  const limits = { bytesPerSecond: Infinity, burstBytes: 1024 };
  const budget = new IoBudget(limits, log.disk.clock, log.disk.scheduler);
  const range = { directory: DIRECTORY, storeId, segments, from: state.replayFrom, end };
  const cursor = new LogCursor(range, { disk: log.disk, budget, signal });
  for (let frame = await cursor.peek(); frame !== undefined; frame = await cursor.peek()) {
    cursor.advance(frame.header);
  }
  await cursor.close();
  const first = state.runsThrough + 1;
  const file = await writeRunFile(log, first, through);
  await log.ledger.change((manifest) => {
    const run = { id: file.id, tier: 0, firstSequence: first, lastSequence: through };
    return {
      ...manifest,
      state: {
        runs: [{ ...run, files: [file.id] }, ...manifest.state.runs],
        runsThrough: through,
        replayFrom: cursor.position,
      },
      files: [...manifest.files, file],
    };
  });
}

/** Makes one run of all there are. */
export async function merge(log: RunningLog): Promise<void> {
  const { runs, runsThrough } = log.ledger.current.state;
  const oldest = runs.at(-1);
  if (oldest === undefined || runs.length < 2) return;
  const file = await writeRunFile(log, oldest.firstSequence, runsThrough);
  await log.ledger.change((manifest) => {
    const run: ManifestRun = {
      id: file.id,
      tier: 1,
      firstSequence: oldest.firstSequence,
      lastSequence: runsThrough,
      files: [file.id],
    };
    const state = { ...manifest.state, runs: [run] };
    return { ...manifest, state, files: [...manifest.files, file] };
  });
}

export async function snapshot(log: RunningLog, name: string): Promise<void> {
  const { segmentId } = log.writer.durableEnd;
  const sequence = log.writer.durableSequence;
  await log.ledger.change((manifest) => ({
    ...manifest,
    snapshots: [
      ...manifest.snapshots,
      {
        name,
        sequence,
        createdMicros: 1,
        state: manifest.state,
        segments: manifest.segments
          .map(({ id }) => id)
          .filter((id) => id >= manifest.state.replayFrom.segmentId && id <= segmentId),
      },
    ],
  }));
}

export async function dropSnapshot(log: RunningLog, name: string): Promise<void> {
  await log.ledger.change((manifest) => ({
    ...manifest,
    snapshots: manifest.snapshots.filter((one) => one.name !== name),
  }));
}

/** Every file that the manifest names is there, and is the one that it means. */
export function expectNamedFiles(machine: SimulatedMachine, manifest: Manifest): void {
  const ranges = new Map<number, string>();
  const states = [manifest.state, ...manifest.snapshots.map(({ state }) => state)];
  for (const { runs } of states) {
    for (const run of runs) {
      for (const id of run.files) ranges.set(id, `${run.firstSequence}-${run.lastSequence}`);
    }
  }
  for (const { id } of manifest.files) {
    const text = Buffer.from(machine.read(`${DIRECTORY}/${runFileName(id)}`)).toString();
    expect(text.replaceAll("\0", ""), `file ${id}`).toBe(ranges.get(id));
  }
  for (const segment of manifest.segments) {
    const { length } = machine.read(`${DIRECTORY}/${segmentFileName(segment.id)}`);
    expect(length).toBeGreaterThanOrEqual(segment.bytes);
  }
}

/** Names in the directory that no manifest and no lock accounts for. */
export function strays(machine: SimulatedMachine, manifest: Manifest): string[] {
  const known = new Set([
    "LOCK",
    "manifest.0",
    "manifest.1",
    ...manifest.files.map(({ id }) => runFileName(id)),
    ...manifest.segments.map(({ id }) => segmentFileName(id)),
  ]);
  const names = machine.files().map((path) => path.slice(DIRECTORY.length + 1));
  return names.filter((name) => !known.has(name) && !name.endsWith(".torn"));
}

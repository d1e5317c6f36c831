/**
 * What an opening changes in a store that was found good: a new epoch, in a segment of its own, so
 * that nothing written before can be taken for part of it.
 */
import { fromHex } from "../base/bytes.js";
import type { Disk } from "../disk/disk.js";
import { segmentFileName } from "../log/format.js";
import { createSegment, type PreparedSegment, writeSegmentHeader } from "../log/segments.js";
import type { Manifest, ManifestSegment, ManifestState, ReplayCost } from "../manifest/format.js";
import type { ManifestKeeper } from "../manifest/keeper.js";
import { truncateTo } from "./files.js";
import { type OpenedLog, type OpeningSettings, openEntry, writerOf } from "./opening.js";
import type { LogScan, ScannedSegment } from "./scan-result.js";

/** What was found, and what was learned from it. */
export interface FoundStore {
  readonly scan: LogScan;
  /** Of the manifest that was found. */
  readonly keeper: ManifestKeeper;
  readonly replay: ReplayCost;
}

export async function beginEpoch(
  disk: Disk,
  directory: string,
  settings: OpeningSettings,
  { scan, keeper, replay }: FoundStore,
): Promise<Omit<OpenedLog, "report">> {
  const manifest = keeper.current;
  const epoch = manifest.epoch + 1;
  const { alignment, environment, framesInFlight, frameBytesMax } = settings;
  const { sealed, spares } = partition(scan, manifest);
  const nextId = Math.max(0, ...manifest.segments.map((segment) => segment.id)) + 1;
  const storeId = fromHex(manifest.storeId) as Uint8Array;
  const [taken, ...rest] = spares;
  if (taken?.state === "active") await demote(keeper, taken.id);
  const active = await prepareActive(disk, directory, settings, { taken, nextId, epoch, storeId });
  const unwritten = new Set([active.id, ...rest.map(({ id }) => id)]);
  const realigned = (state: ManifestState): ManifestState => {
    const { replayFrom } = state;
    // At the beginning of a segment, whose first block may be larger or smaller from now on.
    if (!unwritten.has(replayFrom.segmentId)) return state;
    return { ...state, replayFrom: { ...replayFrom, offset: alignment } };
  };
  await keeper.publish((current) => ({
    ...current,
    state: realigned(current.state),
    snapshots: current.snapshots.map((one) => ({ ...one, state: realigned(one.state) })),
    environment,
    epoch,
    writer: writerOf(disk, settings),
    framesInFlight,
    frameBytesMax,
    durableThrough: scan.lastSequence,
    lastMicros: scan.lastTimeMicros,
    closed: false,
    replay,
    segments: [
      ...sealed,
      openEntry(active, "active", epoch, alignment),
      ...rest.map((spare) => openEntry(spare, "spare", epoch, alignment)),
    ],
  }));
  return {
    keeper,
    storeId,
    epoch,
    active,
    spares: rest,
    nextSegmentId: taken === undefined ? nextId + 1 : nextId,
    lastSequence: scan.lastSequence,
    previousChecksum: scan.previousChecksum,
    lastTimeMicros: scan.lastTimeMicros,
  };
}

/** Which segments end where the scan saw them end, and which can be written again. */
function partition(
  scan: LogScan,
  manifest: Manifest,
): { sealed: ManifestSegment[]; spares: ManifestSegment[] } {
  const sealed: ManifestSegment[] = [];
  const spares: ManifestSegment[] = [];
  const scanned = new Map<number, ScannedSegment>(scan.segments.map((s) => [s.entry.id, s]));
  const written = scan.segments.filter(({ entry, scan }) => scan.endOffset > entry.alignment);
  const lastWritten = Math.max(0, ...written.map(({ entry }) => entry.id));
  for (const entry of [...manifest.segments].sort((a, b) => a.id - b.id)) {
    const one = scanned.get(entry.id);
    if (entry.state === "sealed") sealed.push(entry);
    // Where the first frame did not fit, the log went on in the next one. This one must stay empty:
    // the log goes by the ids.
    else if (one !== undefined && entry.id <= lastWritten) {
      const { endOffset } = one.scan;
      const { lastSequence } = one;
      sealed.push({ ...entry, state: "sealed", bytes: endOffset, lastSequence });
    } else spares.push(entry);
  }
  return { sealed, spares };
}

async function prepareActive(
  disk: Disk,
  directory: string,
  { alignment, writerId, segmentBytes }: OpeningSettings,
  where: {
    readonly taken: PreparedSegment | undefined;
    readonly nextId: number;
    readonly epoch: number;
    readonly storeId: Uint8Array;
  },
): Promise<PreparedSegment> {
  const { taken, nextId, epoch, storeId } = where;
  const id = taken?.id ?? nextId;
  const bytes = taken?.bytes ?? segmentBytes;
  const createdMicros = disk.clock.nowMicros();
  const common = { storeId, segmentId: id, epoch, alignment, createdMicros, writerId };
  const header = { ...common, segmentBytes: bytes };
  if (taken === undefined) await createSegment(disk, directory, header);
  else await writeSegmentHeader(disk, directory, header);
  return { id, bytes, recycled: taken?.recycled ?? false };
}

/**
 * An active segment that was never written is about to get the header of a new epoch. If that is
 * cut short, the next opening finds a header that does not fit, which only a spare may have.
 */
async function demote(keeper: ManifestKeeper, id: number): Promise<void> {
  await keeper.publish((current) => ({
    ...current,
    segments: current.segments.map((entry) =>
      entry.id === id ? { ...entry, state: "spare" } : entry,
    ),
  }));
}

/**
 * What was torn is set aside, and goes. In other segments nothing behind the end is ever read, and
 * one that keeps its length can be used again.
 */
export async function cutOff(
  disk: Disk,
  directory: string,
  manifest: Manifest,
  scan: LogScan,
): Promise<void> {
  for (const { entry, fileBytes } of scan.segments) {
    const now = manifest.segments.find((segment) => segment.id === entry.id);
    if (now?.state !== "sealed" || fileBytes <= now.bytes) continue;
    await truncateTo(disk, `${directory}/${segmentFileName(now.id)}`, now.bytes);
  }
}

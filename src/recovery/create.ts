/**
 * A new store. A marker stands while it is being made and is gone, durably, before anything is
 * acknowledged: so what stands beside a marker was never used, and can be made again.
 */
import { toHex } from "../base/bytes.js";
import type { Disk } from "../disk/disk.js";
import { createSegment } from "../log/segments.js";
import type { Manifest } from "../manifest/format.js";
import { createManifest, ManifestKeeper } from "../manifest/keeper.js";
import { REPLAY_COST_DEFAULT } from "../manifest/replay-cost.js";
import { CREATING_NAME, LOCK_NAME } from "./files.js";
import { type OpenedLog, type OpeningSettings, openEntry, writerOf } from "./opening.js";

/** `leftovers` are the names there are: of a creation that was cut short, if any. */
export async function createLog(
  disk: Disk,
  directory: string,
  settings: OpeningSettings,
  leftovers: readonly string[],
): Promise<OpenedLog> {
  const start = disk.clock.monotonicMicros();
  const marker = await disk.open(`${directory}/${CREATING_NAME}`, { write: true, create: true });
  try {
    await marker.sync();
  } finally {
    await marker.close();
  }
  await disk.syncDirectory(directory);
  // A creation that was cut short: nothing in it was ever used.
  for (const name of leftovers) {
    if (name !== LOCK_NAME && name !== CREATING_NAME) await disk.remove(`${directory}/${name}`);
  }
  const createdMicros = disk.clock.nowMicros();
  const storeId = disk.randomBytes(16);
  const header = {
    storeId,
    segmentId: 1,
    epoch: 1,
    alignment: settings.alignment,
    segmentBytes: settings.segmentBytes,
    createdMicros,
    writerId: settings.writerId,
  };
  await createSegment(disk, directory, header);
  const active = { id: 1, bytes: settings.segmentBytes, recycled: false };
  const manifest: Manifest = {
    generation: 1,
    storeId: toHex(storeId),
    environment: settings.environment,
    createdMicros,
    epoch: 1,
    writer: writerOf(disk, settings),
    framesInFlight: settings.framesInFlight,
    frameBytesMax: settings.frameBytesMax,
    methods: [],
    durableThrough: 0,
    lastMicros: 0,
    closed: false,
    segments: [openEntry(active, "active", 1, settings.alignment)],
    tables: [],
    replay: REPLAY_COST_DEFAULT,
    state: {
      runs: [],
      runsThrough: 0,
      replayFrom: { segmentId: 0, offset: 0, sequence: 1, frameChecksum: 0 },
    },
    files: [],
    merge: null,
    snapshots: [],
    archives: [],
  };
  await createManifest(disk, directory, manifest);
  await disk.remove(`${directory}/${CREATING_NAME}`);
  await disk.syncDirectory(directory);
  const micros = disk.clock.monotonicMicros() - start;
  return {
    keeper: new ManifestKeeper(disk, directory, manifest, 0),
    storeId,
    epoch: 1,
    active,
    spares: [],
    nextSegmentId: 2,
    lastSequence: 0,
    previousChecksum: 0,
    lastTimeMicros: 0,
    report: {
      created: true,
      epoch: 1,
      segments: 1,
      frames: 0,
      runs: 0,
      runFiles: 0,
      transactionsReplayed: 0,
      operationsReplayed: 0,
      bytesRead: 0,
      bytesReplayed: 0,
      lastSequence: 0,
      tail: "end",
      why: "the store is new",
      tornBytes: 0,
      tornFiles: [],
      repairedSlots: [],
      removedFiles: [],
      syncMicros: 0,
      replayMicros: 0,
      publishMicros: micros,
      micros,
    },
  };
}

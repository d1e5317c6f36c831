/**
 * The short way to an outcome: the engine's own readers, asked for the one part that a change can
 * make a difference to, with all else as it was. That this is the outcome of a whole opening is
 * shown by test/corruption/sample*.test.ts.
 */
import { viewOf } from "../../src/base/bytes.js";
import type { Disk, DiskFile } from "../../src/disk/disk.js";
import { systemError } from "../../src/disk/system-error.js";
import { FRAME_AT } from "../../src/log/format.js";
import type { LogRecord } from "../../src/log/record.js";
import { archiveFileName } from "../../src/manifest/archive-name.js";
import type { Manifest } from "../../src/manifest/format.js";
import { ManifestMemo, readManifestSlots } from "../../src/manifest/manifest.js";
import { assertIsStore } from "../../src/recovery/recover.js";
import { scanLog } from "../../src/recovery/scan.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import { fastChecksum } from "./image-disk.js";
import { type Outcome, RIGHT, refusalOf } from "./outcome.js";
import { DIRECTORY, type Specimen } from "./specimen.js";
import { logFrames } from "./units.js";

/** Asks for the outcome of the contents as they are; `at` says where they were changed. */
export type Probe = (at: number) => Promise<Outcome>;

/** Contents by path, which may be others the next time. */
export type Contents = Map<string, Uint8Array>;

/** Only `open` and the checksum: no reader needs more. */
export function readingDisk(contents: Contents): Disk {
  const open = async (path: string): Promise<DiskFile> => {
    if (!contents.has(path)) throw systemError("ENOENT", "open", path);
    const bytes = () => contents.get(path) as Uint8Array;
    const file: Partial<DiskFile> = {
      path,
      size: async () => bytes().length,
      read: async (offset, length) => bytes().subarray(offset, offset + length),
      close: async () => {},
    };
    return file as DiskFile;
  };
  const clock = { nowMicros: () => 1, monotonicMicros: () => 1 };
  const disk: Partial<Disk> = { checksum: fastChecksum, clock, open };
  return disk as Disk;
}

/**
 * Replays the log from the last frame that is not behind the change. Whatever stands before it was
 * read before; what it has led to is the sequence and the link that this begins with.
 */
export function logProbe(specimen: Specimen, contents: Contents, segmentId: number): Probe {
  const disk = readingDisk(contents);
  const { manifest } = specimen;
  const { replayFrom } = manifest.state;
  const starts = logFrames(specimen)
    .filter(
      (frame) => frame.segmentId > replayFrom.segmentId || frame.header.offset >= replayFrom.offset,
    )
    .map(({ segmentId: id, header }) => ({
      id,
      offset: header.offset,
      manifest: replayedFrom(manifest, {
        segmentId: id,
        offset: header.offset,
        sequence: header.firstSequence,
        frameChecksum: header.previousChecksum,
      }),
    }));
  const records = recordsOf(specimen);
  return async (at) => {
    const start = starts.findLast(
      (one) => one.id < segmentId || (one.id === segmentId && one.offset <= at),
    );
    const from = (start ?? (starts[0] as (typeof starts)[number])).manifest;
    let next = from.state.replayFrom.sequence;
    const record = (found: LogRecord): void => {
      if (found.sequence !== next++)
        throw new Error(`transaction ${found.sequence} is out of order`);
      const wanted = records.get(found.sequence) as Uint8Array;
      const { bytes, start: begin, operationsEnd: end } = found;
      if (Buffer.compare(bytes.subarray(begin, end), wanted) === 0) return;
      throw new Error(`transaction ${found.sequence} is another one`);
    };
    try {
      const scan = await scanLog(disk, DIRECTORY, from, { record });
      if (scan.lastSequence !== specimen.lastSequence || next !== scan.lastSequence + 1) {
        throw new Error(`the log ends at ${scan.lastSequence}, after ${next - 1}, in silence`);
      }
      return scan.verdict === "torn" ? { kind: "right", how: "torn" } : RIGHT;
    } catch (error) {
      return refusalOf(error);
    }
  };
}

function replayedFrom(manifest: Manifest, replayFrom: Manifest["state"]["replayFrom"]): Manifest {
  return { ...manifest, state: { ...manifest.state, replayFrom } };
}

/** Of every transaction that is replayed its bytes, by the frames' own headers. */
function recordsOf(specimen: Specimen): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (const { path, header } of logFrames(specimen)) {
    const bytes = specimen.files.get(path) as Uint8Array;
    const view = viewOf(bytes);
    let at = header.offset + FRAME_AT.reserved + 16;
    for (let i = 0; i < header.recordCount; i++) {
      const length = view.getUint32(at + 4, true);
      found.set(header.firstSequence + i, bytes.slice(at, at + length));
      at += length;
    }
  }
  return found;
}

/** Both slots, as an opening reads and judges them. */
export function slotProbe({ manifest }: Specimen, contents: Contents): Probe {
  const disk = readingDisk(contents);
  const memo = new ManifestMemo();
  const text = JSON.stringify(manifest);
  let known: Manifest | undefined;
  return async () => {
    const slots = await readManifestSlots(disk, DIRECTORY, memo);
    try {
      assertIsStore(DIRECTORY, slots, [...contents.keys()]);
    } catch (error) {
      return refusalOf(error);
    }
    // The memo gives the same one again and again.
    if (slots.newest !== known && JSON.stringify(slots.newest) !== text) {
      throw new Error("another manifest was taken for good");
    }
    known = slots.newest;
    const isWhole = slots.slots.every(({ state }) => state === "valid");
    return isWhole ? RIGHT : { kind: "right", how: "repaired" };
  };
}

/** All of one archive. */
export function archiveProbe(specimen: Specimen, contents: Contents, id: number): Probe {
  const disk = readingDisk(contents);
  const { archives, storeId } = specimen.manifest;
  const archive = archives.find((one) => one.id === id);
  if (archive === undefined) throw new Error(`there is no ${archiveFileName(id)}`);
  const wanted = { frames: 0, records: archive.lastSequence - archive.firstSequence + 1 };
  return async () => {
    try {
      const visit = (): void => {};
      const { records } = await readArchive({
        disk,
        directory: DIRECTORY,
        storeId,
        archive,
        visit,
      });
      if (records !== wanted.records) throw new Error("an archive lacks transactions in silence");
      return RIGHT;
    } catch (error) {
      return refusalOf(error);
    }
  };
}

/** The names a store's directory may hold, and what is done with files that nobody refers to. */
import { fromHex } from "../base/bytes.js";
import { errnoCode, HoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import type { Disk } from "../disk/disk.js";
import { parseSegmentFileName } from "../log/format.js";
import { scanSegment } from "../log/reader.js";
import { MANIFEST_SLOT_NAMES, type Manifest } from "../manifest/format.js";

export const LOCK_NAME = "LOCK";
/** Stands while a store is being created; what it stands beside was never used. */
export const CREATING_NAME = "CREATING";

/** Bytes that were cut off the end of a segment, kept for whoever wants to look. */
export function tornFileName(segmentId: number, epoch: number): string {
  return `${String(segmentId).padStart(16, "0")}.${epoch}.torn`;
}

/** Torn files kept; each is at most one segment. */
export const TORN_FILES_MAX = 8;

export function isTornFileName(name: string): boolean {
  return /^\d{16}\.\d+\.torn$/.test(name);
}

export function isStoreFileName(name: string): boolean {
  return (
    name === LOCK_NAME ||
    name === CREATING_NAME ||
    (MANIFEST_SLOT_NAMES as readonly string[]).includes(name) ||
    parseSegmentFileName(name) !== undefined ||
    isTornFileName(name)
  );
}

/**
 * A file of the native disk that is there for a moment while it finds out what the file system can
 * do, in this process or another; for good only if that was killed just then. It means nothing.
 */
export function isPassingFileName(name: string): boolean {
  return /^\.probe-\d+-[0-9a-f]{16}\.tmp$/.test(name);
}

/** Names in a directory, or undefined if there is no such directory. */
export async function listOrUndefined(
  disk: Disk,
  directory: string,
): Promise<string[] | undefined> {
  try {
    return await disk.list(directory);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Makes sure that what is about to be read is what a power cut would leave: a process that died
 * may have left writes in the page cache that the disk does not have.
 */
export async function syncBeforeReading(
  disk: Disk,
  directory: string,
  names: readonly string[],
): Promise<void> {
  const read = names.filter((name) => isStoreFileName(name) && name !== LOCK_NAME);
  for (const name of read) {
    const file = await disk.open(`${directory}/${name}`, { write: true });
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await disk.syncDirectory(directory);
}

/**
 * Segments that the manifest does not know: a preparation that was cut short, which is removed;
 * unless they hold frames, which means that the manifest is older than the log.
 */
export async function removeStraySegments(
  disk: Disk,
  directory: string,
  names: readonly string[],
  manifest: Manifest,
): Promise<string[]> {
  const known = new Set(manifest.segments.map((segment) => segment.id));
  const strays: string[] = [];
  for (const name of names) {
    const id = parseSegmentFileName(name);
    if (id === undefined || known.has(id)) continue;
    const path = `${directory}/${name}`;
    if (await holdsFrames(disk, path, id, manifest)) {
      throw new HoldfastError(
        "CORRUPT_MANIFEST",
        `${path} holds transactions, but the manifest (generation ${manifest.generation}) does not ` +
          "know it: the manifest is older than the log. Nothing was changed",
        { file: path },
      );
    }
    strays.push(name);
  }
  for (const name of strays) await disk.remove(`${directory}/${name}`);
  if (strays.length > 0) await disk.syncDirectory(directory);
  return strays;
}

/** In any epoch up to one after the manifest's: a stray can only be of this opening or the last. */
async function holdsFrames(
  disk: Disk,
  path: string,
  segmentId: number,
  manifest: Manifest,
): Promise<boolean> {
  const file = await disk.open(path, { direct: true });
  try {
    const limit = await file.size();
    const alignment = manifest.segments.at(-1)?.alignment ?? 4096;
    for (const epoch of [manifest.epoch, manifest.epoch + 1]) {
      const scan = await scanSegment({
        file,
        place: {
          storeId: fromHex(manifest.storeId) as Uint8Array,
          segmentId,
          epoch,
          alignment,
          frameBytesMax: FRAME_BYTES_MAX,
        },
        checksum: disk.checksum,
        chain: { nextSequence: 0, previousChecksum: 0, anyLink: true },
        limit,
        visit: () => {},
      });
      if (scan.frames > 0 || scan.lastLaterOffset !== 0) return true;
    }
    return false;
  } finally {
    await file.close();
  }
}

/** Copies a range to a file of its own, durable before anything is cut off. */
export async function setAside(
  disk: Disk,
  directory: string,
  path: string,
  range: { readonly from: number; readonly to: number },
  asideName: string,
): Promise<void> {
  const source = await disk.open(path, { direct: true });
  try {
    const target = await disk.open(`${directory}/${asideName}`, { write: true, create: true });
    try {
      const step = FRAME_BYTES_MAX;
      for (let at = range.from; at < range.to; at += step) {
        const bytes = await source.read(at, Math.min(step, range.to - at));
        await target.write(at - range.from, bytes);
      }
      await target.truncate(range.to - range.from);
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
  await disk.syncDirectory(directory);
}

/** Keeps the newest torn files only. */
export async function pruneTornFiles(disk: Disk, directory: string): Promise<void> {
  const torn = (await disk.list(directory)).filter(isTornFileName);
  const extra = torn.slice(0, Math.max(0, torn.length - TORN_FILES_MAX));
  for (const name of extra) await disk.remove(`${directory}/${name}`);
}

export async function truncateTo(disk: Disk, path: string, bytes: number): Promise<void> {
  const file = await disk.open(path, { write: true });
  try {
    await file.truncate(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

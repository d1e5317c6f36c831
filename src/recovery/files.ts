/** The names a store's directory may hold, and what is done with files that nobody refers to. */
import { fromHex, viewOf } from "../base/bytes.js";
import { errnoCode, HoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import { packFileName, parsePackFileName } from "../blobs/format.js";
import type { Disk } from "../disk/disk.js";
import { UNNAMED_SUFFIX } from "../disk/local-socket.js";
import {
  decodeFrameHeader,
  FRAME_AT,
  FRAME_HEADER_BYTES,
  parseSegmentFileName,
} from "../log/format.js";
import { archiveFileName, parseArchiveFileName } from "../manifest/archive-name.js";
import { MANIFEST_SLOT_NAMES, type Manifest } from "../manifest/format.js";
import { parseRunFileName, runFileName } from "../run/format.js";

export const LOCK_NAME = "LOCK";
/** Stands while a store is being created; what it stands beside was never used. */
export const CREATING_NAME = "CREATING";

/** The socket at which the owner of the store can be asked to hand it over. */
export const HANDOVER_NAME = "HANDOVER";

/** Bytes that were cut off the end of a segment, kept for whoever wants to look. */
export function tornFileName(segmentId: number, epoch: number): string {
  return `${String(segmentId).padStart(16, "0")}.${epoch}.torn`;
}

/** The first frame of a segment begins in here, and more of them unless they are large. */
const FIRST_FRAMES_BYTES = 512 * 1024;

/** Frames begin at multiples of at least this, whatever the device. */
const ALIGNMENT_MIN = 512;

/** Torn files kept; each is at most one segment. */
export const TORN_FILES_MAX = 8;

export function isTornFileName(name: string): boolean {
  return /^\d{16}\.\d+\.torn$/.test(name);
}

/** A damaged file of a run that another has taken the place of, kept for whoever wants to look. */
export function badFileName(fileId: number): string {
  return `${runFileName(fileId)}.bad`;
}

/** Such files kept. */
export const BAD_FILES_MAX = 4;

export function isBadFileName(name: string): boolean {
  return /^\d{16}\.run\.bad$/.test(name);
}

export function isStoreFileName(name: string): boolean {
  return (
    name === LOCK_NAME ||
    name === CREATING_NAME ||
    (MANIFEST_SLOT_NAMES as readonly string[]).includes(name) ||
    parseSegmentFileName(name) !== undefined ||
    parseRunFileName(name) !== undefined ||
    parseArchiveFileName(name) !== undefined ||
    parsePackFileName(name) !== undefined ||
    isTornFileName(name) ||
    isBadFileName(name)
  );
}

/**
 * What is there only as long as some process runs, and left behind only by one that was killed: the
 * socket of the owner, and a file with which the native disk finds out what the file system can do.
 * It is no part of a store.
 */
export function isPassingFileName(name: string): boolean {
  const isSocket = name === HANDOVER_NAME || name === `${HANDOVER_NAME}${UNNAMED_SUFFIX}`;
  return isSocket || /^\.probe-\d+-[0-9a-f]{16}\.tmp$/.test(name);
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
 * may have left writes in the page cache that the disk does not have. The directory, too.
 */
export async function syncManifest(
  disk: Disk,
  directory: string,
  names: readonly string[],
): Promise<void> {
  const read = new Set<string>([...MANIFEST_SLOT_NAMES, CREATING_NAME]);
  await syncFiles(
    disk,
    directory,
    names.filter((name) => read.has(name)),
  );
  await disk.syncDirectory(directory);
}

/**
 * The same for the segments that are about to be read. Those before them, runs and archives were
 * durable before a manifest named them: an opening does not take longer the larger the store is.
 */
export async function syncLog(
  disk: Disk,
  directory: string,
  names: readonly string[],
  manifest: Manifest,
): Promise<void> {
  const read = names.filter((name) => {
    const id = parseSegmentFileName(name);
    return id !== undefined && !isBeforeReplay(id, manifest);
  });
  await syncFiles(disk, directory, read);
}

async function syncFiles(disk: Disk, directory: string, names: readonly string[]): Promise<void> {
  // All at once: a device that is told to flush twice at a time does it once.
  const results = await Promise.allSettled(
    names.map(async (name) => {
      const file = await disk.open(`${directory}/${name}`, { write: true });
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    }),
  );
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Segments that lie wholly before where replay begins; also those that are long gone. */
function isBeforeReplay(id: number, { segments, state }: Manifest): boolean {
  if (id < state.replayFrom.segmentId) return true;
  return segments.length > 0 && segments.every((segment) => id < segment.id);
}

/** Throws MISSING_FILE where the directory lacks a run file, an archive or a pack that is named. */
export function assertNamedFilesArePresent(
  directory: string,
  names: readonly string[],
  manifest: Manifest,
): void {
  const present = new Set(names);
  const missing = namedFiles(manifest).find((name) => !present.has(name));
  if (missing === undefined) return;
  throw new HoldfastError(
    "MISSING_FILE",
    `${directory}/${missing} is missing, and the manifest (generation ${manifest.generation}) ` +
      "says that a part of the store is in it. Nothing was changed",
    { file: `${directory}/${missing}` },
  );
}

function namedFiles({ files, archives, packs = [] }: Manifest): string[] {
  return [
    ...files.map((file) => runFileName(file.id)),
    ...archives.map((archive) => archiveFileName(archive.id)),
    ...packs.map((pack) => packFileName(pack.id)),
  ];
}

/**
 * Files that the manifest does not know: of what was cut short before it was published, or of what
 * had become of no use. Throws CORRUPT_MANIFEST as `findStraySegments` does.
 */
export async function findStrays(
  disk: Disk,
  directory: string,
  names: readonly string[],
  manifest: Manifest,
): Promise<string[]> {
  const known = new Set(namedFiles(manifest));
  const isNamed = (name: string): boolean =>
    parseRunFileName(name) !== undefined ||
    parseArchiveFileName(name) !== undefined ||
    parsePackFileName(name) !== undefined;
  const strays = names.filter((name) => isNamed(name) && !known.has(name));
  return [...strays, ...(await findStraySegments(disk, directory, names, manifest))];
}

/**
 * Segments that the manifest does not know: of a preparation that was cut short, or retired. Throws
 * CORRUPT_MANIFEST if one that would follow those it knows holds frames, which means that the
 * manifest is older than the log.
 */
export async function findStraySegments(
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
    if (!isBeforeReplay(id, manifest) && (await holdsFrames(disk, path, id, manifest))) {
      throw new HoldfastError(
        "CORRUPT_MANIFEST",
        `${path} holds transactions, but the manifest (generation ${manifest.generation}) ` +
          "does not know it: the manifest is older than the log. Nothing was changed",
        { file: path },
      );
    }
    strays.push(name);
  }
  return strays;
}

export async function removeFiles(
  disk: Disk,
  directory: string,
  names: readonly string[],
): Promise<void> {
  for (const name of names) await disk.remove(`${directory}/${name}`);
  if (names.length > 0) await disk.syncDirectory(directory);
}

/** Frames of this store and segment, of any epoch: the manifest may be older by many openings. */
async function holdsFrames(
  disk: Disk,
  path: string,
  segmentId: number,
  manifest: Manifest,
): Promise<boolean> {
  const storeId = fromHex(manifest.storeId) as Uint8Array;
  const file = await disk.open(path, { direct: true });
  try {
    // Nothing in it was acknowledged unless its first frame is there: no need to read it all.
    const bytes = await file.read(0, FIRST_FRAMES_BYTES);
    const view = viewOf(bytes);
    for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length; at += ALIGNMENT_MIN) {
      const epoch = view.getUint32(at + FRAME_AT.epoch, true);
      const place = {
        storeId,
        segmentId,
        epoch,
        alignment: ALIGNMENT_MIN,
        frameBytesMax: FRAME_BYTES_MAX,
      };
      if (decodeFrameHeader(bytes, view, at, at, place, disk.checksum)) return true;
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

/** Gives a damaged file of a run a name of its own; of such files the newest are kept. */
export async function setBadFileAside(
  disk: Disk,
  directory: string,
  fileId: number,
): Promise<void> {
  await disk.rename(`${directory}/${runFileName(fileId)}`, `${directory}/${badFileName(fileId)}`);
  await disk.syncDirectory(directory);
  const bad = (await disk.list(directory)).filter(isBadFileName);
  const extra = bad.slice(0, Math.max(0, bad.length - BAD_FILES_MAX));
  for (const name of extra) await disk.remove(`${directory}/${name}`);
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

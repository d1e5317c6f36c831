/**
 * A store as it lies on disk: for the commands that read. Takes no lock, writes nothing, and works
 * on a damaged store and on one that is in use.
 */
import { resolve } from "node:path";
import { fromHex } from "../base/bytes.js";
import { errnoCode, HoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import { chooseDisk } from "../disk/choose.js";
import { type Claim, type Claims, decodeClaims, firstLiveClaim } from "../disk/claims.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import { sleep } from "../disk/sleep.js";
import {
  decodeSegmentHeader,
  type FramePlace,
  parseSegmentFileName,
  type SegmentHeader,
  segmentFileName,
} from "../log/format.js";
import type { Manifest, ManifestSegment } from "../manifest/format.js";
import { type ManifestSlots, readManifestSlots } from "../manifest/manifest.js";
import { isStoreFileName, LOCK_NAME } from "../recovery/files.js";

/** A header takes at most this much: the largest alignment a device has been seen to ask for. */
const HEADER_READ_BYTES = 4096;

/** A slot that is being written looks damaged for a moment. */
const SLOT_ATTEMPTS = 4;
const SLOT_RETRY_MILLIS = 25;

export interface SegmentView {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  /** What the manifest says of it; undefined if it does not know it, or is lost. */
  readonly entry: ManifestSegment | undefined;
  /** Undefined if the file is missing. */
  readonly fileBytes: number | undefined;
  /** Its header, whoever it belongs to; undefined if it is damaged. */
  readonly header: SegmentHeader | undefined;
  /** What is wrong with the header, for people; undefined if nothing is. */
  readonly headerProblem: string | undefined;
  /** Undefined where neither manifest nor header says what its frames must say. */
  readonly place: FramePlace | undefined;
  /** Its frames end here at the latest. */
  readonly limit: number;
  /** It was another segment before, or nothing says that it was not. */
  readonly recycled: boolean;
}

export interface StoreView {
  readonly disk: Disk;
  readonly directory: string;
  /** Everything in the directory. */
  readonly names: readonly string[];
  readonly slots: ManifestSlots;
  /** The newest valid manifest; undefined if both are lost. */
  readonly manifest: Manifest | undefined;
  /** The log, in its order: as the manifest has it, or as the files are named if that is lost. */
  readonly segments: readonly SegmentView[];
  /** Segment files that the manifest does not know. */
  readonly strays: readonly SegmentView[];
  readonly lock: LockView;
}

export interface LockView {
  /** What the lock file says; undefined if there is none. */
  readonly claims: Claims | undefined;
  /** Who has the store open, as far as can be told. */
  readonly holder: Claim | undefined;
  /** False if the holder runs where this process cannot see it. */
  readonly certain: boolean;
}

/**
 * Reads what stands around the log. Throws NOT_A_STORE, FORMAT_VERSION, or the system's error if
 * there is no looking.
 */
export async function readStore(
  directory: string,
  disk: Disk = chooseDisk("auto", () => {}),
): Promise<StoreView> {
  const path = resolve(directory);
  const names = await listDirectory(disk, path);
  // Before the manifest: a segment that is prepared in between is then no stray.
  assertStore(path, names);
  const slots = await readSlots(disk, path);
  const manifest = slots.newest;
  assertKnownFormat(slots);
  const onDisk = names.map(parseSegmentFileName).filter((id) => id !== undefined);
  const listed = manifest?.segments.map((entry) => entry.id) ?? onDisk;
  const view = (id: number) => readSegment(disk, path, id, manifest);
  const strays = onDisk.filter((id) => !listed.includes(id));
  return {
    disk,
    directory: path,
    names,
    slots,
    manifest,
    segments: await inTurn(
      [...listed].sort((a, b) => a - b),
      view,
    ),
    strays: await inTurn(strays, view),
    lock: await readLock(disk, path, names),
  };
}

async function inTurn<T, R>(items: readonly T[], step: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await step(item));
  return results;
}

async function listDirectory(disk: Disk, path: string): Promise<string[]> {
  try {
    return await disk.list(path);
  } catch (error) {
    if (errnoCode(error) !== "ENOTDIR") throw error;
    throw new HoldfastError("NOT_A_STORE", `${path} is not a directory`, { file: path }, error);
  }
}

function assertStore(path: string, names: readonly string[]): void {
  if (names.some((name) => name !== LOCK_NAME && isStoreFileName(name))) return;
  const what = names.length === 0 ? "it is empty" : "it has no manifest and no log";
  throw new HoldfastError("NOT_A_STORE", `${path} holds no store: ${what}`, { file: path });
}

function assertKnownFormat({ slots, newest }: ManifestSlots): void {
  for (const slot of slots) {
    if (slot.state !== "version" || newest !== undefined) continue;
    throw new HoldfastError(
      "FORMAT_VERSION",
      `${slot.file}: ${slot.detail}, which this program cannot read`,
      { file: slot.file },
    );
  }
}

async function readSlots(disk: Disk, path: string): Promise<ManifestSlots> {
  for (let attempt = 1; ; attempt++) {
    const slots = await readManifestSlots(disk, path);
    const whole = slots.slots.every((slot) => slot.state !== "damaged");
    if (whole || attempt === SLOT_ATTEMPTS) return slots;
    await sleep(disk, SLOT_RETRY_MILLIS);
  }
}

async function readSegment(
  disk: Disk,
  directory: string,
  id: number,
  manifest: Manifest | undefined,
): Promise<SegmentView> {
  const name = segmentFileName(id);
  const path = `${directory}/${name}`;
  const entry = manifest?.segments.find((segment) => segment.id === id);
  const read = await readHeader(disk, path, entry?.bytes ?? 0);
  const fileBytes = read?.fileBytes;
  const header = read?.header;
  const limit = Math.min(fileBytes ?? 0, entry?.state === "sealed" ? entry.bytes : Infinity);
  return {
    id,
    name,
    path,
    entry,
    fileBytes,
    header,
    headerProblem: read?.problem ?? misplaced(header, id, entry, manifest),
    place: placeOf(id, entry, manifest, header),
    limit,
    recycled: entry?.recycled ?? true,
  };
}

/** `bytes`: its length, where the device tells none; what of it can be read is still to be seen. */
async function readHeader(
  disk: Disk,
  path: string,
  bytes: number,
): Promise<{ fileBytes: number; header?: SegmentHeader; problem?: string } | undefined> {
  let fileBytes = bytes;
  try {
    const file = await disk.open(path, { direct: true });
    try {
      fileBytes = await file.size();
      const block = await file.read(0, HEADER_READ_BYTES);
      const result = decodeSegmentHeader(block, disk.checksum);
      if (result.ok) return { fileBytes, header: result.header };
      const version = `it is of log format version ${result.formatVersion}`;
      return { fileBytes, problem: result.why === "version" ? version : "it is damaged" };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    if (errnoCode(error) !== "EIO") throw error;
    return { fileBytes, problem: `it cannot be read (${(error as Error).message})` };
  }
}

function misplaced(
  header: SegmentHeader | undefined,
  id: number,
  entry: ManifestSegment | undefined,
  manifest: Manifest | undefined,
): string | undefined {
  if (header === undefined) return undefined;
  if (header.segmentId !== id) return `it is that of segment ${header.segmentId}`;
  if (manifest === undefined) return undefined;
  if (!fromHex(manifest.storeId)?.every((byte, i) => byte === header.storeId[i])) {
    return "it is that of another store";
  }
  if (entry === undefined) return undefined;
  if (header.epoch !== entry.epoch) {
    return `it is of epoch ${header.epoch}, and the manifest says ${entry.epoch}`;
  }
  if (header.alignment === entry.alignment) return undefined;
  return `its alignment is ${header.alignment}, and the manifest says ${entry.alignment}`;
}

/** The manifest's word counts; where it has none, the header's. */
function placeOf(
  id: number,
  entry: ManifestSegment | undefined,
  manifest: Manifest | undefined,
  header: SegmentHeader | undefined,
): FramePlace | undefined {
  const storeId = manifest === undefined ? header?.storeId : fromHex(manifest.storeId);
  const said = entry ?? header;
  if (storeId === undefined || said === undefined) return undefined;
  return {
    storeId,
    segmentId: id,
    epoch: said.epoch,
    alignment: said.alignment,
    frameBytesMax: FRAME_BYTES_MAX,
  };
}

/** Undefined if the file is not there: whoever writes the store may have no more use for it. */
export async function openOrUndefined(disk: Disk, path: string): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path, { direct: true });
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function readLock(
  disk: Disk,
  directory: string,
  names: readonly string[],
): Promise<LockView> {
  if (!names.includes(LOCK_NAME)) return { claims: undefined, holder: undefined, certain: true };
  const file = await disk.open(`${directory}/${LOCK_NAME}`);
  try {
    const claims = decodeClaims(await file.read(0, await file.size()));
    const holder = firstLiveClaim(disk, claims, undefined);
    const certain = holder === undefined || disk.isAlive(holder) === true;
    return { claims, holder, certain };
  } finally {
    await file.close();
  }
}

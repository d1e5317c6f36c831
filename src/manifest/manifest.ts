/** Reading the two slots, and changing the manifest while the store is open. */
import { assert } from "../base/assert.js";
import { alignUp, bytesEqual } from "../base/bytes.js";
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { Checksum, Disk, DiskFile } from "../disk/disk.js";
import {
  decodeManifest,
  encodeManifest,
  MANIFEST_SLOT_BYTES,
  MANIFEST_SLOT_NAMES,
  type Manifest,
  type ManifestResult,
  manifestBytes,
} from "./format.js";

export type SlotState =
  | { readonly state: "valid"; readonly file: string; readonly manifest: Manifest }
  | { readonly state: "missing"; readonly file: string }
  | { readonly state: "damaged"; readonly file: string; readonly detail: string }
  | { readonly state: "version"; readonly file: string; readonly detail: string };

export interface ManifestSlots {
  readonly slots: readonly [SlotState, SlotState];
  /** The newest valid one. */
  readonly newest: Manifest | undefined;
  readonly newestSlot: number;
}

/**
 * Remembers the last manifest that was decoded, or written: at rest both slots hold the same bytes,
 * an opening reads them twice, and every change of the manifest looks at them again.
 */
export class ManifestMemo {
  #bytes: Uint8Array | undefined;
  #result: ManifestResult | undefined;

  remember(bytes: Uint8Array, result: ManifestResult): void {
    this.#bytes = bytes;
    this.#result = result;
  }

  decode(bytes: Uint8Array, checksum: Checksum): ManifestResult {
    const used = manifestBytes(bytes, checksum);
    const known = this.#bytes;
    if (used === undefined || used > bytes.length) return decodeManifest(bytes, checksum);
    const same = known !== undefined && used <= known.length && this.#result !== undefined;
    if (same && bytesEqual(bytes, 0, known, 0, used)) return this.#result as ManifestResult;
    const result = decodeManifest(bytes, checksum);
    this.remember(bytes.slice(0, used), result);
    return result;
  }
}

/** Reads both slots from the device. Changes nothing. */
export async function readManifestSlots(
  disk: Disk,
  directory: string,
  memo = new ManifestMemo(),
): Promise<ManifestSlots> {
  const slots = await Promise.all([
    readSlot(disk, `${directory}/${MANIFEST_SLOT_NAMES[0]}`, memo),
    readSlot(disk, `${directory}/${MANIFEST_SLOT_NAMES[1]}`, memo),
  ]);
  let newest: Manifest | undefined;
  let newestSlot = 0;
  slots.forEach((slot, index) => {
    if (slot.state !== "valid") return;
    if (newest !== undefined && newest.generation >= slot.manifest.generation) return;
    newest = slot.manifest;
    newestSlot = index;
  });
  return { slots, newest, newestSlot };
}

/** What does not read well is read once more: the other slot may be older by one change. */
async function readSlot(disk: Disk, file: string, memo: ManifestMemo): Promise<SlotState> {
  const first = await tryToReadSlot(disk, file, memo);
  return first.state === "damaged" ? tryToReadSlot(disk, file, memo) : first;
}

async function tryToReadSlot(disk: Disk, file: string, memo: ManifestMemo): Promise<SlotState> {
  let result: ManifestResult;
  try {
    result = memo.decode(await readWhole(disk, file), disk.checksum);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return { state: "missing", file };
    if (errnoCode(error) === undefined) throw error;
    return { state: "damaged", file, detail: `it cannot be read (${(error as Error).message})` };
  }
  if (result.ok) return { state: "valid", file, manifest: result.manifest };
  return { state: result.why, file, detail: result.detail };
}

/** All of the manifest, and little of the room behind it. */
async function readWhole(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, { direct: true });
  try {
    const bytes = await file.read(0, MANIFEST_SLOT_BYTES);
    if (bytes.length < MANIFEST_SLOT_BYTES) return bytes;
    const used = manifestBytes(bytes, disk.checksum);
    if (used === undefined || used <= bytes.length) return bytes;
    return await file.read(0, used);
  } finally {
    await file.close();
  }
}

/** Holds the current manifest and publishes changes, one after the other. */
export class ManifestKeeper {
  readonly #disk: Disk;
  readonly #directory: string;
  #current: Manifest;
  #newestSlot: number;
  /** What was last tried to be written: after a failure it may be there all the same. */
  #attempted: Manifest | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  readonly #memo: ManifestMemo;

  constructor(
    disk: Disk,
    directory: string,
    current: Manifest,
    newestSlot: number,
    memo = new ManifestMemo(),
  ) {
    this.#memo = memo;
    this.#disk = disk;
    this.#directory = directory;
    this.#current = current;
    this.#newestSlot = newestSlot;
  }

  get current(): Manifest {
    return this.#current;
  }

  /**
   * Publishes `edit(current)` under the next generation. Resolves when both slots carry it, durable
   * and read back. Changes asked for meanwhile wait their turn.
   *
   * Errors: FENCED if another writer has published; IO or DISK_FULL if a slot could not be written,
   * in which case either manifest may be in force afterwards, and nothing may depend on either.
   */
  publish(edit: (manifest: Manifest) => Manifest): Promise<Manifest> {
    const next = this.#queue.then(() => this.#publish(edit));
    this.#queue = next.catch(() => {});
    return next;
  }

  async #publish(edit: (manifest: Manifest) => Manifest): Promise<Manifest> {
    await this.#assertStillOurs();
    const generation = this.#current.generation + 1;
    const manifest = { ...edit(this.#current), generation };
    this.#attempted = manifest;
    const bytes = encodeManifest(manifest, this.#disk.checksum);
    // The slot that is not the newest goes first: until it is durable the newest stays untouched.
    const first = 1 - this.#newestSlot;
    await writeSlot(this.#disk, this.#directory, first, bytes);
    this.#newestSlot = first;
    this.#current = manifest;
    await writeSlot(this.#disk, this.#directory, 1 - first, bytes);
    this.#memo.remember(bytes, { ok: true, manifest });
    return manifest;
  }

  /** The last line of defence against a lock that lies. */
  async #assertStillOurs(): Promise<void> {
    const { newest } = await readManifestSlots(this.#disk, this.#directory, this.#memo);
    if (newest === undefined || newest.generation < this.#current.generation) return;
    const known = [this.#current, this.#attempted];
    if (known.some((one) => one !== undefined && isSameWriting(newest, one))) return;
    throw new HoldfastError(
      "FENCED",
      `another writer (${newest.writer.writerId}, pid ${newest.writer.pid} on ` +
        `${newest.writer.host}) has taken over this store`,
      { file: this.#directory },
    );
  }
}

/** By the same opening, as the same generation: nobody else writes that. */
function isSameWriting(a: Manifest, b: Manifest): boolean {
  return (
    a.generation === b.generation &&
    a.epoch === b.epoch &&
    a.writer.pid === b.writer.pid &&
    a.writer.host === b.writer.host &&
    a.writer.openedMicros === b.writer.openedMicros
  );
}

/** Writes the first manifest of a new store to both slots. */
export async function createManifest(
  disk: Disk,
  directory: string,
  manifest: Manifest,
): Promise<ManifestKeeper> {
  const bytes = encodeManifest(manifest, disk.checksum);
  for (const slot of [0, 1]) await writeSlot(disk, directory, slot, bytes);
  await disk.syncDirectory(directory);
  return new ManifestKeeper(disk, directory, manifest, 0);
}

async function writeSlot(
  disk: Disk,
  directory: string,
  slot: number,
  bytes: Uint8Array,
): Promise<void> {
  const name = MANIFEST_SLOT_NAMES[slot];
  assert(name !== undefined, "there are two slots");
  const path = `${directory}/${name}`;
  try {
    const file = await disk.open(path, { write: true, create: true });
    try {
      await makeRoom(file, bytes.length);
      await file.write(0, bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await verifySlot(disk, path, bytes);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const code = errnoCode(error);
    const full = code === "ENOSPC" || code === "EDQUOT";
    throw new HoldfastError(
      full ? "DISK_FULL" : "IO",
      `writing the manifest failed: ${(error as Error).message}`,
      { file: path },
      error,
    );
  }
}

/**
 * A slot has its room long before it needs it, so that a full disk does not keep a change from
 * being written: it may be the one that gives room back. Fails only if the manifest itself does not
 * fit.
 */
async function makeRoom(file: DiskFile, needed: number): Promise<void> {
  const size = await file.size();
  const wanted = alignUp(2 * needed, MANIFEST_SLOT_BYTES);
  if (size >= wanted) return;
  try {
    await file.zeroFill(size, wanted - size);
  } catch (error) {
    const code = errnoCode(error);
    if (size < needed || (code !== "ENOSPC" && code !== "EDQUOT")) throw error;
  }
}

/** Past the page cache: after a failed write that would show what the device does not have. */
async function verifySlot(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.open(path, { direct: true });
  let written: Uint8Array;
  try {
    written = await file.read(0, bytes.length);
  } finally {
    await file.close();
  }
  if (written.length === bytes.length && bytesEqual(written, 0, bytes, 0, bytes.length)) return;
  throw new HoldfastError("IO", "the manifest does not read back as it was written", {
    file: path,
  });
}
